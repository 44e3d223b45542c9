//! Carries out a request's intent on its backend: one atomic operation, and the few cases where a second is right.

use unstick_core::{
    Applied, Carriage, Carrier, Change, Committed, Error, ErrorKind, EventKind, Intent, Lifecycle, SessionBackend, Ticket, Timestamp,
};

use crate::{SessionError, Status, deadline::within, env::Env};

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
    pub(crate) op_id: unstick_core::OpId,
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
pub(crate) fn react(refused: &Applied, started: Timestamp, seen_live: bool) -> Reaction {
    let by = |status: Status, before: bool| if before && !seen_live { Reaction::StartOver(status) } else { Reaction::Refuse(status) };
    match refused {
        Applied::Missing => Reaction::StartOver(Status::Lost),
        Applied::Ended { at } => by(Status::Ended, *at < started),
        Applied::Superseded { at } => by(Status::Superseded, *at < started),
        Applied::Expired => Reaction::Refuse(Status::Expired), // its credential was in time when the request began
        Applied::Unreadable(ErrorKind::Corrupt) => Reaction::StartOver(Status::Unreadable),
        Applied::Unreadable(_) => Reaction::Refuse(Status::Unreadable),
        Applied::Conflict(_) => Reaction::Conflict,
        _ => Reaction::Fail,
    }
}

pub(crate) async fn run<B: SessionBackend>(backend: &B, env: &Env, attempt: Attempt) -> Outcome {
    let Attempt { ticket, carriage, intent, started, seen_live } = attempt;
    let op = env.op();
    let answer = within(&env.runtime, env.deadline, backend.commit(op, carriage, ticket.as_ref(), &intent)).await;
    env.answered(&answer);
    let mut outcome = Outcome { result: Ok((Carrier::Unchanged, None)), status: None, conflict: None, op_id: op.op_id };
    let refused = match answer {
        Ok(Committed::Done { carrier, ticket: after }) => {
            if ticket.is_some() && !seen_live {
                env.counters.found();
            }
            announce(env, ticket.as_ref(), after.as_ref(), &intent.lifecycle, &carrier);
            outcome.status = Some(if after.is_some() { Status::Live } else { ended_or_new(&intent.lifecycle, ticket.as_ref()) });
            outcome.result = Ok((carrier, after));
            return outcome;
        }
        Ok(Committed::Refused(refused)) => refused,
        Ok(_) => Applied::Unreadable(ErrorKind::Internal),
        Err(error) => {
            announce_failure(env, ticket.as_ref(), &error);
            outcome.result = Err(error.into());
            return outcome;
        }
    };
    match react(&refused, started, seen_live) {
        Reaction::StartOver(status) => {
            outcome.status = Some(status);
            gone(env, ticket.as_ref(), status);
            if intent.lifecycle == Lifecycle::End {
                outcome.result = Ok((Carrier::Remove, None));
                return outcome;
            }
            start_over(backend, env, carriage, intent, outcome).await
        }
        Reaction::Refuse(status) => {
            outcome.status = Some(status);
            env.emit(EventKind::ChangeRefused, ticket.as_ref(), status.as_str());
            let kind = if status == Status::Unreadable { ErrorKind::UnknownFormat } else { ErrorKind::Refused };
            outcome.result =
                Err(SessionError::new(kind, "the session ended or changed its id while the request was in flight; nothing was saved"));
            outcome
        }
        Reaction::Conflict => {
            if let Applied::Conflict(fields) = refused {
                outcome.conflict = Some(fields);
            }
            outcome.result = Err(SessionError::new(ErrorKind::Contended, "the session changed concurrently"));
            outcome
        }
        Reaction::Fail => {
            let keys: Vec<&str> = intent.change.fields.iter().map(|(name, _)| &**name).take(8).collect();
            let sentence =
                format!("the session would be larger than its limit of {} bytes; the change sets {}", env.max_size, keys.join(", "));
            outcome.result = Err(SessionError::new(ErrorKind::TooLarge, sentence));
            env.emit(EventKind::CommitFailed, ticket.as_ref(), ErrorKind::TooLarge.as_str());
            outcome
        }
    }
}

/// The record is gone for good: the change starts a new session under a new id; the old one is never adopted.
async fn start_over<B: SessionBackend>(backend: &B, env: &Env, carriage: Carriage, intent: Intent, mut outcome: Outcome) -> Outcome {
    let intent = Intent { change: Change { preconditions: Vec::new(), renewal: None, ..intent.change }, ..intent };
    let op = env.op();
    outcome.op_id = op.op_id;
    let answer = within(&env.runtime, env.deadline, backend.commit(op, carriage, None, &intent)).await;
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
            EventKind::SessionLost
        }
        Status::Expired => EventKind::SessionExpired,
        Status::Ended => EventKind::SessionAfterEnd,
        Status::Superseded => EventKind::SessionSuperseded,
        Status::Unreadable => EventKind::SessionUnreadable,
        _ => return,
    };
    env.emit(kind, ticket, "");
}
