//! What the caches of an application share on a node: sequence numbers, the shared level, the bus, tags.
//!
//! ```
//! use unstick_cache::Namespace;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let shop = Namespace::local("shop")?;
//! let carts = shop.cache::<(u64, String), Vec<u32>>("carts").tags(|(customer, _), _| vec![format!("customer:{customer}")]).build()?;
//! let prices = shop.cache::<u32, u32>("prices").build()?;
//! let cart = || async { Ok::<_, std::io::Error>(vec![7]) };
//! carts.get_or_load((1, "saved".to_owned()), cart).await.unwrap();
//! prices.get_or_load(7, || async { Ok::<_, std::io::Error>(99) }).await.unwrap();
//!
//! shop.invalidate_tag("customer:1").await;
//! assert_eq!(carts.get(&(1, "saved".to_owned())), None);
//! assert_eq!(prices.get(&7), Some(99), "another tag");
//! shop.clear().await;
//! assert_eq!(prices.get(&7), None);
//! # Ok::<(), unstick_core::ConfigError>(()) }).unwrap();
//! ```

mod builder;
pub mod hook;
mod invalidate;
mod listener;
mod retry;
pub(crate) mod shared;
mod staged;
mod wakes;

use std::{
    fmt,
    sync::{Arc, PoisonError},
};

use unstick_core::{ConfigError, Pending, TagKey, Target};

pub(crate) use self::invalidate::{invalidate, publish};
use self::shared::Shared;
pub use self::{
    builder::NamespaceBuilder,
    hook::{Invalidation, Reached},
    invalidate::{Confirmation, Invalidated},
    staged::Staged,
};
use crate::{CacheBuilder, CacheKey, KeyText, NamespaceStats};

/// What the caches of an application share on a node. Cheap to clone. See the [module docs](self).
///
/// Namespaces of the same name on all nodes belong together when they have the same bus and level. With the last clone, and the last cache
/// made from it, its background tasks end.
#[derive(Clone)]
pub struct Namespace {
    pub(crate) shared: Arc<Shared>,
}

impl Namespace {
    /// For an application that runs on one node only: no bus, no level, and nobody else who invalidates.
    ///
    /// With more nodes each would show its own copy until the end of its lifetime: use [`builder`](Self::builder).
    ///
    /// # Errors
    /// When the name is not made of 1 to 64 letters, digits, `-`, `_` and `.`.
    pub fn local(name: &str) -> Result<Self, ConfigError> {
        Ok(Self { shared: NamespaceBuilder::new(name).shared(u64::MAX)? })
    }

    /// Settings to choose.
    pub fn builder(name: &str) -> NamespaceBuilder {
        NamespaceBuilder::new(name)
    }

    /// A cache called `name`, with settings to choose.
    pub fn cache<K: CacheKey, V: Clone + Send + Sync + 'static>(&self, name: &str) -> CacheBuilder<K, V> {
        CacheBuilder::new(self.shared.clone(), name)
    }

    /// What invalidates `tag` in all caches of the namespace.
    #[must_use]
    pub fn tag(&self, tag: &str) -> Target {
        Target::Tag(TagKey(KeyText::tag(&self.shared.name, tag)))
    }

    /// Invalidates all of `targets` together: [`tag`](Self::tag) and [`Cache::target`](crate::Cache::target) make them.
    ///
    /// An invalidation always wins: also over loads that are under way, here and on other nodes. Call it after the change
    /// is in the source.
    ///
    /// # Cancel safety
    /// Once polled, it is in effect here, and the rest is done in the background even if the future is dropped.
    pub async fn invalidate(&self, targets: impl IntoIterator<Item = Target> + Send) -> Invalidated {
        let targets: Arc<[Target]> = targets.into_iter().collect();
        invalidate(&self.shared, targets).await
    }

    /// Invalidates everything with the tag.
    ///
    /// # Cancel safety
    /// As [`invalidate`](Self::invalidate).
    pub async fn invalidate_tag(&self, tag: &str) -> Invalidated {
        self.invalidate([self.tag(tag)]).await
    }

    /// Invalidates everything in all caches of the namespace.
    ///
    /// # Cancel safety
    /// As [`invalidate`](Self::invalidate).
    pub async fn clear(&self) -> Invalidated {
        self.invalidate([Target::All]).await
    }

    /// Prepares an invalidation for a database transaction to carry.
    pub fn stage(&self, targets: impl IntoIterator<Item = Target>) -> Staged {
        Staged::new(self.shared.clone(), targets.into_iter().collect())
    }

    /// Calls `hook` for every invalidation that this node applies, right after it is in effect: its own, and those of other nodes.
    /// Hooks must return quickly; one that panics is logged, and told of the next. Gaps are events and no hooks: what was missed is not known.
    ///
    /// A hook that holds a clone of the namespace, or a cache of it, keeps it alive.
    pub fn on_invalidate(&self, hook: impl Fn(&Invalidation<'_>) + Send + Sync + 'static) {
        self.shared.hooks.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(hook));
    }

    /// Counters of this node.
    #[must_use]
    pub fn stats(&self) -> NamespaceStats {
        self.shared.counters.snapshot()
    }

    /// This node's own invalidations that neither level nor bus has confirmed yet, those on their way included, and those that
    /// [`InvalidationLayer`](crate::layers::InvalidationLayer) is to [repeat](crate::layers::InvalidationLayer::settle). A process that ends before
    /// leaves others with old values, until their clamp or the values' end: wait for [`Pending::idle`] after the last request, for as
    /// long as the process may still take. While level or bus are down it does not complete.
    #[must_use]
    pub fn pending(&self) -> Pending {
        self.shared.pending.clone()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Whether values in the process are held for current until their end: notices of other nodes are known to have arrived up to
    /// a moment ago. Otherwise they are trusted for the [clamp](NamespaceBuilder::clamp) only.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.shared.is_current()
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}
