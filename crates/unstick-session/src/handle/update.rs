//! Atomic read-modify-write of one key.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use unstick_core::{Applied, ErrorKind, EventKind, FieldChange, Fields, Intent, Lifecycle, Precondition};

use super::{Session, aboard::mark_clear, read::decode, turn::Turn, write::encode};
use crate::{SessionError, commit};

/// Lost races before the engine's own lock is asked for.
const LOCK_AFTER: u32 = 6;

impl Session {
    /// Replaces the value under `key` by what `change` makes of it, atomically over all nodes: of 32 concurrent increments all 32 count.
    /// `None` stands for no value. Returns the new value. (Over all that the store reaches, and not for sessions that the client
    /// carries: those have no place where requests meet, and the last response wins.)
    ///
    /// Saved at once, together with what was buffered before; `change` may be called several times. On a session that does
    /// not exist yet, and so belongs to this request alone, the change is buffered like any other.
    ///
    /// # Errors
    /// When the session could not be read or the change not be saved ([`ErrorKind::Contended`] if it kept losing the race until
    /// the deadline, [`ErrorKind::Refused`] if the session ended meanwhile), or the present value is of another type.
    ///
    /// # Cancel safety
    /// A dropped call takes effect completely or not at all.
    pub async fn update<T, F>(&self, key: &str, mut change: F) -> Result<Option<T>, SessionError>
    where
        T: Serialize + DeserializeOwned,
        F: FnMut(Option<T>) -> Option<T> + Send,
    {
        self.check_key(key)?;
        self.state().writable()?;
        let env = self.0.shared.env.clone();
        let give_up = env.runtime.monotonic() + env.deadline;
        for lost in 0.. {
            if lost > 0 {
                self.back_off(lost).await;
                if env.runtime.monotonic() >= give_up {
                    break;
                }
            }
            let _turn = self.turn_to_write().await?;
            if lost >= LOCK_AFTER
                && let Some(value) = self.update_locked(key, &mut change).await?
            {
                return Ok(value);
            }
            let (present, buffered) = {
                let mut state = self.state();
                state.writable()?;
                state.check_known(key)?;
                (state.peek(key).flatten(), state.buffered())
            };
            let value = change(present.map(|bytes| decode(key, &bytes)).transpose()?);
            let delta = delta(key, value.as_ref())?;
            let attempt = {
                let mut state = self.state();
                state.writable()?;
                if state.ticket.is_none() {
                    state.put(key, delta, env.max_size)?;
                    return Ok(value);
                }
                let mut change = buffered.clone();
                if !change.clear && change.get(key).is_none() {
                    change.preconditions.push(Precondition { name: key.into(), version: state.fields().version(key) });
                }
                change.put(key.into(), delta);
                change.max_size = env.max_size;
                self.attempt(state.ticket.clone(), Intent { lifecycle: Lifecycle::Keep, change }, true)
            };
            match self.carry_out(attempt).await {
                Ok(()) => {
                    self.state().unbuffer(&buffered);
                    return Ok(value);
                }
                Err(error) if error.kind() == ErrorKind::Contended => {}
                Err(error) => return Err(error),
            }
        }
        Err(SessionError::new(ErrorKind::Contended, format!("the session key {key:?} kept changing until the deadline")))
    }

    /// The turn, with the session loaded.
    async fn turn_to_write(&self) -> Result<Turn<'_>, SessionError> {
        loop {
            self.ensure_loaded().await?;
            let turn = self.turn().await?;
            if self.is_loaded() {
                return Ok(turn);
            }
        }
    }

    async fn back_off(&self, lost: u32) {
        let env = &self.0.shared.env;
        let spread = 500_u64 << lost.min(6); // microseconds: up to 32 ms
        env.runtime.sleep(Duration::from_micros(env.ops.jitter(spread))).await;
    }

    /// Under the engine's own lock. Outer `None`: there is no such lock.
    #[allow(clippy::type_complexity, reason = "an update's answer, or none")]
    async fn update_locked<T, F>(&self, key: &str, change: &mut F) -> Result<Option<Option<T>>, SessionError>
    where
        T: Serialize + DeserializeOwned,
        F: FnMut(Option<T>) -> Option<T> + Send,
    {
        let shared = &self.0.shared;
        let (ticket, buffered) = {
            let mut state = self.state();
            (state.ticket.clone(), state.buffered())
        };
        let Some(ticket) = ticket else { return Ok(None) };
        let mut made: Option<Vec<u8>> = None;
        let mut failed: Option<SessionError> = None;
        let max_size = shared.env.max_size;
        let mut decide = |fields: &Fields| {
            let mut whole = buffered.clone();
            let present = match whole.get(key) {
                Some(FieldChange::Set(value)) => Some(value.clone()),
                Some(FieldChange::Remove) => None,
                None if whole.clear => None,
                None => fields.get(key).map(|field| field.value.clone()),
            };
            let decided = present.map(|bytes| decode(key, &bytes)).transpose().and_then(|present| {
                let value = change(present);
                value.as_ref().map(|value| encode(key, value)).transpose()
            });
            match decided {
                Ok(value) => {
                    made.clone_from(&value);
                    whole.put(key.into(), value.map_or(FieldChange::Remove, |value| FieldChange::Set(value.into())));
                    whole.max_size = max_size;
                    mark_clear(&shared.env, &mut whole);
                    Ok(whole)
                }
                Err(error) => {
                    let core = unstick_core::Error::new(error.kind(), "the update could not be decided");
                    failed = Some(error);
                    Err(core)
                }
            }
        };
        let op = shared.env.op();
        let answer = shared.engine.update_locked(op, &shared.env, ticket.clone(), &mut decide).await;
        if let Some(error) = failed {
            return Err(error);
        }
        match answer? {
            None => Ok(None),
            Some(Applied::Done { .. }) => {
                let mut whole = buffered.clone();
                whole.put(key.into(), made.clone().map_or(FieldChange::Remove, |value| FieldChange::Set(value.into())));
                self.lifeboat_confirms(&whole, op.op_id.field_version());
                let value = made.map(|bytes| decode(key, &bytes)).transpose()?;
                let mut state = self.state();
                state.unbuffer(&buffered);
                state.live = None; // read anew when asked: others' fields were under the lock, not here
                Ok(Some(value))
            }
            Some(Applied::TooLarge) => Err(commit::too_large(&shared.env, Some(&ticket), std::iter::once(key))),
            Some(refused) => {
                let mut state = self.state();
                state.refuse(&refused);
                commit::gone(&shared.env, Some(&ticket), state.status);
                shared.env.emit(EventKind::ChangeRefused, Some(&ticket), state.status.as_str());
                Err(SessionError::new(
                    ErrorKind::Refused,
                    "the session ended or changed its id while the request was in flight; nothing was saved",
                ))
            }
        }
    }
}

fn delta<T: Serialize>(key: &str, value: Option<&T>) -> Result<FieldChange, SessionError> {
    Ok(match value {
        Some(value) => FieldChange::Set(encode(key, value)?.into()),
        None => FieldChange::Remove,
    })
}
