use std::{fmt, sync::Arc, time::Duration};

use super::{Aim, Load, LoadFailed, Setup, Subject, Subjects, Versioned};
use crate::sim::Handle;

/// moka as it is used every day, on every node, with notices that invalidate on the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// `moka::sync`: get; when there is nothing, load and insert.
    GetThenInsert,
    /// `moka::future`: its own loader, which loads once for all callers.
    TryGetWith,
}

impl Subjects for Plain {
    type Subject = PlainMoka;

    async fn open(&self, at: &Handle, setup: &Setup) -> PlainMoka {
        let nodes = (0..setup.nodes).map(|_| Node::new(*self)).collect();
        let level = setup.level.then(|| Arc::new(moka::sync::Cache::new(100)));
        PlainMoka { at: at.clone(), setup: setup.clone(), nodes, level }
    }
}

type Kept = (Versioned, Duration);

#[derive(Clone)]
enum Node {
    Sync(moka::sync::Cache<u64, Kept>),
    Future(moka::future::Cache<u64, Kept>),
}

/// Caches of [`Plain`].
pub struct PlainMoka {
    at: Handle,
    setup: Setup,
    nodes: Vec<Node>,
    level: Option<Arc<moka::sync::Cache<u64, Versioned>>>,
}

impl Node {
    fn new(plain: Plain) -> Self {
        match plain {
            Plain::GetThenInsert => Self::Sync(moka::sync::Cache::new(100)),
            Plain::TryGetWith => Self::Future(moka::future::Cache::new(100)),
        }
    }

    async fn get(&self, key: u64) -> Option<Kept> {
        match self {
            Self::Sync(cache) => cache.get(&key),
            Self::Future(cache) => cache.get(&key).await,
        }
    }

    async fn insert(&self, key: u64, kept: Kept) {
        match self {
            Self::Sync(cache) => cache.insert(key, kept),
            Self::Future(cache) => cache.insert(key, kept).await,
        }
    }

    async fn load(&self, key: u64, load: impl Future<Output = Result<Kept, LoadFailed>>) -> Result<Kept, LoadFailed> {
        match self {
            Self::Sync(cache) => {
                let kept = load.await?;
                cache.insert(key, kept);
                Ok(kept)
            }
            Self::Future(cache) => cache.try_get_with(key, load).await.map_err(|failed| *failed),
        }
    }

    async fn invalidate(&self, aim: Aim) {
        match (self, aim) {
            (Self::Sync(cache), Aim::Key(key)) => cache.invalidate(&key),
            (Self::Sync(cache), Aim::All) => cache.invalidate_all(),
            (Self::Future(cache), Aim::Key(key)) => cache.invalidate(&key).await,
            (Self::Future(cache), Aim::All) => cache.invalidate_all(),
            (Self::Sync(cache), Aim::Tag(_)) => {
                cache.iter().filter(|(_, kept)| aim.hits(&kept.0)).for_each(|(key, _)| cache.invalidate(&*key));
            }
            (Self::Future(cache), Aim::Tag(_)) => {
                for (key, kept) in cache {
                    if aim.hits(&kept.0) {
                        cache.invalidate(&*key).await;
                    }
                }
            }
        }
    }
}

impl PlainMoka {
    fn loaded(&self, key: u64, load: Load) -> impl Future<Output = Result<Kept, LoadFailed>> + Send + 'static {
        let (at, level, ttl) = (self.at.clone(), self.level.clone(), self.setup.ttl);
        async move {
            let value = match level.as_ref().and_then(|level| level.get(&key)) {
                Some(value) => value,
                None => load.await?,
            };
            if let Some(level) = level {
                at.yield_some(2).await;
                level.insert(key, value);
            }
            Ok((value, at.now() + ttl))
        }
    }
}

impl Subject for PlainMoka {
    async fn get_or_load(&self, node: usize, key: u64, load: Load) -> Result<Versioned, LoadFailed> {
        let (cache, load) = (self.nodes[node].clone(), self.loaded(key, load));
        let kept = cache.get(key).await;
        if let Some((value, _)) = kept.filter(|(_, until)| *until > self.at.now()) {
            if self.setup.early_refresh {
                drop(self.at.spawn(async move {
                    if let Ok(kept) = load.await {
                        cache.insert(key, kept).await;
                    }
                }));
            }
            return Ok(value);
        }
        if kept.is_some() {
            cache.invalidate(Aim::Key(key)).await;
        }
        let Some(limit) = self.setup.hard_timeout else { return cache.load(key, load).await.map(|(value, _)| value) };
        let answer = self.at.spawn(async move { cache.load(key, load).await });
        tokio::select! {
            biased;
            answer = answer => answer.map(|(value, _)| value),
            () = self.at.sleep(limit) => kept.map(|(value, _)| value).ok_or(LoadFailed),
        }
    }

    async fn invalidate(&self, node: usize, aim: Aim) {
        if let Some(level) = &self.level {
            level.iter().filter(|(_, value)| aim.hits(value)).for_each(|(key, _)| level.invalidate(&*key));
        }
        self.nodes[node].invalidate(aim).await;
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            if self.setup.loses_notices && self.at.once_in(2) {
                continue;
            }
            let (at, cache, history) = (self.at.clone(), self.nodes[other].clone(), self.setup.history.clone());
            drop(self.at.spawn(async move {
                at.yield_some(8).await;
                cache.invalidate(aim).await;
                history.notice_applied(other, aim);
            }));
        }
    }

    fn refused(&self) -> u64 {
        0
    }
}

impl fmt::Debug for PlainMoka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainMoka").field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}
