//! The cache as the schedules see it: nodes over one level and bus in memory, all on the simulation's clocks and tasks.

use std::time::Duration;

use unstick_cache::{Cache, Namespace, Reached};
use unstick_core::{Runtime, Timestamp};
use unstick_memory::{MemoryHub, MemoryLevel};
use unstick_testkit::{
    schedules::{Aim, Load, LoadFailed, Setup, Subject, Subjects, Tag, Versioned},
    sim::{Handle, TornBus, TornLevel},
};

/// Key, version, group and load.
type Value = (u64, u64, u64, u64);

pub(crate) struct Engine;

pub(crate) struct Nodes {
    at: Handle,
    nodes: Vec<(Namespace, Cache<u64, Value>)>,
    hub: MemoryHub,
    loses_notices: bool,
}

fn tags(value: &Value) -> Vec<String> {
    from(*value).tags().iter().map(Tag::to_string).collect()
}

fn from((key, version, group, load): Value) -> Versioned {
    Versioned { key, version, group, load }
}

/// What a hook was told of.
fn aim(key: Option<&str>, tag: Option<&str>) -> Aim {
    let number = |text: &str| text.rsplit(':').next().and_then(|number| number.parse().ok()).expect("a number");
    match (key, tag) {
        (Some(key), _) => Aim::Key(number(key)),
        (_, Some(tag)) if tag.starts_with("fixed:") => Aim::Tag(Tag::Fixed(number(tag))),
        (_, Some(tag)) => Aim::Tag(Tag::Group(number(tag))),
        _ => Aim::All,
    }
}

async fn node(
    number: usize,
    at: &Handle,
    setup: &Setup,
    runtime: Runtime,
    level: &MemoryLevel,
    hub: &MemoryHub,
) -> (Namespace, Cache<u64, Value>) {
    // few stripes: they are made anew for every schedule
    let mut builder = Namespace::builder("shop").runtime(runtime.clone()).stripes(1024);
    let fails = if setup.flaky { 20 } else { 0 };
    builder = if setup.nodes > 1 {
        builder.bus(TornBus::new(at, hub.bus(&runtime)).failing(fails))
    } else {
        builder.clamp(Duration::from_secs(3600)) // alone: nobody else can change anything
    };
    if setup.level {
        builder = builder.level(TornLevel::new(at, level.clone()).failing(fails));
    }
    let namespace = builder.build().await.expect("a namespace");
    let history = setup.history.clone();
    namespace.on_invalidate(move |told| {
        if told.reached() == Reached::Remote {
            history.notice_applied(number, aim(told.key(), told.tag()));
        }
    });

    let mut cache =
        namespace.cache("things").ttl(setup.ttl).jitter(0.0).tags(|_: &u64, value: Option<&Value>| value.map(tags).unwrap_or_default());
    if setup.level {
        cache = cache.shared();
    }
    // half of the schedules on each library that holds the values
    #[cfg(feature = "quick-cache")]
    if at.seed() % 2 == 1 {
        cache = cache.quick_cache();
    }
    if setup.early_refresh {
        cache = cache.early_refresh(100.0);
    }
    if setup.stale_if_error {
        cache = cache.stale_if_error(Duration::from_secs(3600));
    }
    if let Some(soft) = setup.soft_timeout {
        cache = cache.soft_timeout(soft);
    }
    if let Some(hard) = setup.hard_timeout {
        cache = cache.hard_timeout(hard);
    }
    (namespace, cache.build().expect("a cache"))
}

impl Subjects for Engine {
    type Subject = Nodes;

    async fn open(&self, at: &Handle, setup: &Setup) -> Nodes {
        // a server's clock is nobody's: this one is behind all
        let level = MemoryLevel::builder().runtime(at.node(Timestamp::ZERO, Duration::ZERO)).build();
        let hub = MemoryHub::builder().seed(at.seed()).build();
        let mut nodes = Vec::new();
        for number in 0..setup.nodes {
            nodes.push(node(number, at, setup, at.skewed_runtime(), &level, &hub).await);
        }
        Nodes { at: at.clone(), nodes, hub, loses_notices: setup.loses_notices }
    }
}

impl Subject for Nodes {
    async fn get_or_load(&self, node: usize, key: u64, load: Load) -> Result<Versioned, LoadFailed> {
        let load = || async { load.await.map(|value| (value.key, value.version, value.group, value.load)) };
        self.nodes[node].1.get_or_load(key, load).await.map(from).map_err(|_| LoadFailed)
    }

    async fn invalidate(&self, node: usize, aim: Aim) {
        if self.loses_notices && self.at.once_in(2) {
            self.hub.weather().drop_next(1 + self.at.below(2));
        }
        let (namespace, cache) = &self.nodes[node];
        match aim {
            Aim::Key(key) => cache.invalidate(&key).await,
            Aim::Tag(tag) => namespace.invalidate_tag(&tag.to_string()).await,
            Aim::All => namespace.clear().await,
        };
    }

    fn refused(&self) -> u64 {
        self.nodes.iter().map(|(_, cache)| cache.stats().refused).sum()
    }
}
