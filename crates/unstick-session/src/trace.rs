//! What a trace tells of sessions: a span for each trip to the backend, and fields on the span of the request. Where nobody traces, each costs a load and a comparison.

use std::future::Future;

use tracing::{Instrument, Level, Span, field, level_filters::LevelFilter};
use unstick_core::{Applied, BoxFuture, Carrier, Error, Lifecycle, Loaded, RecordKey, Ticket};

use crate::{
    Session, Status,
    commit::{Attempt, Outcome},
    env::Env,
};

/// What makes a trip's span, if anybody wants it. A macro, because names of spans are part of the program.
macro_rules! trip {
    ($name:literal, $env:expr, $backend:expr, $ticket:expr $(, $field:ident = $value:expr)?) => {
        is_wanted().then(|| {
            let (instance, backend) = ($env.events.instance(), $backend);
            let session = $ticket.map(|ticket: &Ticket| ticket.credential.lineage().record_key().tag());
            move || {
                tracing::debug_span!(
                    target: "unstick::trip", $name, otel.kind = "client", backend, instance, session = session.map(field::display),
                    $($field = $value,)? outcome = field::Empty,
                )
            }
        })
    };
}

/// Whether anybody wants the spans of trips.
#[inline]
pub(crate) fn is_wanted() -> bool {
    tracing::span_enabled!(target: "unstick::trip", Level::DEBUG)
}

/// For a load, which begins only when it is waited for.
#[inline]
pub(crate) fn load<'a>(env: &'a Env, backend: &'static str, ticket: &Ticket) -> Option<impl FnOnce() -> Span + Send + use<'a>> {
    trip!("session.load", env, backend, Some(ticket))
}

/// For a commit, or a save before it.
#[inline]
pub(crate) fn commit(env: &Env, backend: &'static str, attempt: &Attempt) -> Option<impl FnOnce() -> Span + Send + use<>> {
    let change = change(&attempt.intent.lifecycle);
    let span = trip!("session.commit", env, backend, attempt.ticket.as_ref(), change = change)?();
    Some(|| span)
}

/// For an update under the engine's lock.
#[inline]
pub(crate) fn update<'a>(env: &'a Env, backend: &'static str, ticket: &Ticket) -> Option<impl FnOnce() -> Span + Send + use<'a>> {
    trip!("session.update", env, backend, Some(ticket))
}

/// The future of a trip, within its span if it is to have one. `outcome` says in a word how it went.
#[inline]
pub(crate) fn within<'a, F>(
    span: Option<impl FnOnce() -> Span + Send + 'a>,
    future: F,
    outcome: fn(&F::Output) -> &'static str,
) -> BoxFuture<'a, F::Output>
where
    F: Future<Output: Send> + Send + 'a,
{
    match span {
        None => Box::pin(future),
        Some(span) => Box::pin(async move {
            let span = span();
            let output = future.instrument(span.clone()).await;
            span.record("outcome", outcome(&output));
            output
        }),
    }
}

pub(crate) fn loaded(answer: &Result<(Loaded, Carrier), Error>) -> &'static str {
    match answer {
        Ok((Loaded::Live(_), _)) => Status::Live.as_str(),
        Ok((Loaded::Missing, _)) => Status::Lost.as_str(),
        Ok((Loaded::Ended { .. }, _)) => Status::Ended.as_str(),
        Ok((Loaded::Superseded { .. }, _)) => Status::Superseded.as_str(),
        Ok((Loaded::Expired, _)) => Status::Expired.as_str(),
        Ok((Loaded::Unreadable(_), _)) => Status::Unreadable.as_str(),
        Ok(_) => Status::Unknown.as_str(),
        Err(error) => error.kind().as_str(),
    }
}

pub(crate) fn committed(outcome: &Outcome) -> &'static str {
    match &outcome.result {
        Ok(_) => "done",
        Err(error) => error.kind().as_str(),
    }
}

pub(crate) fn updated(answer: &Result<Option<Applied>, Error>) -> &'static str {
    match answer {
        Ok(Some(Applied::Done { .. })) => "done",
        Ok(Some(_)) => "refused",
        Ok(None) => "no_lock",
        Err(error) => error.kind().as_str(),
    }
}

fn change(lifecycle: &Lifecycle) -> &'static str {
    match lifecycle {
        Lifecycle::Keep => "values",
        Lifecycle::RenewId => "renew_id",
        Lifecycle::Promote(_) => "promote",
        Lifecycle::End => "end",
    }
}

/// Puts what the session turned out to be on the span of the request, if it has the fields for it.
#[inline]
pub(crate) fn answered(session: &Session) {
    if LevelFilter::current() != LevelFilter::OFF {
        record(session);
    }
}

#[cold]
fn record(session: &Session) {
    let span = Span::current();
    if span.has_field("session.status") {
        span.record("session.status", session.status().as_str());
    }
    tag(&span, || session.key());
}

/// Puts the tag of the credential that a request came with on its span: of a session that is lost, it is all there is.
#[inline]
pub(crate) fn arrived(ticket: &Ticket) {
    if LevelFilter::current() != LevelFilter::OFF {
        tag(&Span::current(), || Some(ticket.credential.lineage().record_key()));
    }
}

/// The tag is two hashes, so it is made only for a span that has the field: nearly everybody logs, few trace.
#[cold]
fn tag(span: &Span, key: impl FnOnce() -> Option<RecordKey>) {
    if span.has_field("session.tag")
        && let Some(key) = key()
    {
        span.record("session.tag", field::display(key.tag()));
    }
}
