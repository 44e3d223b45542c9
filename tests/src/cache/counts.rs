//! Counters of nodes, added up.

use serde::{Deserialize, Serialize};
use unstick_cache::{CacheStats, NamespaceStats};

macro_rules! counts {
    ($($name:ident from $part:ident,)*) => {
        /// Counters of one node or of several; those of [`CacheStats`] and [`NamespaceStats`] by their names.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[allow(missing_docs, reason = "as in the statistics")]
        pub struct Counts {
            /// Requests that hang.
            pub hung: u64,
            $(pub $name: u64,)*
        }

        impl Counts {
            /// Of one node.
            #[must_use]
            pub const fn of(cache: &CacheStats, namespace: &NamespaceStats) -> Self {
                Self { hung: 0, $($name: counts!(@ $part cache namespace).$name,)* }
            }

            /// Adds another node's.
            pub const fn add(&mut self, other: &Self) {
                self.hung += other.hung;
                $(self.$name += other.$name;)*
            }
        }
    };
    (@ cache $cache:ident $namespace:ident) => { $cache };
    (@ namespace $cache:ident $namespace:ident) => { $namespace };
}

counts! {
    hits from cache,
    misses from cache,
    level_hits from cache,
    loads from cache,
    load_failures from cache,
    refused from cache,
    bypassed from cache,
    undecodable from cache,
    notices from namespace,
    notices_repeated from namespace,
    gaps from namespace,
    cuts from namespace,
    marks from namespace,
    marks_repeated from namespace,
    level_pending from namespace,
    bus_pending from namespace,
}

impl Counts {
    /// Requests answered from the process, in percent.
    #[must_use]
    pub fn hit_rate(&self) -> u64 {
        100 * self.hits / (self.hits + self.misses + self.bypassed).max(1)
    }
}
