//! What stands in for lifeboats where they are not compiled in: nothing, at no cost.
#![allow(clippy::unused_self, reason = "the shape of what it stands in for")]

use http::{HeaderMap, HeaderValue};
use unstick_core::{BoxFuture, Change, FieldVersion, Ticket};

use super::{Session, state::State};
use crate::{
    SessionError,
    commit::{Attempt, Outcome},
    env::Env,
};

#[derive(Debug)]
pub(crate) struct Aboard;

impl Aboard {
    pub(crate) const fn none() -> Self {
        Self
    }

    pub(crate) fn find(_: &Env, _: &HeaderMap) -> Self {
        Self
    }
}

impl State {
    pub(super) fn outage(&self) -> Option<&SessionError> {
        let Aboard = self.aboard;
        None
    }

    pub(super) fn is_underway(&self) -> bool {
        false
    }

    pub(super) fn check_known(&self, _: &str) -> Result<(), SessionError> {
        Ok(())
    }

    pub(super) fn board(&mut self, _: &Env, _: &SessionError) -> bool {
        false
    }

    pub(super) fn lifeboat_follows(&mut self, _: &Env, _: Option<&Ticket>, _: bool) {}

    pub(super) fn lifeboat_line(&mut self, _: &Env) -> Option<HeaderValue> {
        None
    }
}

impl Session {
    pub(super) fn merge_carried(&self) -> Option<BoxFuture<'_, Result<(), SessionError>>> {
        None
    }

    pub(super) fn merge_first(&self) -> Option<BoxFuture<'_, Result<(), SessionError>>> {
        None
    }

    pub(super) fn lifeboat_confirms(&self, _: &Change, _: FieldVersion) {}

    pub(super) fn committing(&self, attempt: Attempt) -> BoxFuture<'static, Outcome> {
        let shared = self.shared();
        shared.engine.clone().commit(shared.env.clone(), attempt)
    }

    pub(crate) fn last_commit(&self, attempt: Attempt) -> BoxFuture<'static, Outcome> {
        self.committing(attempt)
    }
}

/// Whether sessions have lifeboats at all.
pub(super) fn has_lifeboats(_: &Env) -> bool {
    false
}

/// Lets a `clear` leave what must outlive it.
pub(super) fn mark_clear(_: &Env, _: &mut Change) {}

/// Whether the application may not use a session key of this name.
pub(super) fn is_reserved(_: &Env, _: &str) -> bool {
    false
}

/// Whether a stored field is ours and none of the application's.
pub(crate) fn is_ours(_: &str) -> bool {
    false
}
