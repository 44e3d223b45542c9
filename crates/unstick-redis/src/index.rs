//! Sessions by principal: a hash per principal, in another slot of a cluster than the sessions.
//!
//! An entry is there before its session is published under the principal, so that no session is ever missed; that the session
//! says otherwise, or is gone, is found out when the index is read, and the entry is then taken out unless it has changed meanwhile.

use std::{num::NonZeroU32, time::Duration};

use bytes::Bytes;
use unstick_core::{BoxFuture, Error, Lifetimes, OpCtx, PrincipalIndex, RecordKey, Reservation, SessionEntry, Timestamp};

use crate::{
    RedisStore,
    answer::Answer,
    client::Script,
    entry::{Entry, Standing},
    error, write,
};

impl RedisStore {
    async fn on_index(&self, op: &OpCtx, script: &Script, principal: &str, args: Vec<Bytes>) -> Result<Answer, Error> {
        let key = self.inner.prefix.principal(principal);
        self.inner.client.run(op, script, key, args).await.and_then(Answer::new)
    }

    /// Before the creation of a session with a principal.
    pub(crate) async fn enter(&self, op: &OpCtx, principal: &str, key: &RecordKey, forget: Timestamp) -> Result<(), Error> {
        self.entered(op, principal, key, false, forget).await
    }

    /// Before a session is promoted. How long it may live is not known yet.
    pub(crate) async fn enter_promotion(&self, op: &OpCtx, principal: &str, key: &RecordKey) -> Result<(), Error> {
        self.entered(op, principal, key, true, op.now + Lifetimes::MAX_ABSOLUTE).await
    }

    async fn entered(&self, op: &OpCtx, principal: &str, key: &RecordKey, promotion: bool, forget: Timestamp) -> Result<(), Error> {
        let kind = Bytes::from_static(if promotion { b"1" } else { b"0" });
        let args = vec![write::member(key), write::operation(op), kind, write::number(forget)];
        self.on_index(op, &self.inner.scripts.enter, principal, args).await.map(|_| ())
    }

    /// After a promotion was answered. Without it the entry is only kept too long, so a failure is none of the caller's.
    pub(crate) async fn settle(&self, op: &OpCtx, principal: &str, key: &RecordKey, absolute: Option<Timestamp>) {
        let args = vec![write::member(key), write::operation(op), write::number(absolute.unwrap_or(op.now))];
        if let Err(error) = self.on_index(op, &self.inner.scripts.settle, principal, args).await {
            tracing::debug!(%error, "an entry of the principal index was left to expire");
        }
    }

    async fn entries(&self, op: &OpCtx, principal: &str, writing: bool) -> Result<Vec<Entry>, Error> {
        let args = vec![Bytes::from_static(if writing { b"1" } else { b"0" })];
        let pairs = self.on_index(op, &self.inner.scripts.entries, principal, args).await?.pairs()?;
        Ok(pairs.into_iter().filter_map(Entry::read).collect())
    }

    /// Asks every session at once, wherever it is.
    async fn judged(&self, op: &OpCtx, principal: &str, entries: Vec<Entry>) -> Result<Vec<(Entry, Standing)>, Error> {
        let calls = entries.iter().map(|entry| (self.inner.prefix.session(&entry.key), vec![entry.operation()])).collect();
        let answers = self.inner.client.run_each(op, &self.inner.scripts.peek, calls).await;
        if answers.len() != entries.len() {
            return Err(error::unexpected());
        }
        let judge = |(entry, answer): (Entry, Result<_, Error>)| {
            let standing = match crate::read::readable(answer.and_then(Answer::new))? {
                Ok(answer) => entry.judge(principal, op.now, answer)?,
                Err(_) => Standing::Unknown,
            };
            Ok((entry, standing))
        };
        entries.into_iter().zip(answers).map(judge).collect()
    }

    /// Takes out what is as it was read. Best effort: the next reader tries again.
    async fn prune(&self, op: &OpCtx, principal: &str, gone: Vec<Entry>) {
        if gone.is_empty() {
            return;
        }
        let args = gone.into_iter().flat_map(|entry| [entry.member, entry.value]).collect();
        if let Err(error) = self.on_index(op, &self.inner.scripts.prune, principal, args).await {
            tracing::debug!(%error, "dead entries of the principal index were left to the next reader");
        }
    }

    async fn reserve_beside(&self, op: &OpCtx, principal: &str, wish: &Wish, free: &[Entry]) -> Result<Option<Vec<Entry>>, Error> {
        let mut args = Vec::with_capacity(4 + free.len() * 2);
        args.extend([write::member(&wish.key), wish.max.to_string().into(), write::number(wish.until), write::operation(op)]);
        args.extend(free.iter().flat_map(|entry| [entry.member.clone(), entry.value.clone()]));
        let mut answer = self.on_index(op, &self.inner.scripts.reserve, principal, args).await?;
        match answer.status() {
            b"DONE" => Ok(None),
            b"FULL" => Ok(Some(answer.pairs()?.into_iter().filter_map(Entry::read).collect())),
            _ => Err(error::unexpected()),
        }
    }
}

struct Wish {
    key: RecordKey,
    max: NonZeroU32,
    until: Timestamp,
}

fn gone(judged: Vec<(Entry, Standing)>) -> Vec<Entry> {
    judged.into_iter().filter(|(_, standing)| *standing == Standing::Gone).map(|(entry, _)| entry).collect()
}

impl PrincipalIndex for RedisStore {
    fn list<'a>(&'a self, op: OpCtx, principal: &'a str) -> BoxFuture<'a, Result<Vec<SessionEntry>, Error>> {
        Box::pin(async move {
            let entries = self.entries(&op, principal, false).await?;
            let judged = self.judged(&op, principal, entries).await?;
            let live = |(_, standing): &(Entry, Standing)| match standing {
                Standing::Live(entry) => Some(entry.clone()),
                _ => None,
            };
            let mut live: Vec<SessionEntry> = judged.iter().filter_map(live).collect();
            live.sort_unstable_by_key(|entry| (entry.created, entry.key));
            self.prune(&op, principal, gone(judged)).await;
            Ok(live)
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
            let mut entries = self.entries(&op, principal, true).await?;
            entries.retain(|entry| Some(entry.key) != keep);
            let call = |entry: &Entry| (self.inner.prefix.session(&entry.key), write::bury(&op, skew, principal, entry.value.clone()));
            let calls = entries.iter().map(call).collect();
            let answers = self.inner.client.run_each(&op, &self.inner.scripts.bury, calls).await;
            let (mut ended, mut gone, mut failed) = (0, Vec::new(), None);
            for (entry, answer) in entries.into_iter().zip(answers) {
                let mut answer = match answer.and_then(Answer::new) {
                    Ok(answer) => answer,
                    Err(error) => {
                        failed.get_or_insert(error);
                        continue;
                    }
                };
                match answer.status() {
                    b"ENDED" => ended += u64::from(answer.flag()?),
                    b"GONE" => {}
                    // of a newer release: not ended, and the caller must know
                    _ => {
                        failed.get_or_insert_with(error::unknown_format);
                        continue;
                    }
                }
                gone.push(entry);
            }
            self.prune(&op, principal, gone).await;
            failed.map_or(Ok(ended), Err)
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
            let wish = Wish { key, max, until };
            let Some(entries) = self.reserve_beside(&op, principal, &wish, &[]).await? else { return Ok(Reservation::Granted) };
            let others = entries.into_iter().filter(|entry| entry.key != key).collect();
            let judged = self.judged(&op, principal, others).await?;
            let needless = |(_, standing): &&(Entry, Standing)| matches!(standing, Standing::Dead | Standing::Gone);
            let free: Vec<Entry> = judged.iter().filter(needless).map(|(entry, _)| entry.clone()).collect();
            if free.is_empty() {
                return Ok(Reservation::Full);
            }
            let refused = self.reserve_beside(&op, principal, &wish, &free).await?.is_some();
            self.prune(&op, principal, gone(judged)).await;
            Ok(if refused { Reservation::Full } else { Reservation::Granted })
        })
    }
}
