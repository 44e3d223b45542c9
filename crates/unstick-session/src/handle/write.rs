//! Changing: buffered until the response, or until [`Session::save`].

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use unstick_core::{Change, ErrorKind, EventKind, FieldChange, Fields, Lifecycle};

use super::{Finished, Plan, Session, aboard::is_reserved, buffer::Buffer};
use crate::{
    SessionError, Status,
    commit::{Attempt, Outcome},
};

impl Session {
    /// Sets the value under `key`, as JSON. Buffered; needs no load. Setting a loaded key to the bytes it has is no change.
    ///
    /// # Errors
    /// When the value cannot be JSON, the key or session is too large, or the session can no longer be changed.
    pub fn insert<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), SessionError> {
        self.insert_bytes(key, encode(key, value)?)
    }

    /// Sets the bytes under `key` as they are.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn insert_bytes(&self, key: &str, value: impl Into<Bytes>) -> Result<(), SessionError> {
        self.check_key(key)?;
        let value = value.into();
        let mut state = self.state();
        state.writable()?;
        state.touched = true;
        let unbuffered = !state.change.clear && state.change.get(key).is_none();
        let unchanged = |live: &unstick_core::LiveSession| live.fields.get(key).is_some_and(|field| field.value == value);
        if unbuffered && state.loaded().is_some_and(unchanged) {
            return Ok(());
        }
        state.put(key, FieldChange::Set(value), self.0.shared.env.max_size)
    }

    /// Takes the value under `key` out. Buffered; needs no load.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn remove(&self, key: &str) -> Result<(), SessionError> {
        self.check_key(key)?;
        let mut state = self.state();
        state.writable()?;
        state.touched = true;
        state.put(key, FieldChange::Remove, usize::MAX)
    }

    /// Takes all values out; the session, its id and its principal stay. Buffered; needs no load.
    ///
    /// # Errors
    /// When the session can no longer be changed.
    pub fn clear(&self) -> Result<(), SessionError> {
        let mut state = self.state();
        state.writable()?;
        state.touched = true;
        state.with_backend()?;
        state.change = Change { clear: true, ..Change::default() }.into();
        state.cleared_again = true;
        state.pending_size = 0;
        Ok(())
    }

    /// Gives the session a new id with the commit. Requests that are under way with the old id are served for the grace
    /// ([`Lifetimes::grace`](unstick_core::Lifetimes::grace)) and share the session.
    ///
    /// For logins and privilege changes use [`promote`](Self::promote).
    ///
    /// # Errors
    /// When the session can no longer be changed.
    pub fn renew_id(&self) -> Result<(), SessionError> {
        let mut state = self.state();
        state.writable()?;
        state.touched = true;
        state.with_backend()?;
        if state.lifecycle == Lifecycle::Keep {
            state.lifecycle = Lifecycle::RenewId;
        }
        Ok(())
    }

    /// Logs `principal` in (or gives the session other rights): a new id, and the old one is worthless at once, so a
    /// cookie planted before the login gains nothing (session fixation). Values are kept; call [`clear`](Self::clear) if they should not be.
    /// Where the client carries the session, and no deny-list is asked, the old cookie stays good for what it was: nobody's session.
    ///
    /// Carried out with the commit; with a limit on sessions per principal it is carried out at once, after a load.
    ///
    /// # Errors
    /// When the session can no longer be changed; [`ErrorKind::TooLarge`] for an empty principal or one over 255 bytes, [`ErrorKind::Invalid`] for one with
    /// control characters; with a limit also [`ErrorKind::TooManySessions`], and any failure of the backend.
    ///
    /// # Cancel safety
    /// With a limit, a dropped call may have logged the principal in without the client learning of it; the session expires unused.
    pub async fn promote(&self, principal: impl Into<Arc<str>>) -> Result<(), SessionError> {
        let principal = principal.into();
        if principal.is_empty() || principal.len() > 255 {
            return Err(SessionError::new(ErrorKind::TooLarge, "a principal has 1 to 255 bytes"));
        }
        if principal.chars().any(char::is_control) {
            return Err(SessionError::new(ErrorKind::Invalid, "a principal holds no control characters: not every store can keep them"));
        }
        if self.0.shared.env.immediate_promotion {
            self.ensure_loaded().await?; // a place taken for a session that is gone would be missing until it lapses
        }
        {
            let mut state = self.state();
            state.writable()?;
            state.touched = true;
            state.with_backend()?;
            state.lifecycle = Lifecycle::Promote(principal);
        }
        if self.0.shared.env.immediate_promotion { self.save().await } else { Ok(()) }
    }

    /// Ends the session with the commit: its data is dropped, a tombstone keeps late requests from bringing it back, and
    /// the client is told to drop its cookie. Buffered changes are dropped, and further ones refused. A session that the client
    /// carries leaves a tombstone in its deny-list only, if it has one: without, copies of the cookie stay good.
    ///
    /// # Errors
    /// When the response headers have left.
    pub fn end(&self) -> Result<(), SessionError> {
        let mut state = self.state();
        if state.closed {
            return state.writable();
        }
        state.touched = true;
        state.change = Buffer::default();
        state.pending_size = 0;
        state.lifecycle = Lifecycle::End;
        Ok(())
    }

    /// Saves now what is buffered, so that the handler learns whether that worked. What is buffered later is saved with the response.
    ///
    /// # Errors
    /// When it could not be saved; [`SessionError::is_outcome_unknown`] tells whether it may have been. The buffered changes are gone either way.
    ///
    /// # Cancel safety
    /// See [`Session`].
    pub async fn save(&self) -> Result<(), SessionError> {
        let failed_before = self.state().failed_saves.0;
        if let Some(first) = self.merge_first() {
            first.await?;
        }
        let _turn = self.turn().await?;
        let (attempt, buffered) = {
            let mut state = self.state();
            if state.closed {
                return state.writable();
            }
            if let (count, Some(error)) = &state.failed_saves
                && *count != failed_before
            {
                return Err(error.clone()); // it had taken along what was to be saved here
            }
            state.touched = true;
            if !state.is_dirty() {
                return Ok(());
            }
            if let Some(error) = state.unsavable() {
                self.report_unsavable(&error, state.status);
                state.discard();
                return Err(error);
            }
            let buffered = state.buffered();
            let change = Change { max_size: self.0.shared.env.max_size, ..buffered.clone() };
            let intent = unstick_core::Intent { lifecycle: state.lifecycle.clone(), change };
            (self.attempt(state.ticket.clone(), intent, state.seen_live), buffered)
        };
        let lifecycle = attempt.intent.lifecycle.clone();
        let saved = self.carry_out(attempt).await;
        let mut state = self.state();
        state.unbuffer(&buffered);
        if state.lifecycle == lifecycle {
            state.lifecycle = Lifecycle::Keep;
        }
        if let Err(error) = &saved {
            state.failed_saves = (failed_before.wrapping_add(1), Some(error.clone()));
        }
        saved
    }

    pub(crate) fn attempt(&self, ticket: Option<unstick_core::Ticket>, intent: unstick_core::Intent, seen_live: bool) -> Attempt {
        Attempt { ticket, carriage: self.0.carriage, intent, started: self.0.started, seen_live }
    }

    pub(super) async fn carry_out(&self, attempt: Attempt) -> Result<(), SessionError> {
        let ends = attempt.intent.lifecycle == Lifecycle::End;
        let change = attempt.intent.change.clone();
        let outcome = self.committing(attempt).await;
        self.state().settle(outcome, ends, Some(&change))
    }

    fn report_unsavable(&self, error: &SessionError, status: Status) {
        if error.kind() == ErrorKind::Refused {
            self.0.shared.env.emit(EventKind::ChangeRefused, None, status.as_str());
        }
    }

    /// Closes the handle to changes and says what is left to do.
    pub(crate) fn close(&self, server_error: bool) -> Plan {
        let env = &self.0.shared.env;
        let mut state = self.state();
        state.closed = true;
        if server_error && !env.commit_on_server_error && state.is_dirty() && state.discard() {
            env.emit(EventKind::ChangesDiscarded, state.ticket.as_ref(), "");
        }
        if !state.touched && state.ticket.is_none() && !self.is_held_elsewhere() {
            return Plan::Untouched; // and anonymous: the clock is not even read
        }
        let engine = &self.0.shared.engine;
        // While the backend is failing, requests that do not need it are not held up for a renewal.
        let may_renew = !server_error && !env.is_failing();
        let is_due = |ticket: &unstick_core::Ticket| may_renew && engine.is_renewal_due(ticket, env.now());
        let plan = state.plan(env.max_size, is_due);
        if let Plan::Fail(error) = &plan {
            self.report_unsavable(error, state.status);
        }
        plan
    }

    pub(crate) fn settle(&self, outcome: Outcome, ends: bool) -> Result<(), SessionError> {
        self.state().settle(outcome, ends, None)
    }

    pub(crate) fn finish(&self) -> Finished {
        let mut state = self.state();
        let carrier = std::mem::replace(&mut state.carrier, unstick_core::Carrier::Unchanged);
        let lifeboat = state.lifeboat_line(&self.0.shared.env);
        Finished { touched: state.touched || carrier != unstick_core::Carrier::Unchanged, carrier, lifeboat }
    }

    pub(super) fn check_key(&self, key: &str) -> Result<(), SessionError> {
        Fields::check_name(key)?;
        if is_reserved(&self.0.shared.env, key) {
            return Err(SessionError::new(ErrorKind::Invalid, "the session key `unstick.lifeboat` is reserved"));
        }
        Ok(())
    }
}

pub(super) fn encode<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Vec<u8>, SessionError> {
    serde_json::to_vec(value).map_err(|error| {
        let sentence = format!("the value for session key {key:?} cannot be JSON");
        unstick_core::Error::with_source(ErrorKind::Codec, sentence, error).into()
    })
}
