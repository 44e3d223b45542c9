use std::{error::Error, fmt, future::Future, time::Duration};

use unstick_core::BoxFuture;

use super::History;
use crate::sim::Handle;

/// A value of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versioned {
    /// Whose value it is.
    pub key: u64,
    /// Grows with every commit.
    pub version: u64,
    /// Changes with commits: a tag that depends on the value.
    pub group: u64,
    /// Which load brought it.
    pub load: u64,
}

impl Versioned {
    /// What the value is tagged with.
    #[must_use]
    pub fn tags(&self) -> [Tag; 2] {
        [Tag::of_key(self.key), Tag::Group(self.group)]
    }
}

/// A tag of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tag {
    /// Known from the key alone; several keys share it.
    Fixed(u64),
    /// Known from the value only.
    Group(u64),
}

impl Tag {
    /// The tag that is known from the key.
    #[must_use]
    pub fn of_key(key: u64) -> Self {
        Self::Fixed(key % 2)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(number) => write!(f, "fixed:{number}"),
            Self::Group(number) => write!(f, "group:{number}"),
        }
    }
}

/// What to invalidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aim {
    /// One key.
    Key(u64),
    /// All values with the tag.
    Tag(Tag),
    /// Everything.
    All,
}

impl Aim {
    /// Whether it means `value`.
    #[must_use]
    pub fn hits(&self, value: &Versioned) -> bool {
        match self {
            Self::Key(key) => *key == value.key,
            Self::Tag(tag) => value.tags().contains(tag),
            Self::All => true,
        }
    }
}

/// A load that has not started: it does when it is first polled.
pub type Load = BoxFuture<'static, Result<Versioned, LoadFailed>>;

/// The source did not answer, or the cache gave up waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadFailed;

impl fmt::Display for LoadFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the load failed")
    }
}

impl Error for LoadFailed {}

/// What a schedule needs of the caches it plays on.
#[derive(Debug, Clone)]
pub struct Setup {
    /// How many nodes share the source.
    pub nodes: usize,
    /// Whether they share a level, and load once for all of them.
    pub level: bool,
    /// Whether calls to level and bus fail now and then. A cache whose level and bus cannot fail has nothing to do.
    pub flaky: bool,
    /// Whether notices get lost. Then the nodes must learn that they missed something within ten seconds.
    pub loses_notices: bool,
    /// How long a value is fresh.
    pub ttl: Duration,
    /// Whether an old value that was not invalidated stands in when a load fails.
    pub stale_if_error: bool,
    /// Whether every hit refreshes the value in the background.
    pub early_refresh: bool,
    /// After this long a caller gets an old value if there is one that was not invalidated; the load goes on.
    pub soft_timeout: Option<Duration>,
    /// After this long a caller gives up; the load goes on.
    pub hard_timeout: Option<Duration>,
    /// Where a node says that it applied another node's notice.
    pub history: History,
}

/// Caches of one application on several nodes.
pub trait Subject: Send + Sync + 'static {
    /// Reads on a node, through its cache.
    fn get_or_load(&self, node: usize, key: u64, load: Load) -> impl Future<Output = Result<Versioned, LoadFailed>> + Send;

    /// Invalidates on a node; the others are told.
    fn invalidate(&self, node: usize, aim: Aim) -> impl Future<Output = ()> + Send;

    /// How many values were not kept, or not handed out, because they were invalidated; as far as the cache knows.
    fn refused(&self) -> u64;
}

/// Makes the caches that a schedule is played on.
pub trait Subjects {
    /// The caches.
    type Subject: Subject;

    /// Makes them, with an empty level and an unused bus.
    fn open(&self, at: &Handle, setup: &Setup) -> impl Future<Output = Self::Subject>;
}
