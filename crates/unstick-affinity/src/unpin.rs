//! One request's way through the layer: what is noted when it comes, and done when its response is there.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Response, Uri,
    header::{HOST, SET_COOKIE},
};
use unstick_core::{AffinityRan, EventKind, HeaderBudget};

use crate::{
    Head, Switch, audit,
    builder::Config,
    decide::{self, Carried, Origin, Own},
    fly, form,
    judge::{self, ROUTE_RUN, Verdict},
    marker::Run,
    plan::{Case, Plan, plan},
};

const ARR_HEADER: HeaderName = HeaderName::from_static("arr-disable-session-affinity");
const ARR_VALUE: HeaderValue = HeaderValue::from_static("true");
/// An order of layers does not change, so a few responses are enough to notice a wrong one; a mark on each would cost more than all the rest.
const MARKED: u8 = 16;

/// What the request said that its response needs.
#[derive(Debug)]
pub(crate) enum Unpinning {
    /// It passes untouched.
    Nothing,
    /// The header alone.
    Header {
        /// The response tells layers outside that this one ran.
        is_marked: bool,
    },
    Work(Box<Work>),
}

pub(crate) struct Work {
    config: Arc<Config>,
    is_on: bool,
    carried: Carried,
    host: Option<String>,
    /// What a proxy says that the browser asked, if that is another host.
    outer: Option<String>,
    path: String,
    run: Option<Run>,
    bucket: Option<u8>,
    is_replay_cached: bool,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Paths may hold what a user would not tell.
        f.debug_struct("Work").field("is_on", &self.is_on).finish_non_exhaustive()
    }
}

impl Unpinning {
    #[inline]
    pub(crate) fn of(config: &Arc<Config>, head: &Head<'_>) -> Self {
        if !config.is_on(head) {
            // A client that was given a bucket must keep it, in or out.
            return if head.drawn().is_some() { Self::Work(Box::new(Work::new(config, head, false))) } else { Self::Nothing };
        }
        config.tally.request();
        let carried = decide::carried(head.headers(), &config.filter, &config.own);
        if carried.is_some() || !config.is_plain || head.drawn().is_some() {
            return Self::Work(work(config, head, carried));
        }
        let is_marked = config.marked.load(Ordering::Relaxed) < MARKED;
        if is_marked {
            config.marked.fetch_add(1, Ordering::Relaxed);
        }
        Self::Header { is_marked }
    }

    #[inline]
    pub(crate) fn finish<R>(&self, response: &mut Response<R>) {
        match self {
            Self::Nothing => {}
            Self::Header { is_marked } => {
                disable_arr(response.headers_mut());
                if *is_marked {
                    response.extensions_mut().insert(AffinityRan);
                }
            }
            Self::Work(work) => work.finish(response),
        }
    }
}

/// A handler that sets the header itself has its reasons: a warm-up page may want to stay pinned.
#[inline]
fn disable_arr(headers: &mut HeaderMap) {
    if headers.len() != headers.keys_len() {
        headers.entry(ARR_HEADER).or_insert(ARR_VALUE);
    } else if let Some(theirs) = headers.insert(ARR_HEADER, ARR_VALUE) {
        // Looking first, which is for nothing as a rule, would double the cost.
        headers.insert(ARR_HEADER, theirs);
    }
}

#[inline(never)]
fn work(config: &Arc<Config>, head: &Head<'_>, carried: Option<Box<Carried>>) -> Box<Work> {
    let mut carried = carried.map(|carried| *carried).unwrap_or_default();
    carried.pins.retain(|pin| !matches!(pin.origin, Origin::Configured(index) if config.own.get(index).is_some_and(Own::is_theirs)));
    let mut rows: Vec<usize> = Vec::new();
    for pin in &carried.pins {
        if !rows.contains(&pin.row) {
            rows.push(pin.row);
        }
    }
    let route = config.fly.map(|row| (row, fly::route(head.headers())));
    rows.extend(route.filter(|(_, route)| *route != fly::Route::Free).map(|(row, _)| row));
    for row in rows.iter().filter_map(|row| config.tally.row(*row)) {
        row.seen();
        config.events.emit_with(EventKind::PinSeen, || None, &row.label);
    }
    if !rows.is_empty() {
        config.tally.pinned();
    }
    let watch = config.watch.as_ref().filter(|watch| watch.clients.is_on(head));
    let run = watch.map(|watch| judge::run(carried.marker.as_ref().and_then(|marker| marker.run), watch.node));
    let is_replay_cached = route.is_some_and(|(_, route)| route == fly::Route::Cached);
    let is_remembered = !carried.pins.is_empty() || carried.has_marker;
    let (host, path) = match (is_remembered, config.own.is_empty()) {
        (true, _) => (host(head.uri(), head.headers()), head.uri().path().to_owned()),
        (false, false) => (host(head.uri(), head.headers()), String::new()),
        (false, true) => (None, String::new()),
    };
    let outer = if is_remembered { outer(head.headers(), host.as_deref()) } else { None };
    Box::new(Work { carried, host, outer, path, run, is_replay_cached, ..Work::new(config, head, true) })
}

impl Work {
    fn new(config: &Arc<Config>, head: &Head<'_>, is_on: bool) -> Self {
        let (config, bucket) = (config.clone(), head.drawn());
        Self {
            config,
            is_on,
            carried: Carried::default(),
            host: None,
            outer: None,
            path: String::new(),
            run: None,
            bucket,
            is_replay_cached: false,
        }
    }

    fn finish<R>(&self, response: &mut Response<R>) {
        let config = &*self.config;
        if self.is_on {
            disable_arr(response.headers_mut());
            response.extensions_mut().insert(AffinityRan);
        }
        if self.is_replay_cached
            && fly::forget(response.headers_mut())
            && let Some(row) = config.fly.and_then(|row| config.tally.row(row))
        {
            row.told();
            config.events.emit_with(EventKind::PinExpired, || None, &row.label);
        }
        if self.is_on && response.headers().contains_key(SET_COOKIE) {
            leave_theirs(config, response.headers());
        }
        let is_idle = config.own.is_empty()
            && self.carried.pins.is_empty()
            && !self.carried.has_marker
            && self.run.is_none()
            && self.bucket.is_none();
        if is_idle || !decide::may_expire(response.status(), response.headers()) {
            return;
        }
        let mut shared = response.extensions().get::<HeaderBudget>().copied().unwrap_or_default();
        if self.is_on {
            shared.spend(HeaderBudget::line(ARR_HEADER.as_str().len(), ARR_VALUE.len()));
        }
        let case = Case {
            own: if self.is_on { &config.own } else { &[] },
            rows: &config.tally.rows,
            carried: &self.carried,
            host: self.host.as_deref(),
            outer: self.outer.as_deref(),
            path: &self.path,
            run: self.run,
            bucket: self.bucket,
        };
        let plan = plan(case, response.headers(), &mut shared);
        self.report(config, &plan);
        if plan.lines.is_empty() {
            return;
        }
        for line in plan.lines {
            response.headers_mut().append(SET_COOKIE, line);
        }
        response.extensions_mut().insert(shared);
    }

    fn report(&self, config: &Config, plan: &Plan) {
        let emit = |kind, label: &str| config.events.emit_with(kind, || None, label);
        for (index, (row, verdict)) in plan.verdicts.iter().enumerate() {
            let Some(row) = config.tally.row(*row).filter(|_| !plan.verdicts[..index].contains(&(*row, *verdict))) else { continue };
            match verdict {
                Verdict::First => {}
                Verdict::Kept => {
                    row.kept();
                    emit(EventKind::PinCameBack, &row.label);
                }
                Verdict::Again => {
                    row.again();
                    emit(EventKind::PinCameBack, &row.label);
                }
                Verdict::Gone => {
                    row.gone();
                    emit(EventKind::PinGone, &row.label);
                }
            }
        }
        for row in plan.told.iter().filter_map(|row| config.tally.row(*row)) {
            row.told();
            emit(EventKind::PinExpired, &row.label);
        }
        for row in plan.dropped.iter().filter_map(|row| config.tally.row(*row)) {
            row.dropped();
            emit(EventKind::PinDropped, &row.label);
        }
        let is_run = plan.is_run_told && self.run.is_some_and(|run| run.length == ROUTE_RUN);
        if is_run && self.carried.pins.is_empty() {
            config.tally.route_run();
            emit(EventKind::RoutePinned, "a client's requests stay on this node, without a pin cookie that is seen");
        }
    }
}

/// A cookie that the application sets was named by mistake, and deleting it would end every session if it is the session's.
fn leave_theirs(config: &Config, response: &HeaderMap) {
    for own in config.own.iter().filter(|own| own.becomes_theirs(response)) {
        if let Some(row) = config.tally.row(own.row) {
            row.leave();
        }
        let detail =
            format!("`{}` was named to the affinity layer as a pin, and the application sets it itself: it is left alone", own.pin.name);
        config.events.emit(EventKind::CookieMisconfigured, None, &detail);
    }
}

/// HTTP/2 has the host in the URI, HTTP/1 in a header.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let host = uri.host().or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()))?;
    form::domain_of(host).map(str::to_owned)
}

/// A balancer that gives the application another `Host` than the browser's may still set its cookie for the browser's, as App Service does
/// with `clientAffinityProxyEnabled`. Whoever forges this is told other deletions of cookies of their own.
fn outer(headers: &HeaderMap, host: Option<&str>) -> Option<String> {
    const ORIGINAL: HeaderName = HeaderName::from_static("x-original-host");
    const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-host");
    let said = headers.get(ORIGINAL).or_else(|| headers.get(FORWARDED))?;
    let outer = form::domain_of(str::from_utf8(audit::first(said)).ok()?)?;
    (!host.is_some_and(|host| host.eq_ignore_ascii_case(outer))).then(|| outer.to_owned())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header::VARY};

    use super::{ARR_HEADER, disable_arr};

    #[test]
    fn the_handlers_own_header_stays() {
        let after = |theirs: &[&'static str], other: &[&'static str]| {
            let mut headers = HeaderMap::new();
            theirs.iter().for_each(|value| _ = headers.append(ARR_HEADER, HeaderValue::from_static(value)));
            other.iter().for_each(|value| _ = headers.append(VARY, HeaderValue::from_static(value)));
            disable_arr(&mut headers);
            assert_eq!(headers.get_all(VARY).iter().collect::<Vec<_>>(), other);
            headers.get_all(ARR_HEADER).iter().map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        for other in [&[][..], &["cookie"], &["cookie", "origin"]] {
            assert_eq!(after(&[], other), ["true"]);
            assert_eq!(after(&["false"], other), ["false"]);
            assert_eq!(after(&["false", "x"], other), ["false", "x"]);
        }
    }
}
