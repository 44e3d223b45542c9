//! A load through the shared level: one for all nodes, while the one that loads keeps its lease.

use std::{error::Error, pin::pin, time::Duration};

use bytes::Bytes;
use futures_util::future::{Either, select};
use unstick_core::{EventKind, Filled, Held, LeaseToken, LevelValue, Looked, OpId, TagKey, Target, Want};

use super::{
    inner::{Kept, Read},
    load::{Landed, Load},
    wait::within,
};
use crate::{
    CacheKey, Loaded,
    entry::{Content, Nanos, nanos},
    envelope::{Codec, Opened},
    error::LoadError,
    generations::Stripe,
    level::LevelSide,
    mark::{self, Print},
    namespace::publish,
    notice::Message,
    stats::count,
};

/// Between looks at a lease that somebody else holds: at first and at most while notices stay away, and the latter at first while they arrive.
const POLLS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));

type BoxError = Box<dyn Error + Send + Sync>;

/// A lease, and a value that may stand in, which was read when.
struct Lease {
    held: Held,
    stale: Option<LevelValue>,
    /// Before both.
    read: Read,
}

impl<K: CacheKey, V: Clone + Send + Sync + 'static> Load<K, V> {
    pub(super) async fn through_level(
        &self,
        codec: &Codec<V>,
        side: &LevelSide,
        call: impl Future<Output = Result<Loaded<V>, BoxError>> + Send,
    ) -> Landed<V> {
        let shared = &self.inner.shared;
        let settings = &self.inner.settings;
        let key = &self.name.text;
        let mut want = Want { schema: settings.schema, more_than: self.want.more_than, lease: settings.lease };
        let mut waiting = None;
        let (mut poll, mut patience) = POLLS;
        loop {
            if !side.is_usable() {
                return self.without_level(call).await;
            }
            // before distrust is looked at: an invalidation adds its distrust first
            let read = self.inner.read();
            match self.trusts_level(side).await {
                Some(true) => {}
                Some(false) => continue,
                None => return self.without_level(call).await,
            }
            let Ok(looked) = side.ask(side.level().read_or_lease(side.op(), key, &want)).await else {
                return self.without_level(call).await;
            };
            match looked {
                Looked::Found(value) => {
                    // other nodes, of another release for example, may keep values for longer
                    shared.keeps(value.kept);
                    // its tags are known only now
                    match self.trusts_tags(side, &value.tags).await {
                        Some(true) => {}
                        Some(false) => continue,
                        None => return self.without_level(call).await,
                    }
                    if let Some((content, took)) = self.open(codec, &value.bytes) {
                        let (fresh, stale) = (value.fresh, value.kept.saturating_sub(value.fresh));
                        let kept = Kept { content, tags: value.tags, fresh, stale, took: Some(took) };
                        // what was invalidated while the answer was on its way is asked for again
                        if self.is_valid(&kept, read) {
                            count(&self.inner.counters.level_hits);
                            return self.local(kept, read);
                        }
                        continue;
                    }
                    // nothing that is there will do
                    want.more_than = Duration::MAX;
                }
                Looked::Leased { token, start, stale } => {
                    // what could not be decoded a moment ago is of no use
                    let stale = stale.filter(|_| want.more_than != Duration::MAX);
                    let lease = Lease { held: Held { schema: settings.schema, token, start }, stale, read };
                    return self.leased(codec, side, lease, call).await;
                }
                Looked::Held { remaining, .. } => match &waiting {
                    // the notice may have come between the answer and now: look once more, ready for it
                    None => waiting = Some(shared.wakes.register(self.name.hash)),
                    Some(wake) => {
                        // while notices arrive, a look costs more than it tells; but one may be lost before anybody knows that they stay
                        // away, and then costs no longer than was waited before
                        let limit = if shared.is_current() { patience } else { poll }.min(remaining).max(POLLS.0);
                        if within(&shared.runtime, limit, wake.woken()).await.is_some() {
                            waiting = Some(shared.wakes.register(self.name.hash));
                        }
                        poll = (poll * 2).min(POLLS.1);
                        patience *= 2;
                    }
                },
                _ => return self.without_level(call).await,
            }
        }
    }

    /// Whether the level is known to have heard of every invalidation of the key; it is told if need be. `Some(false)`: it has
    /// by now, but what was read before does not count.
    async fn trusts_level(&self, side: &LevelSide) -> Option<bool> {
        let distrust = &self.inner.shared.distrust;
        let mut all = true;
        let everything = (Print::All, Target::All);
        for (print, target) in [everything, (Print::Key(self.name.hash), Target::Key(self.name.text.clone()))] {
            if let Some(op_id) = distrust.of(print) {
                all = false;
                if !self.confirm(side, print, op_id, target).await {
                    return None;
                }
            }
        }
        Some(all)
    }

    /// The same of a value's tags, which are known only once it was read.
    async fn trusts_tags(&self, side: &LevelSide, tags: &[TagKey]) -> Option<bool> {
        let shared = &self.inner.shared;
        // too many of them have become everything meanwhile
        let mut all = tags.is_empty() || shared.distrust.of(Print::All).is_none();
        for tag in tags {
            let print = Print::Tag(mark::hash(&tag.0));
            if let Some(op_id) = shared.distrust.of(print) {
                all = false;
                if !self.confirm(side, print, op_id, Target::Tag(tag.clone())).await {
                    return None;
                }
            }
        }
        Some(all)
    }

    async fn confirm(&self, side: &LevelSide, print: Print, op_id: OpId, target: Target) -> bool {
        let confirmed = side.invalidate(op_id, &[target]).await;
        if confirmed {
            self.inner.shared.confirmed(print, op_id);
        }
        confirmed
    }

    /// Loads and fills.
    async fn leased(
        &self,
        codec: &Codec<V>,
        side: &LevelSide,
        lease: Lease,
        call: impl Future<Output = Result<Loaded<V>, BoxError>> + Send,
    ) -> Landed<V> {
        let key = &self.name.text;
        let read = self.inner.read();
        let loaded = self.while_extending(side, lease.held.token, call).await;
        let kept = match loaded {
            Ok(kept) => kept,
            Err(error) => {
                self.release(side, lease.held).await;
                return self.stand_in(codec, side, lease).await.unwrap_or(Landed::Kept(Err(error)));
            }
        };
        let content = match &kept.content {
            Content::Value(value) => Some(value),
            _ => None,
        };
        // the level need not have heard of what was invalidated here
        if kept.fresh.is_zero() || !self.is_valid(&kept, read) {
            self.release(side, lease.held).await;
            return self.local(kept, read);
        }
        let took = Duration::from_nanos(self.inner.shared.now().saturating_sub(read.at));
        let Some(bytes) = codec.seal(self.name.hash, content, took) else {
            self.inner.shared.events.emit(EventKind::CacheUnencodable, None, &self.inner.name);
            self.release(side, lease.held).await;
            return self.local(kept, read);
        };
        let value = LevelValue { bytes, tags: kept.tags.clone(), fresh: kept.fresh, kept: kept.fresh.saturating_add(kept.stale) };
        self.inner.shared.keeps(value.kept);
        match side.ask(side.level().fill(side.op(), key, lease.held, &value)).await {
            Ok(Filled::Done { awaited }) => {
                if awaited {
                    self.wake();
                }
                self.local(kept, read)
            }
            // invalidated on another node, whose notice is still on its way
            Ok(_) => {
                self.refused("by the level");
                self.wake();
                match self.local(kept, read) {
                    Landed::Kept(outcome) | Landed::Passed(outcome) => Landed::Passed(outcome),
                }
            }
            Err(_) => self.local(kept, read),
        }
    }

    async fn while_extending(
        &self,
        side: &LevelSide,
        token: LeaseToken,
        call: impl Future<Output = Result<Loaded<V>, BoxError>> + Send,
    ) -> Result<Kept<V>, LoadError> {
        let settings = &self.inner.settings;
        let extending = async {
            loop {
                self.inner.shared.runtime.sleep(settings.lease / 3).await;
                let extended = side.level().extend(side.op(), &self.name.text, settings.schema, token, settings.lease);
                if matches!(side.ask(extended).await, Ok(false)) {
                    // invalidated: the value is no longer wanted by others, but those who wait here get it
                    std::future::pending::<()>().await;
                }
            }
        };
        match select(pin!(self.call(call)), pin!(extending)).await {
            Either::Left((loaded, _)) => loaded,
            Either::Right(((), _)) => Err(LoadError::new(crate::LoadErrorKind::Abandoned)),
        }
    }

    async fn release(&self, side: &LevelSide, held: Held) {
        if matches!(side.ask(side.level().release(side.op(), &self.name.text, held)).await, Ok(true)) {
            self.wake();
        }
    }

    /// Those who wait on other nodes look again.
    fn wake(&self) {
        let (shared, key) = (self.inner.shared.clone(), self.name.hash);
        shared.wakes.wake(key);
        let task = {
            let shared = shared.clone();
            async move { _ = publish(&shared, &Message::Wake(key)).await }
        };
        shared.runtime.spawn(Box::pin(task));
    }

    /// The content, and how long its load took.
    fn open(&self, codec: &Codec<V>, bytes: &Bytes) -> Option<(Content<V>, Nanos)> {
        let opened = codec.open(self.name.hash, bytes);
        if opened.is_none() {
            count(&self.inner.counters.undecodable);
            self.inner.shared.events.emit(EventKind::CacheUndecodable, None, &self.inner.name);
        }
        let Opened { value, took } = opened?;
        Some((value.map_or(Content::Absent, Content::Value), nanos(took)))
    }

    /// A shared value beyond its end, for want of a new one. It may have been invalidated since the level gave it, or by a tag of which
    /// the level did not know.
    async fn stand_in(&self, codec: &Codec<V>, side: &LevelSide, lease: Lease) -> Option<Landed<V>> {
        if self.inner.settings.stale.is_none() || self.want.has_fallback {
            return None;
        }
        let (value, read) = (lease.stale?, lease.read);
        if self.trusts_tags(side, &value.tags).await != Some(true) {
            return None;
        }
        let (content, took) = self.open(codec, &value.bytes)?;
        let fresh = self.inner.settings.throttle.min(value.kept);
        let kept = Kept { content, tags: value.tags, fresh, stale: value.kept.saturating_sub(fresh), took: Some(took) };
        if !self.is_valid(&kept, read) {
            return None;
        }
        count(&self.inner.counters.stale);
        self.inner.shared.events.emit(EventKind::CacheStale, None, "from the level");
        Some(self.local(kept, read))
    }

    fn is_valid(&self, kept: &Kept<V>, read: Read) -> bool {
        let generations = &self.inner.shared.generations;
        let tags: Vec<Stripe> = kept.tags.iter().map(|tag| generations.tag(mark::hash(&tag.0))).collect();
        generations.is_valid(read.start, self.name.stripe, &tags)
    }
}
