//! Sessions by principal, over both stores.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    time::Duration,
};

use unstick_core::{
    BoxFuture, Ended, Error, ErrorKind, Loaded, OpCtx, PrincipalIndex, RecordKey, Reservation, SessionEntry, Store, Timestamp,
};

use super::Migrate;

fn index(store: &impl Store) -> Result<&dyn PrincipalIndex, Error> {
    store.principal_index().ok_or_else(|| Error::new(ErrorKind::Unsupported, "the store keeps no index by principal"))
}

impl<Old: Store, New: Store> Migrate<Old, New> {
    /// The old store first: sessions go to the new one only, so none is missed between the two.
    async fn sessions_of(&self, op: OpCtx, principal: &str) -> Result<Vec<SessionEntry>, Error> {
        let in_old = index(&self.old)?.list(op, principal).await?;
        let in_new = index(&self.new)?.list(op, principal).await?;
        let all: BTreeMap<RecordKey, SessionEntry> = in_old.into_iter().chain(in_new).map(|entry| (entry.key, entry)).collect();
        let mut all: Vec<SessionEntry> = all.into_values().collect();
        all.sort_unstable_by_key(|entry| (entry.created, entry.key));
        Ok(all)
    }

    /// One by one, so that a session that moves meanwhile is ended wherever it is, and counted once; then whatever is reserved or has come since.
    async fn end_all(&self, op: OpCtx, principal: &str, keep: Option<RecordKey>, skew: Duration) -> Result<u64, Error> {
        let (mut ended, mut failed) = (0, None);
        let mut count = |answer: Result<u64, Error>| match answer {
            Ok(live) => ended += live,
            Err(error) => failed = failed.take().or(Some(error)), // the others are ended all the same
        };
        for entry in self.sessions_of(op, principal).await?.into_iter().filter(|entry| Some(entry.key) != keep) {
            let answer = self.end(op, entry.key, None, entry.idle_deadline + skew).await;
            count(answer.map(|answer| u64::from(matches!(answer, Ended::Done { was_live: true }))));
        }
        count(index(&self.old)?.end_others(op, principal, keep, skew).await);
        count(index(&self.new)?.end_others(op, principal, keep, skew).await);
        failed.map_or(Ok(ended), Err)
    }

    async fn others_in_new(&self, op: OpCtx, principal: &str, key: RecordKey) -> Result<Vec<SessionEntry>, Error> {
        let mut others = index(&self.new)?.list(op, principal).await?;
        others.retain(|entry| entry.key != key);
        Ok(others)
    }

    /// The old store hands out the places; those taken in the new one are left out.
    async fn take(&self, op: OpCtx, principal: &str, key: RecordKey, max: NonZeroU32, until: Timestamp) -> Result<Reservation, Error> {
        let mut others = self.others_in_new(op, principal, key).await?;
        let mut tidied = BTreeSet::new();
        let mut held = false;
        loop {
            let taken = u32::try_from(others.len()).unwrap_or(u32::MAX);
            let granted = match NonZeroU32::new(max.get().saturating_sub(taken)) {
                Some(left) => index(&self.old)?.reserve(op, principal, key, left, until).await? == Reservation::Granted,
                None => false,
            };
            held |= granted;
            // What was published in the new store meanwhile may not have been counted.
            let now = self.others_in_new(op, principal, key).await?;
            let is_new = |entry: &SessionEntry| others.iter().all(|other| other.key != entry.key);
            if granted && !now.iter().any(is_new) {
                // Not to be counted, but found by an end of all the principal's sessions.
                index(&self.new)?.reserve(op, principal, key, NonZeroU32::MAX, until).await?;
                return Ok(Reservation::Granted);
            }
            // A session of the new store may still hold the place that it once reserved here.
            let untidy: Vec<RecordKey> = now.iter().map(|entry| entry.key).filter(|key| tidied.insert(*key)).collect();
            if !granted && untidy.is_empty() {
                if held {
                    self.give_back(op, key, until).await?;
                }
                return Ok(Reservation::Full);
            }
            for key in untidy {
                self.say_moved(op, key, until).await;
            }
            others = now;
        }
    }

    /// Gives a place back that was taken too early, unless there is a session behind it: that one's place ends by itself.
    async fn give_back(&self, op: OpCtx, key: RecordKey, until: Timestamp) -> Result<(), Error> {
        if self.in_old(op, key).await? == Loaded::Missing {
            self.say_moved(op, key, until).await;
        }
        Ok(())
    }
}

impl<Old: Store, New: Store> PrincipalIndex for Migrate<Old, New> {
    fn list<'a>(&'a self, op: OpCtx, principal: &'a str) -> BoxFuture<'a, Result<Vec<SessionEntry>, Error>> {
        Box::pin(self.sessions_of(op, principal))
    }

    fn end_others<'a>(
        &'a self,
        op: OpCtx,
        principal: &'a str,
        keep: Option<RecordKey>,
        skew: Duration,
    ) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(self.end_all(op, principal, keep, skew))
    }

    fn reserve<'a>(
        &'a self,
        op: OpCtx,
        principal: &'a str,
        key: RecordKey,
        max: NonZeroU32,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<Reservation, Error>> {
        Box::pin(self.take(op, principal, key, max, until))
    }
}
