//! Settings that cannot work are refused with a sentence that names them.

use std::time::Duration;

use unstick_cache::{Cache, CacheBuilder, Namespace, NamespaceBuilder};
use unstick_core::ConfigError;
use unstick_memory::MemoryHub;

use super::world::{SECOND, alone, ms, play};

fn names(error: &ConfigError, settings: &[&str]) {
    let sentence = error.to_string();
    for setting in settings {
        assert!(sentence.contains(setting), "{setting} is not in: {sentence}");
    }
}

#[test]
fn caches() {
    type Set = fn(CacheBuilder<u64, u64>) -> CacheBuilder<u64, u64>;
    let refused: [(Set, &[&str]); 19] = [
        (|cache| cache.ttl(Duration::ZERO), &["`ttl`"]),
        (|cache| cache.l1_ttl(Duration::ZERO), &["`l1_ttl`"]),
        (|cache| cache.ttl(SECOND).l1_ttl(2 * SECOND), &["`l1_ttl`", "`ttl`"]),
        (|cache| cache.jitter(1.0), &["`jitter`"]),
        (|cache| cache.jitter(-0.1), &["`jitter`"]),
        (|cache| cache.jitter(f64::NAN), &["`jitter`"]),
        (|cache| cache.early_refresh(-1.0), &["`early_refresh`"]),
        (|cache| cache.early_refresh(101.0), &["`early_refresh`"]),
        (|cache| cache.early_refresh(f64::NAN), &["`early_refresh`"]),
        (|cache| cache.soft_timeout(SECOND), &["`soft_timeout`", "`stale_if_error`"]),
        (|cache| cache.soft_timeout(10 * SECOND).stale_if_error(SECOND), &["`soft_timeout`", "`hard_timeout`"]),
        (|cache| cache.hard_timeout(Duration::ZERO), &["`hard_timeout`"]),
        (|cache| cache.hard_timeout(SECOND).load_limit(ms(999)), &["`hard_timeout`", "`load_limit`"]),
        (|cache| cache.lease(ms(99)), &["`lease`"]),
        (|cache| cache.capacity(0), &["`capacity`"]),
        (CacheBuilder::shared, &["`shared`", "`level`"]),
        (|cache| cache.shared_as(|_| Ok::<_, String>(vec![]), |_| Ok::<_, String>(0)), &["`shared`", "`level`"]),
        (|_| taken(), &["`name`"]),
        (|_| Namespace::local("other").unwrap().cache("a:b"), &["name"]),
    ];
    play(|at| async move {
        let namespace = alone(&at).await;
        for (set, settings) in refused {
            names(&set(namespace.cache("things")).build().unwrap_err(), settings);
        }
        // what was refused is not taken
        let things: Cache<u64, u64> = namespace.cache("things").build().unwrap();
        names(&namespace.cache::<u64, u64>("things").build().unwrap_err(), &["`name`", "namespace"]);
        assert!(things.is_empty());
    });
}

/// Of a name that another cache has.
fn taken() -> CacheBuilder<u64, u64> {
    let namespace = Namespace::local("other").unwrap();
    namespace.cache::<u64, u64>("things").build().unwrap();
    namespace.cache("things")
}

#[test]
fn namespaces() {
    type Set = fn(NamespaceBuilder) -> NamespaceBuilder;
    let refused: [(Set, &[&str]); 5] = [
        (|space| space.level_deadline(Duration::ZERO), &["`level_deadline`"]),
        (|space| space.bus_deadline(Duration::ZERO), &["`bus_deadline`"]),
        (|space| space.stripes(15), &["`stripes`"]),
        (|space| space.stripes(u32::MAX), &["`stripes`"]),
        (|space| space.alive_for(ms(1999)).bus(MemoryHub::new().bus(&unstick_core::Runtime::tokio())), &["`alive_for`", "`bus`"]),
    ];
    play(|at| async move {
        for (set, settings) in refused {
            names(&set(Namespace::builder("shop").runtime(at.runtime())).build().await.unwrap_err(), settings);
        }
        for name in ["", "a b", "a:b", "ä", &"x".repeat(65)] {
            names(&Namespace::local(name).unwrap_err(), &["name"]);
        }
    });
}
