//! The principal index of the broken store: a scan over everything.

use std::{num::NonZeroU32, time::Duration};

use unstick_core::{BoxFuture, Error, Life, OpCtx, PrincipalIndex, Record, RecordKey, Reservation, SessionEntry, Timestamp};

use super::{BrokenStore, Defect, store::State};

fn lives(record: &Record, now: Timestamp) -> bool {
    matches!(record.life, Life::Live) && now < record.idle_deadline && now < record.absolute_deadline
}

impl State {
    fn sessions_of<'a>(&'a self, principal: &'a str, now: Timestamp) -> impl Iterator<Item = (RecordKey, &'a Record)> {
        let theirs = move |record: &Record| record.principal.as_deref() == Some(principal) && lives(record, now);
        self.records.iter().filter(move |(_, record)| theirs(record)).map(|(key, record)| (*key, record))
    }

    fn is_ended(&self, key: RecordKey) -> bool {
        self.records.get(&key).is_some_and(|record| matches!(record.life, Life::Ended { .. }))
    }

    fn places(&self, principal: &str, now: Timestamp) -> Vec<RecordKey> {
        let mut keys: Vec<RecordKey> = self.sessions_of(principal, now).map(|(key, _)| key).collect();
        for (owner, key, until) in &self.reserved {
            if owner == principal && *until > now && !keys.contains(key) && !self.is_ended(*key) {
                keys.push(*key);
            }
        }
        keys
    }
}

impl PrincipalIndex for BrokenStore {
    fn list<'a>(&'a self, op: OpCtx, principal: &'a str) -> BoxFuture<'a, Result<Vec<SessionEntry>, Error>> {
        Box::pin(async move {
            let state = self.state();
            let entry = |(key, record): (RecordKey, &Record)| SessionEntry {
                key,
                created: record.created,
                idle_deadline: record.idle_deadline,
                absolute_deadline: record.absolute_deadline,
            };
            let mut entries: Vec<SessionEntry> = state.sessions_of(principal, op.now).map(entry).collect();
            entries.sort_by_key(|entry| (entry.created, entry.key));
            Ok(entries)
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
            self.refuse_if_late(&op)?;
            let mut state = self.state();
            let live: Vec<RecordKey> = state.sessions_of(principal, op.now).map(|(key, _)| key).filter(|key| Some(*key) != keep).collect();
            for key in &live {
                if let Some(record) = state.records.get_mut(key) {
                    let until = record.idle_deadline + skew;
                    record.end(op.now, until);
                }
            }
            if !self.has(Defect::EndOthersForgetsReserved) {
                let reserved = std::mem::take(&mut state.reserved);
                for (owner, key, until) in reserved {
                    if owner == principal && Some(key) != keep {
                        let tombstone = Record::tombstone(op.now, until + skew);
                        let record = state.records.entry(key).or_insert(tombstone);
                        let until = record.idle_deadline.max(until) + skew;
                        record.end(op.now, until);
                    } else {
                        state.reserved.push((owner, key, until));
                    }
                }
            }
            Ok(live.len() as u64)
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
            self.refuse_if_late(&op)?;
            let full = |state: &State| {
                let others = state.places(principal, op.now).into_iter().filter(|place| *place != key).count();
                others >= usize::try_from(max.get()).unwrap_or(usize::MAX)
            };
            if self.has(Defect::ReserveCheckThenAct) {
                let full = full(&self.state());
                self.others_get_in_between(10).await;
                if full {
                    return Ok(Reservation::Full);
                }
            }
            let mut state = self.state();
            if !self.has(Defect::ReserveCheckThenAct) && full(&state) {
                return Ok(Reservation::Full);
            }
            state.reserved.retain(|(owner, place, end)| *end > op.now && (owner != principal || *place != key));
            state.reserved.push((principal.into(), key, until));
            Ok(Reservation::Granted)
        })
    }
}
