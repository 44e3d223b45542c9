//! Sessions by principal: the stores' own lists, judged by the newest version of each session.

use std::{collections::BTreeSet, num::NonZeroU32, time::Duration};

use unstick_core::{
    BoxFuture, Ended, Error, ErrorKind, Life, OpCtx, PrincipalIndex, RecordKey, Reservation, SessionEntry, Store, Timestamp,
};

use crate::{
    Replicated,
    agree::{harmless, nobody, worse},
    entry::Entry,
    inner::{Clock, Inner, on},
    verdict::{SLACK, Slot, State},
};

/// Asks the index of the store in a slot.
macro_rules! indexed {
    ($inner:expr, $slot:expr, $limit:expr, $index:ident => $call:expr) => {
        on!($inner, $slot, store => match store.principal_index() {
            Some($index) => $inner.within($slot, $limit, $call).await,
            None => Err(Error::new(ErrorKind::Unsupported, "a store of a replicated pair has no principal index")),
        })
    };
}

fn is_alive(entry: &Entry, principal: &str, now: Timestamp) -> bool {
    let record = &entry.record;
    record.life == Life::Live
        && now < record.idle_deadline.min(record.absolute_deadline)
        && record.principal.as_deref().is_some_and(|name| name == principal)
}

/// Runs a call on A and B, and on the witness if one of them fails, until two have answered, which are named.
macro_rules! on_two {
    ($slots:expr, $slot:ident => $call:expr) => {{
        let (mut answers, mut failed) = (Vec::with_capacity(2), None);
        for $slot in $slots.iter().copied() {
            if answers.len() == 2 {
                break;
            }
            match $call.await {
                Ok(answer) => answers.push(($slot, answer)),
                Err(error) => failed = Some(worse(failed.take(), error)),
            }
        }
        match failed {
            Some(error) if answers.len() < 2 => (answers, Some(harmless(&error))),
            _ => (answers, None),
        }
    }};
}

impl<A: Store, B: Store, W: Store> Inner<A, B, W> {
    pub(crate) fn has_index(&self) -> bool {
        let has = |slot: &Slot| on!(self, slot, store => store.principal_index().is_some());
        self.slots().iter().all(has)
    }

    pub(crate) async fn sweep(&self, op: &OpCtx, slot: Slot, limit: usize, clock: Clock) -> Result<usize, Error> {
        let op = self.own(op);
        on!(self, slot, store => self.within(slot, self.left(clock), store.sweep(op, limit)).await)
    }

    async fn list_one(&self, op: &OpCtx, principal: &str, slot: Slot, clock: Clock) -> Result<Vec<SessionEntry>, Error> {
        let op = self.own(op);
        indexed!(self, slot, self.limit(clock, true), index => index.list(op, principal))
    }

    /// Every session that may be the principal's, and who says so. From one store alone only where that is enough for reading.
    async fn candidates(&self, op: &OpCtx, principal: &str, clock: Clock, reads: bool) -> Result<(BTreeSet<RecordKey>, Vec<Slot>), Error> {
        let (lists, failed) = on_two!(self.slots(), slot => self.list_one(op, principal, slot, clock));
        match failed {
            Some(error) if lists.is_empty() || self.witness || !reads => Err(error),
            _ => {
                let slots = lists.iter().map(|(slot, _)| *slot).collect();
                Ok((lists.into_iter().flat_map(|(_, list)| list).map(|entry: SessionEntry| entry.key).collect(), slots))
            }
        }
    }

    async fn sessions_of(&self, op: OpCtx, principal: &str) -> Result<Vec<SessionEntry>, Error> {
        let clock = self.clock(&op);
        let mut sessions = Vec::new();
        for key in self.candidates(&op, principal, clock, true).await?.0 {
            if let (State::Entry(entry), _) = self.look(&op, key, clock).await?
                && is_alive(&entry, principal, op.now)
            {
                let record = &entry.record;
                let (created, idle_deadline, absolute_deadline) = (record.created, record.idle_deadline, record.absolute_deadline);
                sessions.push(SessionEntry { key, created, idle_deadline, absolute_deadline });
            }
        }
        sessions.sort_unstable_by_key(|session| (session.created, session.key));
        Ok(sessions)
    }

    /// Ends one of the stores' entries if it is the principal's; whether it was alive. Dead ones are taken out of the stores' indexes.
    /// If it is somebody else's by now, all of `told` must know.
    async fn end_entry(&self, op: OpCtx, key: RecordKey, principal: &str, skew: Duration, told: &[Slot]) -> Result<bool, Error> {
        let clock = self.clock(&op);
        let agreed = self.agree(&op, key, clock, false).await.map_err(|unsettled| unsettled.error)?;
        let State::Entry(entry) = &agreed.state else { return Ok(false) };
        let record = &entry.record;
        if let Life::Ended { at, until } = record.life {
            self.bury_all(&op, key, at, until, clock).await;
            return Ok(false);
        }
        if record.principal.as_deref().is_none_or(|name| name != principal) {
            let knows = |slot: &Slot| agreed.answers.entry(*slot).is_some_and(|held| held.is_same(entry));
            return if told.iter().all(knows) { Ok(false) } else { Err(nobody()) };
        }
        let alive = is_alive(entry, principal, op.now);
        let until = record.idle_deadline.min(record.absolute_deadline) + skew;
        Ok(matches!(self.finish(op, key, None, until).await?, Ended::Done { was_live: true }) && alive)
    }

    /// First what is listed, which also brings the stores up to date; then what is reserved or has come since.
    async fn end_all(&self, op: OpCtx, principal: &str, keep: Option<RecordKey>, skew: Duration) -> Result<u64, Error> {
        self.refuse_if_late(&op)?;
        let clock = self.clock(&op);
        let (mut ended, mut failed) = (0, None);
        let (keys, slots) = self.candidates(&op, principal, clock, false).await?;
        for key in keys.into_iter().filter(|key| Some(*key) != keep) {
            match self.end_entry(op, key, principal, skew, &slots).await {
                Ok(alive) => ended += u64::from(alive),
                Err(error) => failed = failed.or(Some(error)), // the others are ended all the same
            }
        }
        if let Some(error) = failed {
            return Err(error); // a store that is behind might end what is somebody else's by now
        }
        // Only those that were listed: another one may be back with what it had before.
        let (counts, failed) = on_two!(slots, slot => self.end_others_one(&op, principal, keep, skew, slot, clock));
        failed.map_or(Ok(ended + counts.into_iter().map(|(_, count)| count).max().unwrap_or(0)), Err)
    }

    async fn end_others_one(
        &self,
        op: &OpCtx,
        principal: &str,
        keep: Option<RecordKey>,
        skew: Duration,
        slot: Slot,
        clock: Clock,
    ) -> Result<u64, Error> {
        let op = self.own(op);
        indexed!(self, slot, self.limit(clock, self.witness), index => index.end_others(op, principal, keep, skew))
    }

    /// A place in two stores. The first one arbitrates.
    async fn take(&self, op: OpCtx, principal: &str, key: RecordKey, max: NonZeroU32, until: Timestamp) -> Result<Reservation, Error> {
        self.refuse_if_late(&op)?;
        let clock = self.clock(&op);
        let (mut granted, mut failed) = (0, None);
        for slot in self.slots().iter().copied() {
            match self.take_one(op, principal, key, max, until, slot, clock).await {
                Ok(Reservation::Granted) => granted += 1,
                Ok(full) => return Ok(full), // what was taken before lapses by itself
                Err(error) => {
                    failed = Some(worse(failed.take(), error));
                    if !self.witness {
                        break; // the other place alone is of no use
                    }
                }
            }
            if granted == 2 {
                return Ok(Reservation::Granted);
            }
        }
        Err(failed.map_or_else(nobody, |error| harmless(&error)))
    }

    #[allow(clippy::too_many_arguments, reason = "those of a reservation, and where")]
    async fn take_one(
        &self,
        op: OpCtx,
        principal: &str,
        key: RecordKey,
        max: NonZeroU32,
        until: Timestamp,
        slot: Slot,
        clock: Clock,
    ) -> Result<Reservation, Error> {
        let limit = self.limit(clock, self.witness);
        let first = self.own(&op);
        let answer = indexed!(self, slot, limit, index => index.reserve(first, principal, key, max, until))?;
        if answer == Reservation::Granted || !self.tidy(op, principal, slot, clock).await? {
            return Ok(answer);
        }
        let second = self.own(&op);
        indexed!(self, slot, self.limit(clock, self.witness), index => index.reserve(second, principal, key, max, until))
    }

    /// Takes dead sessions out of a store's index; whether there were any.
    async fn tidy(&self, op: OpCtx, principal: &str, slot: Slot, clock: Clock) -> Result<bool, Error> {
        let mut tidied = false;
        for entry in self.list_one(&op, principal, slot, clock).await? {
            let (state, _) = self.look(&op, entry.key, clock).await?;
            let alive = matches!(&state, State::Entry(entry) if is_alive(entry, principal, op.now));
            if !alive {
                self.end_entry(op, entry.key, principal, SLACK, &[]).await?;
                tidied = true;
            }
        }
        Ok(tidied)
    }
}

impl<A: Store, B: Store, W: Store> PrincipalIndex for Replicated<A, B, W> {
    fn list<'a>(&'a self, op: OpCtx, principal: &'a str) -> BoxFuture<'a, Result<Vec<SessionEntry>, Error>> {
        Box::pin(async move {
            let sessions = self.inner.sessions_of(op, principal).await;
            self.inner.mend();
            sessions
        })
    }

    fn end_others<'a>(
        &'a self,
        op: OpCtx,
        principal: &'a str,
        keep: Option<RecordKey>,
        skew: Duration,
    ) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(async move {
            let ended = self.inner.end_all(op, principal, keep, skew).await;
            self.inner.mend();
            ended
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
            let reservation = self.inner.take(op, principal, key, max, until).await;
            self.inner.mend();
            reservation
        })
    }
}
