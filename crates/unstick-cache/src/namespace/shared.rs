//! What the caches of a namespace share on a node.

use std::{
    collections::HashSet,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::watch;
use unstick_core::{EventKind, Events, OpId, Pending, Runtime, Target, bus::read_plain};

use super::{
    hook::{Invalidation, Reached},
    retry::{Job, Retries},
    wakes::Wakes,
};
use crate::{
    applied::Applied,
    distrust::{Distrust, Unheard},
    entry::{Nanos, Trust, mix, nanos},
    erased::AnyBus,
    generations::Generations,
    level::LevelSide,
    mark::{self, Mark, MarkId, Print},
    notice::Message,
    stats::{NamespaceCounters, count},
    sync::{AtomicU64, Mutex, Ordering},
};

pub(crate) type Hook = Arc<dyn Fn(&Invalidation<'_>) + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) name: Box<str>,
    /// Of the name: what notices of other namespaces on the same bus do not have.
    pub(crate) hash: u64,
    pub(crate) runtime: Runtime,
    pub(crate) events: Events,
    pub(crate) generations: Generations,
    pub(crate) level: Option<LevelSide>,
    pub(crate) bus: Option<AnyBus>,
    pub(crate) bus_deadline: Duration,
    pub(crate) distrust: Distrust,
    pub(crate) applied: Applied,
    pub(crate) wakes: Wakes,
    pub(crate) retries: Retries,
    /// This node's own invalidations that are not confirmed.
    pub(crate) pending: Pending,
    pub(crate) counters: NamespaceCounters,
    pub(crate) caches: Mutex<HashSet<Box<str>>>,
    pub(crate) hooks: RwLock<Vec<Hook>>,
    /// Notices count as arrived for so long after the moment for which that was proven.
    pub(crate) alive_for: Nanos,
    pub(crate) clamp: Nanos,
    pub(crate) current_until: AtomicU64,
    /// The longest that a value is kept where invalidations may not reach it: in the level, and in processes that hear notices.
    pub(crate) keeps: AtomicU64,
    pub(crate) origin: u64,
    pub(crate) number: AtomicU64,
    /// Tasks end when this is dropped.
    pub(crate) alive: watch::Sender<()>,
}

impl Shared {
    #[inline]
    pub(crate) fn now(&self) -> Nanos {
        nanos(self.runtime.monotonic())
    }

    pub(crate) fn is_current(&self) -> bool {
        self.now() < self.trust().current_until
    }

    #[inline]
    pub(crate) fn trust(&self) -> Trust {
        Trust { current_until: self.current_until.load(Ordering::Acquire), clamp: self.clamp }
    }

    /// A number for what needs no secrecy: jitter, early refreshes.
    pub(crate) fn dice(&self) -> u64 {
        // nodes differ in their clocks' nanoseconds; where time is simulated the same throws come again
        mix(self.hash ^ self.now().rotate_left(32) ^ self.number.load(Ordering::Relaxed))
    }

    pub(crate) fn next_id(&self) -> MarkId {
        MarkId { origin: self.origin, number: self.number.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    /// What was loaded before is no longer used. The level is distrusted first, so that nobody who sees the one misses the other.
    pub(crate) fn invalidate_here(&self, print: Print, unheard: Option<Unheard>) {
        if let Some(unheard) = unheard
            && self.level.is_some()
        {
            self.distrust.add(print, unheard, || op_of(self.next_id()));
        }
        let generations = &self.generations;
        _ = match print {
            Print::Key(hash) => generations.invalidate_key(generations.key(hash)),
            Print::Tag(hash) => generations.invalidate_tag(generations.tag(hash)),
            Print::All => generations.invalidate_all(),
        };
        // the lease that somebody waits for ends with it
        match print {
            Print::Key(hash) => self.wakes.wake(hash),
            Print::Tag(_) => {}
            Print::All => self.wakes.wake_all(),
        }
    }

    /// The level has confirmed an invalidation and is trusted again. Whoever asked it before that and hears its answer only now may
    /// have an old value that nothing else tells from a new one: what was read until now does not count.
    pub(crate) fn confirmed(&self, print: Print, op_id: OpId) {
        if self.distrust.awaits(print, op_id) {
            // in this order: whoever finds no distrust any more finds what it had read before invalidated
            self.invalidate_here(print, None);
            self.distrust.confirmed(print, op_id);
        }
    }

    pub(crate) fn call_hooks(&self, targets: &[Target], reached: Reached) {
        // a hook may add another one
        let hooks = self.hooks.read().unwrap_or_else(PoisonError::into_inner).clone();
        for target in targets {
            for hook in &*hooks {
                let told = Invalidation::new(target, reached, &self.name);
                // neither what is still to be told to others nor the task that listens to them may end with it
                if catch_unwind(AssertUnwindSafe(|| hook(&told))).is_err() {
                    tracing::error!(target: "unstick", namespace = &*self.name, "a hook panicked that was told of an invalidation");
                }
            }
        }
    }

    /// A notice of another node, or of a database transaction, which nobody has told the level of.
    pub(crate) fn receive(&self, payload: &[u8], is_transactional: bool) {
        if let Some(target) = read_plain(payload) {
            if self.is_ours(&target) {
                // nobody has named it: each node does so for itself
                self.receive_invalidated(self.next_id(), [target].into(), true);
            }
            return;
        }
        let Some(message) = Message::decode(payload) else {
            count(&self.counters.notices_unreadable);
            return self.gap("unreadable notice", false);
        };
        match message {
            Message::Wake(key) => self.wakes.wake(key),
            Message::Invalidated { namespace, .. } if namespace != self.hash => {}
            Message::Invalidated { id, targets, level_pending, .. } => {
                self.receive_invalidated(id, targets, level_pending || is_transactional);
            }
        }
    }

    fn receive_invalidated(&self, id: MarkId, targets: Arc<[Target]>, level_pending: bool) {
        if self.applied.contains(id) {
            return count(&self.counters.notices_repeated);
        }
        let is_pending = level_pending && self.level.is_some();
        for target in &*targets {
            self.invalidate_here(Print::of(target), is_pending.then(|| Unheard::Known(op_of(id))));
        }
        self.applied.insert(id);
        count(&self.counters.notices);
        self.call_hooks(&targets, Reached::Remote);
        if is_pending {
            // whoever sent it may be gone by now
            self.retries.push(self, Job { id, targets, needs_level: true, needs_bus: false, _own: None });
        }
    }

    fn is_ours(&self, target: &Target) -> bool {
        let text = match target {
            Target::Key(key) => &key.0,
            Target::Tag(tag) => &tag.0,
            _ => return true,
        };
        text.strip_prefix(&*self.name).is_some_and(|rest| rest.starts_with(':'))
    }

    /// Applies what a client brings along of its recent writes, once.
    pub(crate) fn apply(&self, mark: &Mark) {
        if self.applied.contains(mark.id) {
            return count(&self.counters.marks_repeated);
        }
        for print in &*mark.prints {
            self.invalidate_here(*print, mark.level_pending.then(|| Unheard::Known(op_of(mark.id))));
        }
        self.applied.insert(mark.id);
        count(&self.counters.marks);
    }

    /// After so long a node that has heard nothing looks everything up anew.
    pub(crate) fn bound(&self) -> Duration {
        Duration::from_nanos(if self.bus.is_some() { self.alive_for.max(self.clamp) } else { self.clamp })
    }

    pub(crate) fn keeps(&self, time: Duration) {
        self.keeps.fetch_max(nanos(time), Ordering::Relaxed);
    }

    /// After so long nothing is left of what is kept now.
    pub(crate) fn lifetime(&self) -> Duration {
        Duration::from_nanos(self.keeps.load(Ordering::Relaxed))
    }

    /// Notices may have been missed: everything here is looked up anew, and in the level, too, if only they could have told it.
    pub(crate) fn gap(&self, why: &str, clears_level: bool) {
        count(&self.counters.gaps);
        let unheard = clears_level.then(|| Unheard::New(op_of(self.next_id())));
        self.invalidate_here(Print::All, unheard);
        self.events.emit(EventKind::CacheGap, None, why);
    }
}

/// The operation by which the level is told of an invalidation, whoever does it.
pub(crate) fn op_of(id: MarkId) -> OpId {
    OpId::from_u128((u128::from(id.origin) << 64 | u128::from(id.number)) ^ (1 << 127))
}

pub(crate) fn hash_of(name: &str) -> u64 {
    mark::hash(&Arc::from(name))
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, level, bus, .. } = self;
        f.debug_struct("Namespace").field("name", name).field("level", level).field("bus", bus).finish_non_exhaustive()
    }
}
