//! What a trace tells of loads. A load is a task of its own, so its span, and with it what the loader does, hangs on the span of whoever began it.

use tracing::{Instrument, Level, Span, field};
use unstick_core::BoxFuture;

use super::{load::Landed, wait::Outcome};
use crate::{entry::Content, namespace::shared::Shared};

/// The task of a load, within its span if anybody wants one.
pub(super) fn load(shared: &Shared, cache: &str, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
    if !tracing::span_enabled!(target: "unstick::trip", Level::DEBUG) {
        return task;
    }
    let (namespace, instance) = (&*shared.name, shared.events.instance());
    let span = tracing::debug_span!(target: "unstick::trip", "cache.load", namespace, cache, instance, outcome = field::Empty);
    Box::pin(task.instrument(span))
}

/// Notes on the load's span how it went.
pub(super) fn landed<V>(landed: &Landed<V>) {
    let (Landed::Kept(outcome) | Landed::Passed(outcome)) = landed;
    if tracing::span_enabled!(target: "unstick::trip", Level::DEBUG) {
        Span::current().record("outcome", word(outcome));
    }
}

fn word<V>(outcome: &Outcome<V>) -> &'static str {
    match outcome {
        Ok(entry) if matches!(entry.content, Content::Absent) => "absent",
        Ok(_) => "value",
        Err(error) => error.kind().as_str(),
    }
}
