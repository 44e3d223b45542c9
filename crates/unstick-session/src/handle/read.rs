//! Reading: loads at the first question, then answers from what was loaded and what was changed since.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use unstick_core::{BoxFuture, Carrier, Error, ErrorKind, EventKind, FieldChange, Loaded, Opening};

use super::{
    Session,
    aboard::has_lifeboats,
    is_ours,
    state::State,
    turn::{Trip, Turn},
};
use crate::{SessionError, Status, commit, engine::Shared};

impl Session {
    /// Loads the session if that has not happened, and tells what it turned out to be.
    ///
    /// # Errors
    /// When the backend could not answer; the session's status is then [`Status::Unknown`].
    ///
    /// # Cancel safety
    /// Nothing is lost; the next call loads again.
    pub async fn load(&self) -> Result<Status, SessionError> {
        self.ensure_loaded().await?;
        Ok(self.status())
    }

    /// The value under `key`, decoded from JSON; `None` when there is none, or no session.
    ///
    /// # Errors
    /// When the backend could not answer, or the value is of another type ([`ErrorKind::Codec`]).
    ///
    /// # Cancel safety
    /// As [`load`](Self::load).
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, SessionError> {
        self.get_bytes(key).await?.map(|bytes| decode(key, &bytes)).transpose()
    }

    /// The bytes under `key`, undecoded.
    ///
    /// # Errors
    /// When the backend could not answer.
    ///
    /// # Cancel safety
    /// As [`load`](Self::load).
    pub async fn get_bytes(&self, key: &str) -> Result<Option<Bytes>, SessionError> {
        if let Some(known) = self.known(key) {
            return Ok(known);
        }
        self.ensure_loaded().await?;
        let state = self.state();
        match state.peek(key) {
            Some(known) => Ok(known),
            None => state.check_known(key).map(|()| None),
        }
    }

    /// The bytes under `key`, if they are known without waiting.
    fn known(&self, key: &str) -> Option<Option<Bytes>> {
        let mut state = self.state();
        state.touched = true;
        if state.change.is_empty() && self.load_now(&mut state) {
            // Nothing is buffered and nothing aboard: what was loaded is what there is.
            return Some(state.live.as_ref().and_then(|live| live.fields.get(key)).map(|field| field.value.clone()));
        }
        state.peek(key)
    }

    /// The keys that have a value, in order.
    ///
    /// # Errors
    /// When the backend could not answer.
    ///
    /// # Cancel safety
    /// As [`load`](Self::load).
    pub async fn keys(&self) -> Result<Vec<Arc<str>>, SessionError> {
        self.ensure_loaded().await?;
        let state = self.state();
        if let Some(outage) = state.outage() {
            return Err(outage.clone()); // which others there are, nobody knows
        }
        let mut keys: Vec<Arc<str>> = match &state.live {
            Some(live) if !state.change.clear => live.fields.iter().map(|(name, _)| name).filter(|name| !is_ours(name)).cloned().collect(),
            _ => Vec::new(),
        };
        for (name, change) in &state.change.fields {
            match (keys.binary_search(name), change) {
                (Err(at), FieldChange::Set(_)) => keys.insert(at, name.clone()),
                (Ok(at), FieldChange::Remove) => {
                    keys.remove(at);
                }
                _ => {}
            }
        }
        Ok(keys)
    }

    /// Who is logged in: what [`promote`](Self::promote) was last called with. Nobody while the session is
    /// [`Degraded`](Status::Degraded).
    ///
    /// # Errors
    /// When the backend could not answer.
    ///
    /// # Cancel safety
    /// As [`load`](Self::load).
    pub async fn principal(&self) -> Result<Option<Arc<str>>, SessionError> {
        if let unstick_core::Lifecycle::Promote(principal) = &self.state().lifecycle {
            return Ok(Some(principal.clone()));
        }
        self.ensure_loaded().await?;
        Ok(self.state().live.as_ref().and_then(|live| live.principal.clone()))
    }

    pub(super) async fn ensure_loaded(&self) -> Result<(), SessionError> {
        loop {
            match self.to_load() {
                ToLoad::Known(known) => return known,
                ToLoad::Load(load) => {
                    let _turn = Turn(self);
                    let answer = load.await;
                    self.take_in(answer)?;
                    return match self.merge_carried() {
                        Some(merge) => merge.await,
                        None => Ok(()),
                    };
                }
                ToLoad::Wait(end) => end.await?,
            }
        }
    }

    /// Whether to load, to wait for a trip that is under way, or neither.
    fn to_load(&self) -> ToLoad<'_> {
        let mut state = self.state();
        state.touched = true;
        if state.ticket.is_none() || state.loaded().is_some() {
            return ToLoad::Known(Ok(()));
        }
        if let Some(error) = &state.failed {
            return ToLoad::Known(Err(error.clone()));
        }
        if self.load_now(&mut state) {
            return ToLoad::Known(Ok(()));
        }
        let Some(ticket) = &state.ticket else { return ToLoad::Known(Ok(())) };
        let Shared { env, engine } = self.shared();
        let load = engine.load(env, self.0.carriage, ticket.clone());
        match state.take_turn() {
            None => ToLoad::Load(load),
            Some(end) => ToLoad::Wait(Box::pin(self.wait(end))), // in a box, because it is rare and large
        }
    }

    /// Loads without waiting, where that can be; whether it could.
    fn load_now(&self, state: &mut State) -> bool {
        // While a trip is under way, its answer is waited for.
        if state.live.is_some() || state.failed.is_some() || !matches!(state.trip, Trip::None) {
            return false;
        }
        let Shared { env, engine } = self.shared();
        // What a lifeboat carries is merged after loading, and that is a trip.
        if has_lifeboats(env) {
            return false;
        }
        let Some(loaded) = state.ticket.as_ref().and_then(|ticket| engine.load_now(env, ticket)) else { return false };
        self.understand(state, loaded, Carrier::Unchanged);
        true
    }

    /// Whether reading needs no trip any more.
    pub(super) fn is_loaded(&self) -> bool {
        let state = self.state();
        state.ticket.is_none() || state.loaded().is_some()
    }

    fn take_in(&self, answer: Result<(Loaded, Carrier), Error>) -> Result<(), SessionError> {
        let env = &self.shared().env;
        let mut state = self.state();
        match answer {
            Ok((loaded, carrier)) => {
                self.understand(&mut state, loaded, carrier);
                Ok(())
            }
            Err(error) => {
                let error = SessionError::from(error);
                if state.board(env, &error) {
                    return Ok(());
                }
                state.status = Status::Unknown;
                state.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Takes in what was loaded.
    fn understand(&self, state: &mut State, loaded: Loaded, carrier: Carrier) {
        let env = &self.shared().env;
        let before = if has_lifeboats(env) { state.ticket.clone() } else { None };
        state.status = match loaded {
            Loaded::Live(live) => {
                if !std::mem::replace(&mut state.seen_live, true) {
                    env.counters.found();
                    env.emit(EventKind::SessionFound, state.ticket.as_ref(), "");
                }
                let is_new = carrier != Carrier::Unchanged;
                if let Carrier::Set { text, .. } = &carrier {
                    env.emit(EventKind::SessionRenewed, state.ticket.as_ref(), "");
                    // What follows in this request must use what the client is given: the id may be another one.
                    if let Opening::Authentic(renewed) = self.shared().engine.open(self.0.carriage, text.as_bytes()) {
                        state.ticket = Some(renewed);
                    }
                    state.carrier = carrier;
                }
                state.live = Some(live);
                state.lifeboat_follows(env, before.as_ref(), is_new);
                Status::Live
            }
            Loaded::Superseded { at } => {
                state.stale = at + env.lifetimes.tolerated_overlap() >= self.0.started;
                Status::Superseded
            }
            Loaded::Ended { .. } => Status::Ended,
            Loaded::Expired => Status::Expired,
            Loaded::Missing => Status::Lost,
            Loaded::Unreadable(kind) => {
                if kind == ErrorKind::UnknownFormat {
                    // A newer release wrote it: reads see nobody, but nothing is started in its place.
                    state.failed = Some(SessionError::new(kind, "the session was written by a newer release; nothing was saved"));
                }
                Status::Unreadable
            }
            _ => Status::Unknown,
        };
        if state.status != Status::Live {
            commit::gone(env, state.ticket.as_ref(), state.status);
            state.ticket = None;
        }
    }
}

enum ToLoad<'a> {
    Known(Result<(), SessionError>),
    Load(BoxFuture<'a, Result<(Loaded, Carrier), Error>>),
    Wait(BoxFuture<'a, Result<(), SessionError>>),
}

pub(super) fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, SessionError> {
    // The decoder's own words would repeat the value.
    serde_json::from_slice(bytes).map_err(|_| {
        let sentence = format!("the value under session key {key:?} is not of the requested type {}", std::any::type_name::<T>());
        SessionError::new(ErrorKind::Codec, sentence)
    })
}
