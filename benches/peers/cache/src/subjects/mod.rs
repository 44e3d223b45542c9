//! Everything that is measured.

mod foyer;
mod hitbox;
mod moka;
mod quick;
mod unstick;

use std::{
    fmt,
    future::Future,
    hint::black_box,
    marker::PhantomData,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use shared::Used;
use tokio::runtime::Runtime;

pub(crate) use self::{
    foyer::Foyer,
    hitbox::Hitbox,
    moka::{Bare, Lifeless, MokaFuture},
    quick::Quick,
    unstick::{OnQuick, Tagged, Unstick},
};
use crate::{
    keys::{HELD, Key, shuffled},
    source::Source,
};

/// Of a value, where a cache knows lifetimes.
pub(crate) const LIFETIME: Duration = Duration::from_secs(3600);

/// A cache as its users see it.
pub(crate) trait Cached<K>: Clone + Send + Sync + 'static {
    type Value: Send + 'static;

    /// With room for so many values.
    fn new(capacity: u64) -> Result<Self, String>;

    /// What it holds.
    fn get(&self, key: &K) -> Option<Self::Value>;

    /// What it holds, or else what it loads.
    fn load(&self, key: K, source: &'static Source) -> impl Future<Output = Result<Self::Value, String>> + Send;

    /// The source has changed.
    fn forget(&self, key: &K) -> impl Future<Output = ()> + Send;

    /// Which version of the source's value it is.
    fn version(value: &Self::Value) -> u8;
}

/// How a cache is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Get,
    Load,
}

/// A cache with all its values in it, and a way to ask it.
pub(crate) trait Filled: Send + Sync {
    /// Asks for so many values that it holds, beginning at the `from`-th.
    fn hits(&self, runtime: &Runtime, from: usize, count: usize) -> Duration;

    /// Asks for so many values that it does not hold, from the `from`-th on.
    fn misses(&self, runtime: &Runtime, from: u64, count: u64) -> Duration;
}

struct Full<K, C> {
    cache: C,
    keys: Vec<K>,
    source: &'static Source,
    way: Way,
}

impl<K: Key, C: Cached<K>> Filled for Full<K, C> {
    fn hits(&self, runtime: &Runtime, from: usize, count: usize) -> Duration {
        let keys = self.keys.iter().cycle().skip(from % self.keys.len()).take(count);
        match self.way {
            Way::Get => {
                let start = Used::now();
                for key in keys {
                    black_box(self.cache.get(black_box(key)));
                }
                start.elapsed()
            }
            Way::Load => runtime.block_on(async {
                // a service makes a key of each request anyway
                let keys: Vec<K> = keys.cloned().collect();
                let start = Used::now();
                for key in keys {
                    _ = black_box(self.cache.load(black_box(key), self.source).await);
                }
                start.elapsed()
            }),
        }
    }

    fn misses(&self, runtime: &Runtime, from: u64, count: u64) -> Duration {
        let keys: Vec<K> = (from..from + count).map(|number| K::nth(HELD + number)).collect();
        runtime.block_on(async {
            let start = Used::now();
            for key in keys {
                _ = black_box(self.cache.load(black_box(key), self.source).await);
            }
            start.elapsed()
        })
    }
}

type Fill = fn(&Runtime, Way) -> Result<Box<dyn Filled>, String>;

/// One line of a table.
#[derive(Clone, Copy)]
pub(crate) struct Subject<K> {
    pub(crate) name: &'static str,
    pub(crate) way: Way,
    fill: Fill,
    /// Whether the bar is its.
    pub(crate) has_bar: bool,
    key: PhantomData<K>,
}

impl<K: Key> Subject<K> {
    const fn new<C: Cached<K>>(name: &'static str, way: Way) -> Self {
        Self { name, way, fill: fill::<K, C>, has_bar: false, key: PhantomData }
    }

    const fn barred<C: Cached<K>>(name: &'static str, way: Way) -> Self {
        Self { has_bar: true, ..Self::new::<C>(name, way) }
    }

    /// What the others are compared with.
    pub(crate) const fn bare() -> Self {
        Self::new::<Bare<K>>("moka::sync get", Way::Get)
    }

    pub(crate) fn all() -> Vec<Self> {
        vec![
            Self::barred::<Unstick<K>>("unstick get", Way::Get),
            Self::barred::<Unstick<K>>("unstick get_or_load", Way::Load),
            Self::new::<Tagged<K>>("unstick get, 3 tags", Way::Get),
            Self::new::<Tagged<K>>("unstick get_or_load, 3 tags", Way::Load),
            Self::barred::<OnQuick<K>>("unstick on quick_cache, get", Way::Get),
            Self::barred::<OnQuick<K>>("unstick on quick_cache, get_or_load", Way::Load),
            Self::new::<Lifeless<K>>("moka::sync get, no lifetimes", Way::Get),
            Self::new::<MokaFuture<K>>("moka::future get", Way::Get),
            Self::new::<MokaFuture<K>>("moka::future get_with", Way::Load),
            Self::new::<Foyer<K>>("foyer get", Way::Get),
            Self::new::<Foyer<K>>("foyer get_or_fetch", Way::Load),
            Self::new::<Quick<K>>("quick_cache get", Way::Get),
            Self::new::<Quick<K>>("quick_cache get_or_insert_async", Way::Load),
            Self::new::<Hitbox<K>>("hitbox on moka", Way::Load),
        ]
    }

    /// Whether it loads what it does not hold.
    pub(crate) fn is_loading(&self) -> bool {
        self.way == Way::Load
    }

    pub(crate) fn fill(&self, runtime: &Runtime) -> Result<Box<dyn Filled>, String> {
        (self.fill)(runtime, self.way)
    }
}

/// With twice the room that is needed, so that a hit is a hit whatever a cache drops and when.
fn fill<K: Key, C: Cached<K>>(runtime: &Runtime, way: Way) -> Result<Box<dyn Filled>, String> {
    let (cache, keys, source) = (C::new(2 * HELD)?, shuffled::<K>(), Source::ready());
    runtime.block_on(async {
        // in another order than they are asked for, and twice: some caches hold a value back until it is asked for again
        for number in (0..HELD).chain(0..HELD) {
            cache.load(K::nth(number), source).await?;
        }
        let before = source.loads();
        for key in &keys {
            cache.load(key.clone(), source).await?;
        }
        if source.loads() == before { Ok(()) } else { Err(format!("{} values are not held", source.loads() - before)) }
    })?;
    Ok(Box::new(Full { cache, keys, source, way }))
}

impl<K> fmt::Debug for Subject<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What a future has ready.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}
