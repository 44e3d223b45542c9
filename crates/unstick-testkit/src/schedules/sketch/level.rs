use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Aim, Mistake, Versioned};
use crate::schedules::Tag;

/// What the nodes share.
pub(super) struct SketchLevel {
    mistake: Option<Mistake>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    seq: u64,
    tags: HashMap<Tag, u64>,
    values: HashMap<u64, (Versioned, u64)>,
    /// Token, and until when.
    leases: HashMap<u64, (u64, Duration)>,
    leases_given: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Looked {
    Found(Versioned),
    Leased { token: u64, start: u64 },
    Held,
}

impl SketchLevel {
    pub(super) fn new(mistake: Option<Mistake>) -> Self {
        Self { mistake, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read_or_lease(&self, key: u64, now: Duration) -> Looked {
        let inner = &mut *self.inner();
        if let Some((value, start)) = inner.values.get(&key)
            && self.valid(inner, value, *start)
        {
            return Looked::Found(*value);
        }
        if inner.leases.get(&key).is_some_and(|(_, until)| *until > now) {
            return Looked::Held;
        }
        inner.leases_given += 1;
        let token = inner.leases_given;
        inner.leases.insert(key, (token, now + Duration::from_secs(2)));
        Looked::Leased { token, start: inner.seq }
    }

    fn valid(&self, inner: &Inner, value: &Versioned, start: u64) -> bool {
        self.mistake == Some(Mistake::LevelForgetsTags)
            || value.tags().iter().all(|tag| inner.tags.get(tag).is_none_or(|seq| *seq <= start))
    }

    pub(super) fn fill(&self, token: u64, start: u64, value: Versioned) {
        let inner = &mut *self.inner();
        let held = inner.leases.get(&value.key).is_some_and(|(given, _)| *given == token);
        if held {
            inner.leases.remove(&value.key);
        }
        if (held && self.valid(inner, &value, start)) || self.mistake == Some(Mistake::FillWithoutLease) {
            inner.values.insert(value.key, (value, start));
        }
    }

    pub(super) fn release(&self, key: u64, token: u64) {
        let inner = &mut *self.inner();
        if inner.leases.get(&key).is_some_and(|(given, _)| *given == token) {
            inner.leases.remove(&key);
        }
    }

    pub(super) fn invalidate(&self, aim: Aim) {
        let inner = &mut *self.inner();
        match aim {
            Aim::Key(key) => {
                inner.values.remove(&key);
                inner.leases.remove(&key);
            }
            Aim::Tag(tag) => {
                inner.seq += 1;
                inner.tags.insert(tag, inner.seq);
                if self.mistake == Some(Mistake::LevelForgetsTags) {
                    inner.values.retain(|_, (value, _)| !value.tags().contains(&tag));
                }
            }
            Aim::All => {
                inner.values.clear();
                inner.leases.clear();
            }
        }
    }
}
