//! Sessions by principal. The index's lock is always taken before a record's.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use unstick_core::{BoxFuture, Ended, Error, Life, OpCtx, PrincipalIndex, RecordKey, Reservation, SessionEntry, Timestamp};

use crate::MemoryStore;

/// Keys by principal; with a time while only reserved.
#[derive(Debug, Default)]
pub(crate) struct Principals(HashMap<Arc<str>, HashMap<RecordKey, Option<Timestamp>>>);

impl Principals {
    pub(crate) fn publish(&mut self, principal: &Arc<str>, key: RecordKey) {
        self.0.entry(principal.clone()).or_default().insert(key, None);
    }
}

impl MemoryStore {
    pub(crate) fn principals(&self) -> MutexGuard<'_, Principals> {
        self.principals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, key: RecordKey, principal: &str, now: Timestamp) -> Option<SessionEntry> {
        let slot = self.slots.get(&key)?;
        let record = slot.lock();
        let live = record.life == Life::Live && now < record.idle_deadline && now < record.absolute_deadline;
        (live && record.principal.as_deref() == Some(principal)).then(|| SessionEntry {
            key,
            created: record.created,
            idle_deadline: record.idle_deadline,
            absolute_deadline: record.absolute_deadline,
        })
    }

    /// Live sessions, oldest first; entries that stand for nothing are dropped.
    fn live(&self, principals: &mut Principals, principal: &str, now: Timestamp) -> Vec<SessionEntry> {
        let Some(keys) = principals.0.get_mut(principal) else { return Vec::new() };
        let mut live = Vec::new();
        keys.retain(|key, reserved| {
            let entry = self.entry(*key, principal, now);
            let keep = entry.is_some() || reserved.is_some_and(|until| now < until);
            live.extend(entry);
            keep
        });
        if keys.is_empty() {
            principals.0.remove(principal);
        }
        live.sort_by_key(|entry| (entry.created, entry.key));
        live
    }
}

impl PrincipalIndex for MemoryStore {
    fn list<'a>(&'a self, op: OpCtx, principal: &'a str) -> BoxFuture<'a, Result<Vec<SessionEntry>, Error>> {
        Box::pin(async move { Ok(self.live(&mut self.principals(), principal, op.now)) })
    }

    fn end_others<'a>(
        &'a self,
        op: OpCtx,
        principal: &'a str,
        keep: Option<RecordKey>,
        skew: Duration,
    ) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(async move {
            op.refuse_if_late(self.runtime.wall().max(op.now))?;
            let mut principals = self.principals();
            let live = self.live(&mut principals, principal, op.now);
            let reserved = principals.0.get(principal).into_iter().flatten();
            let reserved: Vec<(RecordKey, Timestamp)> = reserved.filter_map(|(key, until)| until.map(|until| (*key, until))).collect();
            let until = |key: RecordKey| live.iter().find(|entry| entry.key == key).map(|entry| entry.idle_deadline);
            let mut keys: Vec<(RecordKey, Timestamp)> = live.iter().map(|entry| (entry.key, entry.idle_deadline)).collect();
            keys.extend(reserved.into_iter().filter(|(key, _)| until(*key).is_none()));
            let mut ended = 0;
            for (key, idle_deadline) in keys.into_iter().filter(|(key, _)| Some(*key) != keep) {
                if let Ended::Done { was_live: true } = self.end_record(key, op.now, None, idle_deadline + skew) {
                    ended += 1;
                }
            }
            self.live(&mut principals, principal, op.now);
            Ok(ended)
        })
    }

    fn reserve<'a>(
        &'a self,
        op: OpCtx,
        principal: &'a str,
        key: RecordKey,
        max: NonZeroU32,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<Reservation, Error>> {
        Box::pin(async move {
            op.refuse_if_late(self.runtime.wall().max(op.now))?;
            let mut principals = self.principals();
            self.live(&mut principals, principal, op.now);
            let places = principals.0.entry(principal.into()).or_default();
            let others = places.keys().filter(|taken| **taken != key).count();
            if others >= usize::try_from(max.get()).unwrap_or(usize::MAX) {
                return Ok(Reservation::Full);
            }
            places.insert(key, Some(until));
            Ok(Reservation::Granted)
        })
    }
}
