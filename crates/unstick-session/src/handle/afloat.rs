//! Trips that a lifeboat takes part in: commits that are kept aboard when the backend is away, and the merge afterwards.

use std::time::Duration;

use unstick_core::{
    Applied, BoxFuture, Carrier, Change, Committed, ErrorKind, EventKind, FieldVersion, Lifecycle, OpCtx, OpId, Proof, Ticket, Timestamp,
};

use super::{
    Session,
    aboard::{is_outage, mark_clear, view},
};
use crate::{
    SessionError, Status,
    commit::{self, Attempt, Outcome},
    env::Env,
    lifeboat::{Decision, Fleet, MARKER, Manifest, Merge, Offer, ROOM, UNREADABLE, Voyage, floor, merge},
};

/// How often a merge is decided anew because the session changed underneath.
const TRIES: u32 = 5;

/// What the session has room for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    Enough,
    /// Not for what the fields' functions have made; what was acknowledged is merged.
    AsCarried,
    /// The store has a limit of its own.
    None,
}

/// What a commit has done.
pub(super) struct Done<'a> {
    pub(super) before: Option<&'a Ticket>,
    pub(super) after: Option<&'a Ticket>,
    pub(super) carrier: &'a Carrier,
    pub(super) lifecycle: &'a Lifecycle,
    pub(super) change: &'a Change,
    pub(super) version: FieldVersion,
}

impl Session {
    /// A commit on the way.
    pub(super) fn committing(&self, attempt: Attempt) -> BoxFuture<'static, Outcome> {
        let shared = self.shared();
        if shared.env.lifeboat.is_none() {
            return shared.engine.clone().commit(shared.env.clone(), attempt);
        }
        Box::pin(self.clone().commit_or_keep(attempt))
    }

    /// The commit after the handler. What came along is merged first, so that it does not meet the request's own change.
    pub(crate) fn last_commit(&self, mut attempt: Attempt) -> BoxFuture<'static, Outcome> {
        if self.shared().env.lifeboat.is_none() || attempt.intent.lifecycle == Lifecycle::End || !self.state().is_underway() {
            return self.committing(attempt);
        }
        let session = self.clone();
        Box::pin(async move {
            if let Some(first) = session.merge_first()
                && let Err(error) = first.await
            {
                return Outcome::failed(session.shared().env.ops.next(), error);
            }
            {
                let state = session.state();
                if state.live.is_some() {
                    attempt.ticket.clone_from(&state.ticket);
                    attempt.seen_live = state.seen_live;
                }
            }
            session.commit_or_keep(attempt).await
        })
    }

    /// The load, and with it the merge, that must precede a commit.
    pub(super) fn merge_first(&self) -> Option<BoxFuture<'_, Result<(), SessionError>>> {
        let due = self.state().is_underway();
        due.then(|| Box::pin(self.ensure_loaded()) as BoxFuture<'_, _>)
    }

    async fn commit_or_keep(self, mut attempt: Attempt) -> Outcome {
        let (engine, env) = (self.shared().engine.clone(), self.shared().env.clone());
        let Some(fleet) = &env.lifeboat else { return engine.commit(env.clone(), attempt).await };
        let Attempt { ticket: before, intent, .. } = &attempt;
        let (before, lifecycle, change) = (before.clone(), intent.lifecycle.clone(), intent.change.clone());
        let outage = self.state().outage().cloned();
        if let Some(outage) = outage.filter(|_| lifecycle != Lifecycle::End) {
            return self.keep(&env, fleet, before.as_ref(), (&lifecycle, &change), outage, FieldVersion::ABSENT);
        }
        if before.is_some() {
            mark_clear(&env, &mut attempt.intent.change);
        }
        let outcome = engine.commit(env.clone(), attempt).await;
        match &outcome.result {
            Ok((carrier, after)) => {
                let version = outcome.op_id.field_version();
                let done =
                    Done { before: before.as_ref(), after: after.as_ref(), carrier, lifecycle: &lifecycle, change: &change, version };
                self.state().confirm(&env, fleet, &done);
            }
            Err(error) if !is_outage(error) || outcome.status.is_some() => {}
            Err(_) if lifecycle == Lifecycle::End => self.state().abandon(),
            Err(error) => {
                // In case that it has arrived all the same.
                let also = if error.is_outcome_unknown() { outcome.op_id.field_version() } else { FieldVersion::ABSENT };
                return self.keep(&env, fleet, before.as_ref(), (&lifecycle, &change), error.clone(), also);
            }
        }
        outcome
    }

    /// Keeps a change aboard if all of it can be kept there; else the outage is its answer.
    fn keep(
        &self,
        env: &Env,
        fleet: &Fleet,
        ticket: Option<&Ticket>,
        (lifecycle, change): (&Lifecycle, &Change),
        outage: SessionError,
        also: FieldVersion,
    ) -> Outcome {
        let op_id = env.ops.next();
        let all_chosen = !change.clear && !change.is_empty() && change.fields.iter().all(|(name, _)| fleet.is_chosen(name));
        let Some(ticket) = ticket.filter(|_| *lifecycle == Lifecycle::Keep && all_chosen) else { return Outcome::failed(op_id, outage) };
        let now = env.now();
        let mut state = self.state();
        let state = &mut *state;
        if state.aboard.1 {
            return Outcome::failed(op_id, outage); // a task of the handler's own, and nothing will bring the client the change
        }
        let boat = state.aboard.0.get_or_insert_default();
        boat.open(fleet, ticket, now);
        let known = match &state.live {
            // What was loaded in this request is newer than what came along.
            Some(live) if boat.outage.is_none() => {
                (live.proof != Proof::Grace).then(|| Manifest::of(fleet.names(), &live.fields, now, fleet.expires(now)))
            }
            _ => boat.manifest.clone(),
        };
        // The last `clear` that is known of: what it was called with by another node's clock is no later than its answer, nor
        // is what the session remembers.
        let loaded = state.live.as_ref().map(|live| floor(&live.fields));
        let before = boat.manifest.as_ref().map(|manifest| manifest.issued).max(loaded);
        // Nothing is merged beside a memory that only a newer release can read.
        let readable = loaded.is_none_or(|floor| floor < UNREADABLE);
        let Some(mut manifest) = known.filter(|_| !boat.foreign && readable) else { return Outcome::failed(op_id, outage) };
        let voyage = match boat.voyage {
            Some(voyage) => Ok(voyage),
            None => next_step(&mut manifest, fleet, now, before),
        };
        let kept = voyage.and_then(|voyage| {
            if !manifest.change(change, also, voyage) {
                return Err(outage.clone());
            }
            boat.pack(fleet, manifest, ticket, now).map(|()| voyage)
        });
        match kept {
            Ok(voyage) => boat.voyage = Some(voyage),
            Err(error) => return Outcome::failed(op_id, error),
        }
        let (Some(manifest), first) = (&boat.manifest, boat.outage.is_none()) else { return Outcome::failed(op_id, outage) };
        state.live = Some(view(ticket, manifest.fields()));
        boat.known = fleet.names().filter(|name| manifest.get(name).is_some()).cloned().collect();
        if first {
            env.emit(EventKind::SessionDegraded, Some(ticket), outage.kind().as_str());
            boat.outage = Some(outage);
        }
        Outcome { status: Some(Status::Degraded), ..Outcome::done(op_id, ticket.clone()) }
    }

    /// The merge of what came along, when the session has been loaded.
    pub(super) fn merge_carried(&self) -> Option<BoxFuture<'_, Result<(), SessionError>>> {
        let due = {
            let state = self.state();
            state.live.is_some() && state.is_underway()
        };
        due.then(|| Box::pin(self.merge()) as BoxFuture<'_, _>)
    }

    async fn merge(&self) -> Result<(), SessionError> {
        let (engine, env) = (&self.shared().engine, &*self.shared().env);
        let Some(fleet) = &env.lifeboat else { return Ok(()) };
        let mut room = Room::Enough;
        for _ in 0..TRIES {
            let (ticket, manifest, op_id, fields) = {
                let state = self.state();
                let boat = state.aboard.0.as_ref();
                let carried = boat.and_then(|boat| Some((boat.manifest.clone()?, boat.merge?)));
                let (Some(ticket), Some(live), Some((manifest, op_id))) = (&state.ticket, &state.live, carried) else { return Ok(()) };
                (ticket.clone(), manifest, op_id, live.fields.clone())
            };
            // The application's functions run here, not under the lock.
            let skew = env.lifetimes.tolerated_skew();
            let decide = |offer: &Offer<'_>| if room == Room::Enough { fleet.decide(offer) } else { Decision::KeepStored };
            let (mut change, conflicts) = match merge(&manifest, &fields, op_id.field_version(), env.now(), skew, decide) {
                Merge::Apply { change, conflicts } => (change, conflicts),
                Merge::Foreign => {
                    env.emit(EventKind::LifeboatRefused, Some(&ticket), ErrorKind::UnknownFormat.as_str());
                    self.state().leave_alone();
                    return Ok(());
                }
                over => {
                    if over == Merge::Over {
                        env.emit(EventKind::LifeboatRefused, Some(&ticket), "merged before, or cleared since");
                    }
                    self.state().pack_loaded(env, fleet);
                    return Ok(());
                }
            };
            if room == Room::None {
                change.fields.retain(|(name, _)| **name == *MARKER);
            } else {
                change.max_size = env.max_size.saturating_add(ROOM);
            }
            let op = OpCtx { op_id, ..env.op() };
            let answer = engine.merge(env, op, self.carriage(), ticket.clone(), change.clone()).await;
            match answer {
                Ok(Committed::Done { carrier, ticket: after }) => {
                    self.merged(env, fleet, &change, (carrier, after), op_id);
                    if conflicts > 0 {
                        env.emit(EventKind::LifeboatConflict, Some(&ticket), "a stored value was newer");
                    }
                    if room != Room::None {
                        env.emit(EventKind::LifeboatMerged, Some(&ticket), "");
                    }
                    if room != Room::Enough {
                        env.emit(EventKind::LifeboatRefused, Some(&ticket), ErrorKind::TooLarge.as_str());
                    }
                    return Ok(());
                }
                Ok(Committed::Refused(Applied::Conflict(fields))) => {
                    if let Some(live) = &mut self.state().live {
                        live.fields = fields;
                    }
                }
                Ok(Committed::Refused(Applied::TooLarge)) => {
                    room = if room == Room::Enough && conflicts > 0 { Room::AsCarried } else { Room::None };
                }
                Ok(Committed::Refused(refused)) => return self.went_down(env, &ticket, &refused),
                Ok(_) => return Err(SessionError::new(ErrorKind::Internal, "the backend gave an answer that this release does not know")),
                Err(error) => return self.put_off(env, error.into()),
            }
        }
        Err(SessionError::new(ErrorKind::Contended, "the session kept changing while a lifeboat was to be merged into it"))
    }

    fn merged(&self, env: &Env, fleet: &Fleet, change: &Change, (carrier, after): (Carrier, Option<Ticket>), op_id: OpId) {
        let mut state = self.state();
        if let Some(live) = &mut state.live {
            change.merge_into(&mut live.fields, op_id.field_version());
        }
        if carrier != Carrier::Unchanged {
            state.carrier = carrier;
            state.ticket = after;
        }
        state.pack_loaded(env, fleet);
    }

    /// The session ended between its load and the merge: there is nothing to merge into, now or later.
    fn went_down(&self, env: &Env, ticket: &Ticket, refused: &Applied) -> Result<(), SessionError> {
        let mut state = self.state();
        state.refuse(refused);
        (state.live, state.ticket) = (None, None);
        commit::gone(env, Some(ticket), state.status);
        env.emit(EventKind::LifeboatRefused, Some(ticket), state.status.as_str());
        Ok(())
    }

    /// The backend went away again between the load and the merge.
    fn put_off(&self, env: &Env, error: SessionError) -> Result<(), SessionError> {
        let mut state = self.state();
        if state.board(env, &error) {
            return Ok(());
        }
        (state.live, state.status) = (None, Status::Unknown);
        state.failed = Some(error.clone());
        Err(error)
    }
}

/// The step that a request's local changes are. A voyage begins after what was `before`.
fn next_step(manifest: &mut Manifest, fleet: &Fleet, now: Timestamp, before: Option<Timestamp>) -> Result<Voyage, SessionError> {
    if let Some(voyage) = manifest.voyage {
        let step = voyage.step.checked_add(1);
        let full =
            || SessionError::new(ErrorKind::Unavailable, "the session backend is unavailable, and the lifeboat has taken all it can");
        return Ok(Voyage { step: step.ok_or_else(full)?, ..voyage });
    }
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|_| SessionError::new(ErrorKind::Internal, "the operating system gave no randomness"))?;
    manifest.expires = fleet.expires(now);
    let started = before.map_or(now, |before| now.max(before + Duration::from_millis(1)));
    Ok(Voyage { id, started, step: 1 })
}
