//! The consistency monitor, on time that the test moves.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use unstick_cache::{Cache, Monitor, Namespace};
use unstick_core::{EventKind, Events, Runtime};
use unstick_memory::{MemoryHub, MemoryLevel};
use unstick_testkit::{observe::EventLog, sim::Sim};

const SECOND: Duration = Duration::from_secs(1);
const TIMES: [Duration; 3] = [SECOND, Duration::from_secs(60), Duration::from_secs(300)];

/// A table of one column.
#[derive(Clone, Default)]
struct Source(Arc<Mutex<std::collections::HashMap<u64, u64>>>);

impl Source {
    fn set(&self, key: u64, value: u64) {
        self.0.lock().unwrap().insert(key, value);
    }

    fn get(&self, key: u64) -> Option<u64> {
        self.0.lock().unwrap().get(&key).copied()
    }
}

struct Node {
    cache: Cache<u64, u64>,
    namespace: Namespace,
    source: Source,
    events: Arc<EventLog>,
}

impl Node {
    async fn new(runtime: &Runtime, hub: &MemoryHub, level: &MemoryLevel, source: &Source) -> Self {
        let events = Arc::new(EventLog::default());
        let namespace = Namespace::builder("shop")
            .runtime(runtime.clone())
            .bus(hub.bus(runtime))
            .level(level.clone())
            .events(Events::new("node").observer(events.clone()))
            .build()
            .await
            .unwrap();
        let cache = namespace.cache("prices").ttl(SECOND * 3600).tags(|key, _| vec![format!("half:{}", key % 2)]).shared().build().unwrap();
        Self { cache, namespace, source: source.clone(), events }
    }

    fn monitor(&self, share: f64) -> Monitor {
        let source = self.source.clone();
        self.cache.monitor(move |key| std::future::ready(Ok::<_, std::io::Error>(source.get(key)))).share(share).start().unwrap()
    }

    async fn read(&self, key: u64) -> Option<u64> {
        let value = self.source.get(key);
        self.cache.get_or_load_optional(key, move || std::future::ready(Ok::<_, std::io::Error>(value))).await.unwrap()
    }
}

fn shares(monitor: &Monitor) -> Vec<(u64, u64, u64, u64)> {
    let report = monitor.report();
    report
        .after
        .iter()
        .map(|stage| (stage.process.checked, stage.process.consistent, stage.level.checked, stage.level.consistent))
        .collect()
}

#[test]
fn both_nodes_find_what_is_consistent_and_what_is_not() {
    let sim = Sim::new(7);
    let handle = sim.handle();
    sim.run(async move {
        let (runtime, hub, source) = (handle.runtime(), MemoryHub::new(), Source::default());
        let level = MemoryLevel::builder().runtime(runtime.clone()).build();
        let (here, there) = (Node::new(&runtime, &hub, &level, &source).await, Node::new(&runtime, &hub, &level, &source).await);
        let (monitor, other) = (here.monitor(1.0), there.monitor(1.0));
        source.set(7, 1);
        assert_eq!((here.read(7).await, there.read(7).await), (Some(1), Some(1)));

        source.set(7, 2);
        here.cache.invalidate(&7).await;
        handle.sleep(SECOND / 2).await;
        assert_eq!((here.read(7).await, there.read(7).await), (Some(2), Some(2)));
        handle.sleep(SECOND * 2).await;
        assert_eq!(shares(&monitor), [(1, 1, 1, 1), (0, 0, 0, 0), (0, 0, 0, 0)]);
        assert_eq!(shares(&other), [(1, 1, 1, 1), (0, 0, 0, 0), (0, 0, 0, 0)], "by the notice");

        // somebody changes it and tells nobody
        source.set(7, 3);
        handle.sleep(SECOND * 60).await;
        assert_eq!(shares(&monitor)[1], (1, 0, 1, 0));
        assert_eq!(shares(&other)[1], (1, 0, 1, 0));
        assert_eq!(here.events.count(EventKind::CacheInconsistent), 2, "in the process and in the level");
        here.cache.invalidate(&7).await;
        assert_eq!(here.read(7).await, Some(3));
        handle.sleep(SECOND * 400).await;
        let (_, last) = (monitor.report(), shares(&monitor)[2]);
        assert_eq!(last, (2, 2, 2, 2), "consistent again, after both invalidations");
        assert_eq!(here.events.count(EventKind::CacheInconsistent), 2);
    });
}

#[test]
fn tags_and_clear_are_followed_and_a_change_under_way_is_no_difference() {
    let sim = Sim::new(8);
    let handle = sim.handle();
    sim.run(async move {
        let (runtime, hub, source) = (handle.runtime(), MemoryHub::new(), Source::default());
        let level = MemoryLevel::builder().runtime(runtime.clone()).build();
        let node = Node::new(&runtime, &hub, &level, &source).await;
        let monitor = node.monitor(1.0);
        for key in 0..4 {
            source.set(key, key);
            node.read(key).await;
        }
        node.namespace.invalidate_tag("half:0").await;
        for key in 0..4 {
            node.read(key).await;
        }
        handle.sleep(SECOND * 2).await;
        assert_eq!(shares(&monitor)[0].0, 2, "the even ones");
        node.namespace.clear().await;
        for key in 0..4 {
            node.read(key).await;
        }
        // committed, and not yet invalidated while it is looked at for the first time
        source.set(0, 9);
        handle.sleep(SECOND + SECOND / 10).await;
        node.cache.invalidate(&0).await;
        handle.sleep(SECOND / 2).await;
        assert_eq!(shares(&monitor)[0], (5, 5, 5, 5));
        assert_eq!(monitor.report().skipped, 1);
        assert_eq!(node.events.count(EventKind::CacheInconsistent), 0);
    });
}

#[test]
fn a_share_is_the_same_keys_everywhere_and_too_many_are_counted() {
    let sim = Sim::new(9);
    let handle = sim.handle();
    sim.run(async move {
        let (runtime, hub, source) = (handle.runtime(), MemoryHub::new(), Source::default());
        let level = MemoryLevel::builder().runtime(runtime.clone()).build();
        let (here, there) = (Node::new(&runtime, &hub, &level, &source).await, Node::new(&runtime, &hub, &level, &source).await);
        let (monitor, other) = (here.monitor(0.1), there.monitor(0.1));
        for key in 0..400 {
            source.set(key, key);
            here.read(key).await;
            there.read(key).await;
        }
        for key in 0..400 {
            here.cache.invalidate(&key).await;
        }
        handle.sleep(SECOND / 2).await; // until the notices are there
        for key in 0..400 {
            here.read(key).await;
            there.read(key).await;
        }
        handle.sleep(SECOND * 30).await;
        let checked = shares(&monitor)[0].0;
        assert!((10..=90).contains(&checked), "about a tenth: {checked}");
        assert_eq!(shares(&other)[0].0, checked);
        drop((monitor, other));

        let third = Node::new(&runtime, &hub, &level, &source).await;
        let read = third.source.clone();
        let few =
            third.cache.monitor(move |key| std::future::ready(Ok::<_, std::io::Error>(read.get(key)))).share(1.0).most(10).start().unwrap();
        for key in 0..20 {
            third.read(key).await;
            third.cache.invalidate(&key).await;
        }
        handle.sleep(SECOND * 400).await;
        // ten keys are remembered, with three comparisons each, of which ten fit
        assert_eq!(few.report().skipped, 20);
    });
}

#[test]
fn a_source_that_fails_judges_nothing_and_the_monitor_ends_with_its_handle() {
    let sim = Sim::new(10);
    let handle = sim.handle();
    sim.run(async move {
        let (runtime, hub, source) = (handle.runtime(), MemoryHub::new(), Source::default());
        let level = MemoryLevel::builder().runtime(runtime.clone()).build();
        let node = Node::new(&runtime, &hub, &level, &source).await;
        let asked = Arc::new(AtomicU64::new(0));
        let count = asked.clone();
        let monitor = node
            .cache
            .monitor(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
                std::future::ready(Err::<Option<u64>, _>("down"))
            })
            .share(1.0)
            .after(TIMES)
            .start()
            .unwrap();
        assert!(node.cache.monitor(|_| std::future::ready(Ok::<_, std::io::Error>(None))).start().is_err(), "one is enough");
        source.set(1, 1);
        node.read(1).await;
        node.cache.invalidate(&1).await;
        handle.sleep(SECOND * 2).await;
        assert_eq!((asked.load(Ordering::Relaxed), monitor.report().skipped), (1, 1));
        drop(monitor);
        handle.sleep(SECOND * 1000).await;
        assert_eq!(asked.load(Ordering::Relaxed), 1, "nothing goes on");
    });
}

#[test]
fn what_cannot_work_is_refused() {
    let cache = Cache::<u64, u64>::local("prices").unwrap().build().unwrap();
    let monitor = || cache.monitor(|_| std::future::ready(Ok::<_, std::io::Error>(None)));
    for refused in [monitor().share(0.0), monitor().share(1.5), monitor().share(f64::NAN), monitor().most(0), monitor().after([])] {
        assert!(refused.start().is_err());
    }
}

#[test]
fn a_source_that_panics_or_hangs_does_not_end_it() {
    let sim = Sim::new(5);
    let at = sim.handle();
    sim.run(async move {
        let (hub, level, source) = (MemoryHub::new(), MemoryLevel::builder().runtime(at.runtime()).build(), Source::default());
        let node = Node::new(&at.runtime(), &hub, &level, &source).await;
        let asked = Arc::new(AtomicU64::new(0));
        let (asking, read) = (asked.clone(), source.clone());
        let monitor = node
            .cache
            .monitor(move |key| {
                let (turn, value) = (asking.fetch_add(1, Ordering::SeqCst), read.get(key));
                assert!(turn != 0, "the closure panics");
                async move {
                    match turn {
                        1 => panic!("the future panics"),
                        2 => std::future::pending().await,
                        _ => Ok::<_, std::io::Error>(value),
                    }
                }
            })
            .share(1.0)
            .after([SECOND])
            .start()
            .unwrap();
        source.set(7, 1);
        for _ in 0..4 {
            node.read(7).await;
            node.cache.invalidate(&7).await;
            node.read(7).await;
            at.sleep(SECOND * 60).await;
        }
        assert_eq!((asked.load(Ordering::SeqCst), monitor.report().skipped), (4, 3));
        assert_eq!(monitor.report().after[0].process.consistent_share(), Some(1.0));
    });
}
