//! One request's way through the layer: what is noted when it comes, and done when its response is there.

use std::sync::{Arc, atomic::Ordering};

use http::{
    HeaderMap, HeaderName, HeaderValue, Response, Uri,
    header::{HOST, SET_COOKIE},
};
use unstick_core::{AffinityRan, EventKind, HeaderBudget};

use crate::{
    Head, Switch,
    builder::Config,
    decide::{self, Carried},
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
pub(crate) struct Unpinning {
    config: Arc<Config>,
    is_on: bool,
    /// `None`: nothing but the header.
    work: Option<Box<Work>>,
}

#[derive(Debug)]
struct Work {
    carried: Carried,
    host: Option<String>,
    path: String,
    run: Option<Run>,
    bucket: Option<u8>,
    is_replay_cached: bool,
}

impl Unpinning {
    /// `None` for a request that passes untouched.
    #[inline]
    pub(crate) fn of(config: &Arc<Config>, head: &Head<'_>) -> Option<Self> {
        if !config.is_on(head) {
            // A client that was given a bucket must keep it, in or out.
            let bucket = head.drawn()?;
            let work = Work {
                carried: Carried::default(),
                host: None,
                path: String::new(),
                run: None,
                bucket: Some(bucket),
                is_replay_cached: false,
            };
            return Some(Self { config: config.clone(), is_on: false, work: Some(Box::new(work)) });
        }
        config.tally.request();
        let carried = decide::carried(head.headers(), &config.own);
        let is_plain =
            carried.pins.is_empty() && !carried.has_marker && config.own.is_empty() && config.watch.is_none() && config.fly.is_none();
        let work = if is_plain && head.drawn().is_none() { None } else { work(config, head, carried) };
        Some(Self { config: config.clone(), is_on: true, work })
    }

    #[inline]
    pub(crate) fn finish<R>(self, response: &mut Response<R>) {
        if self.is_on {
            // A handler that sets the header itself has its reasons: a warm-up page may want to stay pinned.
            response.headers_mut().entry(ARR_HEADER).or_insert(ARR_VALUE);
            if self.config.marked.load(Ordering::Relaxed) < MARKED {
                self.config.marked.fetch_add(1, Ordering::Relaxed);
                response.extensions_mut().insert(AffinityRan);
            }
        }
        if let Some(work) = self.work {
            work.finish(&self.config, self.is_on, response);
        }
    }
}

#[inline(never)]
fn work(config: &Config, head: &Head<'_>, carried: Carried) -> Option<Box<Work>> {
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
    let bucket = head.drawn();
    Some(Box::new(Work { carried, host, path, run, bucket, is_replay_cached }))
}

impl Work {
    fn finish<R>(self, config: &Config, is_on: bool, response: &mut Response<R>) {
        if self.is_replay_cached
            && fly::forget(response.headers_mut())
            && let Some(row) = config.fly.and_then(|row| config.tally.row(row))
        {
            row.told();
            config.events.emit_with(EventKind::PinExpired, || None, &row.label);
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
        if is_on {
            shared.spend(HeaderBudget::line(ARR_HEADER.as_str().len(), ARR_VALUE.len()));
        }
        let case = Case {
            own: if is_on { &config.own } else { &[] },
            rows: &config.tally.rows,
            carried: &self.carried,
            host: self.host.as_deref(),
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
        if is_on {
            response.extensions_mut().insert(AffinityRan);
        }
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

/// HTTP/2 has the host in the URI, HTTP/1 in a header.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let host = uri.host().or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()))?;
    form::domain_of(host).map(str::to_owned)
}
