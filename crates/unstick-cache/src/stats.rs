//! Counters: of a cache, and of what its namespace does for all of them.
//!
//! ```
//! use unstick_cache::Namespace;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let shop = Namespace::local("shop")?;
//! let names = shop.cache::<u64, String>("names").build()?;
//! for _ in 0..3 {
//!     names.get_or_load(1, || async { Ok::<_, std::io::Error>("ann".to_owned()) }).await.unwrap();
//! }
//! let stats = names.stats();
//! assert_eq!((stats.hits, stats.misses, stats.loads), (2, 1, 1));
//! # Ok::<(), unstick_core::ConfigError>(()) }).unwrap();
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

/// On lines of their own, so that two threads which count do not wait for each other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded(AtomicU64);

/// A counter of what happens at every request.
#[derive(Debug, Default)]
pub(crate) struct Hot([Padded; 8]);

impl Hot {
    #[inline]
    pub(crate) fn add(&self) {
        // threads have stacks of their own, which makes their addresses tell them apart
        let here = 0_u8;
        let place = (&raw const here).addr();
        self.0[((place >> 14) ^ (place >> 20)) % 8].0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.iter().map(|part| part.0.load(Ordering::Relaxed)).sum()
    }
}

macro_rules! stats {
    ($(#[$doc:meta])* $public:ident from $counters:ident; hot { $($(#[$hot_doc:meta])* $hot:ident,)* } { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $public {
            $($(#[$hot_doc])* pub $hot: u64,)*
            $($(#[$field_doc])* pub $field: u64,)*
        }

        #[derive(Debug, Default)]
        pub(crate) struct $counters {
            $(pub(crate) $hot: Hot,)*
            $(pub(crate) $field: AtomicU64,)*
        }

        impl $counters {
            pub(crate) fn snapshot(&self) -> $public {
                $public { $($hot: self.$hot.get(),)* $($field: self.$field.load(Ordering::Relaxed),)* }
            }
        }
    };
}

stats! {
    /// What a cache did on this node since it was built.
    CacheStats from CacheCounters;
    hot {
        /// Answered from the process.
        hits,
    } {
        /// Not answered from the process.
        misses,
        /// Of the misses: waited for a load that was under way.
        joined,
        /// Of the misses: found in the shared level.
        level_hits,
        /// Loaders run.
        loads,
        /// Loaders that failed, panicked or took too long.
        load_failures,
        /// Loads started before the value's end.
        refreshes,
        /// Values that were served after their end, because no new one was to be had.
        stale,
        /// Values that were not kept because they were invalidated while they were loaded.
        refused,
        /// Callers that gave up at the hard timeout.
        timeouts,
        /// Values that an invalidation made unusable, noticed when they were asked for.
        invalid,
        /// Requests that went past everything kept, because their client is ahead of it.
        bypassed,
        /// Shared values that could not be decoded.
        undecodable,
    }
}

stats! {
    /// What a namespace did on this node since it was built.
    NamespaceStats from NamespaceCounters;
    hot {} {
        /// Invalidations made here.
        invalidations,
        /// Of those: not confirmed by the shared level at once, and repeated later.
        level_pending,
        /// Of those: not confirmed by the bus at once, and repeated later.
        bus_pending,
        /// Notices of other nodes that were applied.
        notices,
        /// Notices that were known already.
        notices_repeated,
        /// Notices that could not be read: each counts as a gap.
        notices_unreadable,
        /// Times that notices may have been missed.
        gaps,
        /// Times that notices stayed away.
        cuts,
        /// What clients brought along of their recent writes, and was not known here.
        marks,
        /// What clients brought along and was known.
        marks_repeated,
        /// Times that unconfirmed invalidations were too many to be remembered one by one.
        overflows,
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
