//! Carries out a request's intent on its backend: one atomic operation, and the few cases where a second is right.

use std::{pin::pin, sync::Arc, time::Duration};

use unstick_core::{
    Applied, Carriage, Carrier, Change, Committed, Error, ErrorKind, Event, EventKind, Intent, Lifecycle, OpId, SessionBackend, Ticket,
    Timestamp,
};

use crate::{SessionError, Status, deadline::within, env::Env, handle::is_ours};

/// See [`Event::JUST_ISSUED`].
const JUST_ISSUED: Duration = Duration::from_secs(60);

/// One attempt to commit.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) ticket: Option<Ticket>,
    pub(crate) carriage: Carriage,
    pub(crate) intent: Intent,
    /// When the request arrived.
    pub(crate) started: Timestamp,
    /// The request has seen the session live: whatever ended it since is younger than the request.
    pub(crate) seen_live: bool,
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) result: Result<(Carrier, Option<Ticket>), SessionError>,
    /// What the attempt told of the session.
    pub(crate) status: Option<Status>,
    /// Current fields, after a conflict.
    pub(crate) conflict: Option<unstick_core::Fields>,
    /// The operation that did it, for the versions of the fields it wrote.
    pub(crate) op_id: OpId,
}

impl Outcome {
    fn new(op_id: OpId) -> Self {
        Self { result: Ok((Carrier::Unchanged, None)), status: None, conflict: None, op_id }
    }

    #[cfg(feature = "lifeboat")]
    pub(crate) fn failed(op_id: OpId, error: SessionError) -> Self {
        Self { result: Err(error), ..Self::new(op_id) }
    }

    #[cfg(feature = "lifeboat")]
    pub(crate) fn done(op_id: OpId, ticket: Ticket) -> Self {
        Self { result: Ok((Carrier::Unchanged, Some(ticket))), ..Self::new(op_id) }
    }
}

/// What to do about a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// The session was gone before the request began: its change starts a new one, as for any anonymous request.
    StartOver(Status),
    /// The session went while the request was in flight, or cannot be judged: refuse.
    Refuse(Status),
    /// Preconditions failed.
    Conflict,
    /// Not the session's fault.
    Fail,
}

/// Decides by what is certain: a session seen live in this request, or ended after it began, went while it was in flight.
/// An id that was replaced less than `overlap` before may well have been sent before its replacement was received.
pub(crate) fn react(refused: &Applied, started: Timestamp, seen_live: bool, overlap: Duration) -> Reaction {
    let by = |status: Status, before: bool| if before && !seen_live { Reaction::StartOver(status) } else { Reaction::Refuse(status) };
    match refused {
        Applied::Missing => Reaction::StartOver(Status::Lost),
        Applied::Ended { at } => by(Status::Ended, *at < started),
        Applied::Superseded { at } => by(Status::Superseded, *at + overlap < started),
        Applied::Expired => Reaction::Refuse(Status::Expired), // its credential was in time when the request began
        Applied::Unreadable(ErrorKind::Corrupt) => Reaction::StartOver(Status::Unreadable),
        Applied::Unreadable(_) => Reaction::Refuse(Status::Unreadable),
        Applied::Conflict(_) => Reaction::Conflict,
        _ => Reaction::Fail,
    }
}

/// Applies a change to the session it was made for: what most commits are, in a small future.
#[allow(clippy::manual_async_fn, reason = "an async fn would keep its arguments twice")]
pub(crate) fn apply<B: SessionBackend>(backend: Arc<B>, env: Arc<Env>, attempt: Attempt) -> impl Future<Output = Outcome> + Send {
    async move {
        let op = env.op();
        let Some(ticket) = &attempt.ticket else {
            // Never taken for success: a change without a session would be acknowledged and lost.
            let error = SessionError::new(ErrorKind::Internal, "a change was to be applied without a session");
            return Outcome { result: Err(error), ..Outcome::new(op.op_id) };
        };
        let trip = backend.apply(op, attempt.carriage, ticket, &attempt.intent.change);
        let answer = pin!(within(&env, env.deadline, trip)).await;
        match judge(&env, &attempt, op.op_id, answer) {
            Ok(outcome) => outcome,
            // A trip of its own, and rare.
            Err(outcome) => Box::pin(start_over(&*backend, &env, attempt, outcome)).await,
        }
    }
}

/// Carries out any other intent.
#[allow(clippy::manual_async_fn, reason = "an async fn would keep its arguments twice")]
pub(crate) fn run<B: SessionBackend>(backend: Arc<B>, env: Arc<Env>, attempt: Attempt) -> impl Future<Output = Outcome> + Send {
    async move {
        let op = env.op();
        let trip = backend.commit(op, attempt.carriage, attempt.ticket.as_ref(), &attempt.intent);
        let answer = pin!(within(&env, env.deadline, trip)).await;
        match judge(&env, &attempt, op.op_id, answer) {
            Ok(outcome) => outcome,
            Err(outcome) => Box::pin(start_over(&*backend, &env, attempt, outcome)).await,
        }
    }
}

/// What an answer comes to; `Err`: the session was gone before the request began.
#[allow(clippy::result_large_err, reason = "neither side is an error")]
fn judge(env: &Env, attempt: &Attempt, op_id: OpId, answer: Result<Committed, Error>) -> Result<Outcome, Outcome> {
    env.answered(&answer);
    let ticket = attempt.ticket.as_ref();
    let lifecycle = &attempt.intent.lifecycle;
    let mut outcome = Outcome::new(op_id);
    let refused = match answer {
        Ok(Committed::Done { carrier, ticket: after }) => {
            // An end leaves a tombstone also where there was nothing.
            if ticket.is_some() && !attempt.seen_live && *lifecycle != Lifecycle::End {
                env.counters.found();
            }
            announce(env, ticket, after.as_ref(), lifecycle, &carrier);
            outcome.status = Some(if after.is_some() { Status::Live } else { ended_or_new(lifecycle, ticket) });
            outcome.result = Ok((carrier, after));
            return Ok(outcome);
        }
        Ok(Committed::Refused(refused)) => refused,
        Ok(_) => Applied::Unreadable(ErrorKind::Internal),
        Err(error) => {
            announce_failure(env, ticket, &error);
            outcome.result = Err(error.into());
            return Ok(outcome);
        }
    };
    // A login takes the place of whatever the client has.
    let overlap = if matches!(lifecycle, Lifecycle::Promote(_)) { Duration::ZERO } else { env.lifetimes.tolerated_overlap() };
    match react(&refused, attempt.started, attempt.seen_live, overlap) {
        Reaction::StartOver(status) => {
            outcome.status = Some(status);
            gone(env, ticket, status);
            if *lifecycle != Lifecycle::End {
                return Err(outcome);
            }
            outcome.result = Ok((Carrier::Remove, None));
        }
        Reaction::Refuse(status) => {
            outcome.status = Some(status);
            env.emit(EventKind::ChangeRefused, ticket, status.as_str());
            let kind = if status == Status::Unreadable { ErrorKind::UnknownFormat } else { ErrorKind::Refused };
            let sentence = "the session ended or changed its id while the request was in flight; nothing was saved";
            outcome.result = Err(SessionError::new(kind, sentence));
        }
        Reaction::Conflict => {
            if let Applied::Conflict(fields) = refused {
                outcome.conflict = Some(fields);
            }
            outcome.result = Err(SessionError::new(ErrorKind::Contended, "the session changed concurrently"));
        }
        Reaction::Fail => {
            outcome.result = Err(too_large(env, ticket, attempt.intent.change.fields.iter().map(|(name, _)| &**name)));
        }
    }
    Ok(outcome)
}

/// Reports a change that would take the session over its limit.
pub(crate) fn too_large<'a>(env: &Env, ticket: Option<&Ticket>, keys: impl Iterator<Item = &'a str>) -> SessionError {
    let keys: Vec<&str> = keys.take(8).collect();
    let sentence = format!("the session would be larger than its limit of {} bytes; the change sets {}", env.max_size, keys.join(", "));
    env.emit(EventKind::CommitFailed, ticket, ErrorKind::TooLarge.as_str());
    SessionError::new(ErrorKind::TooLarge, sentence)
}

/// The record is gone for good: the change starts a new session under a new id; the old one is never adopted.
async fn start_over<B: SessionBackend>(backend: &B, env: &Env, attempt: Attempt, mut outcome: Outcome) -> Outcome {
    let mut change = Change { preconditions: Vec::new(), renewal: None, ..attempt.intent.change };
    change.fields.retain(|(name, _)| !is_ours(name)); // what was ours in the old session
    let intent = Intent { change, ..attempt.intent };
    let op = env.op();
    outcome.op_id = op.op_id;
    let answer = within(env, env.deadline, backend.commit(op, attempt.carriage, None, &intent)).await;
    env.answered(&answer);
    outcome.result = match answer {
        Ok(Committed::Done { carrier, ticket }) => {
            announce(env, None, ticket.as_ref(), &intent.lifecycle, &carrier);
            Ok((carrier, ticket))
        }
        Ok(_) => Err(SessionError::new(ErrorKind::Internal, "a new session was refused")),
        Err(error) => {
            announce_failure(env, None, &error);
            Err(error.into())
        }
    };
    outcome
}

fn ended_or_new(lifecycle: &Lifecycle, before: Option<&Ticket>) -> Status {
    if before.is_some() && *lifecycle == Lifecycle::End { Status::Ended } else { Status::New }
}

fn announce(env: &Env, before: Option<&Ticket>, after: Option<&Ticket>, lifecycle: &Lifecycle, carrier: &Carrier) {
    let kind = match (lifecycle, carrier) {
        (Lifecycle::End, _) if before.is_some() => EventKind::SessionEnded,
        (Lifecycle::Promote(_), Carrier::Set { .. }) => EventKind::SessionPromoted,
        (_, Carrier::Set { .. }) if before.is_none() => EventKind::SessionCreated,
        (Lifecycle::RenewId, Carrier::Set { .. }) => EventKind::SessionIdRenewed,
        (Lifecycle::Keep, Carrier::Set { .. }) => EventKind::SessionRenewed,
        _ => return,
    };
    env.emit(kind, after.or(before), "");
}

fn announce_failure(env: &Env, ticket: Option<&Ticket>, error: &Error) {
    let kind = if error.is_outcome_unknown() { EventKind::CommitUnknown } else { EventKind::CommitFailed };
    env.emit(kind, ticket, error.kind().as_str());
}

/// Reports a session that was asked for and is not there.
pub(crate) fn gone(env: &Env, ticket: Option<&Ticket>, status: Status) {
    let kind = match status {
        Status::Lost => {
            env.counters.lost();
            // A session that is gone at once was hardly evicted: more likely the nodes' stores are two.
            let is_young = ticket.is_some_and(|ticket| env.now().since(ticket.credential.issued()) < JUST_ISSUED);
            return env.emit(EventKind::SessionLost, ticket, if is_young { Event::JUST_ISSUED } else { "" });
        }
        Status::Expired => EventKind::SessionExpired,
        Status::Ended => EventKind::SessionAfterEnd,
        Status::Superseded => EventKind::SessionSuperseded,
        Status::Unreadable => EventKind::SessionUnreadable,
        _ => return,
    };
    env.emit(kind, ticket, "");
}
