//! What hooks are told.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use unstick_cache::{Namespace, Reached};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let shop = Namespace::local("shop")?;
//! let seen = Arc::new(Mutex::new(Vec::new()));
//! let log = seen.clone();
//! shop.on_invalidate(move |told| log.lock().unwrap().push((told.key().map(str::to_owned), told.tag().map(str::to_owned), told.reached())));
//! shop.cache::<u64, u32>("prices").build()?.invalidate(&7).await;
//! shop.invalidate_tag("campaign:1").await;
//! assert_eq!(*seen.lock().unwrap(), [
//!     (Some("prices:7".to_owned()), None, Reached::Local),
//!     (None, Some("campaign:1".to_owned()), Reached::Local),
//! ]);
//! # Ok::<(), unstick_core::ConfigError>(()) }).unwrap();
//! ```

use std::fmt;

use unstick_core::Target;

/// Where an invalidation was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reached {
    /// On this node.
    Local,
    /// On another node, or in a database transaction.
    Remote,
}

/// An invalidation that this node has just applied. See the [module docs](self).
pub struct Invalidation<'a> {
    target: &'a Target,
    reached: Reached,
    namespace: &'a str,
}

impl<'a> Invalidation<'a> {
    pub(crate) const fn new(target: &'a Target, reached: Reached, namespace: &'a str) -> Self {
        Self { target, reached, namespace }
    }

    pub(crate) const fn target(&self) -> &'a Target {
        self.target
    }

    fn within(&self, text: &'a str) -> &'a str {
        text.strip_prefix(self.namespace).and_then(|rest| rest.strip_prefix(':')).unwrap_or(text)
    }

    /// The cache's name and the key's text, with a `:` between them; `None` when it was no single key.
    #[must_use]
    pub fn key(&self) -> Option<&'a str> {
        match self.target {
            Target::Key(key) => Some(self.within(&key.0)),
            _ => None,
        }
    }

    /// The tag; `None` when it was no tag.
    #[must_use]
    pub fn tag(&self) -> Option<&'a str> {
        match self.target {
            Target::Tag(tag) => Some(self.within(&tag.0)),
            _ => None,
        }
    }

    /// Whether it was everything.
    #[must_use]
    pub fn is_all(&self) -> bool {
        matches!(self.target, Target::All)
    }

    /// Where it was made.
    #[must_use]
    pub const fn reached(&self) -> Reached {
        self.reached
    }
}

/// Redacts keys and tags.
impl fmt::Debug for Invalidation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invalidation").field("target", self.target).field("reached", &self.reached).finish()
    }
}
