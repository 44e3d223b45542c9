//! The same promises with quick_cache below.

use unstick_cache::Confirmation;

use super::world::{HOUR, SECOND, Source, all, alone, callers, ms, play};

#[test]
fn a_thousand_misses_are_one_load() {
    play(|at| async move {
        let things = alone(&at).await.cache("things").ttl(HOUR).quick_cache().build().unwrap();
        let source = Source::new(&at, ms(50));
        for answer in all(callers(&at, &things, &source, 1000)).await {
            assert_eq!(answer.unwrap(), 1);
        }
        assert_eq!((source.loads(), things.stats().hits), (1, 0));
        assert_eq!(things.get_or_load(7, source.load()).await.unwrap(), 1);
        assert_eq!((source.loads(), things.stats().hits), (1, 1));
    });
}

#[test]
fn an_invalidation_during_a_load_wins_and_a_value_ends() {
    play(|at| async move {
        let namespace = alone(&at).await;
        let tags = |key: &u64, _: Option<&u64>| (0..*key).map(|tag| tag.to_string()).collect();
        let things = namespace.cache("things").ttl(HOUR).jitter(0.0).tags(tags).quick_cache().build().unwrap();
        let source = Source::new(&at, ms(50));
        for way in 0..3 {
            source.set(way);
            let invalidate = async {
                at.sleep(ms(10)).await;
                source.set(way + 10);
                let told = match way {
                    0 => things.invalidate(&7).await,
                    1 => namespace.invalidate_tag("6").await,
                    _ => namespace.clear().await,
                };
                assert_eq!(told.bus, Confirmation::Absent);
            };
            let (before, ()) = futures_util::future::join(things.get_or_load(7, source.load()), invalidate).await;
            assert_eq!(before.unwrap(), way, "who came before may have what was before");
            assert_eq!(things.get(&7), None, "not kept");
            assert_eq!(things.get_or_load(7, source.load()).await.unwrap(), way + 10);
            namespace.clear().await;
        }
        assert_eq!(things.get_or_load(7, source.load()).await.unwrap(), 12);
        at.sleep(HOUR - SECOND).await;
        assert_eq!(things.get(&7), Some(12));
        at.sleep(SECOND).await;
        assert_eq!(things.get(&7), None);
    });
}

#[test]
fn the_process_holds_no_more_than_its_capacity() {
    play(|at| async move {
        let namespace = alone(&at).await;
        let few = namespace.cache("few").capacity(100).quick_cache().build().unwrap();
        let heavy = namespace.cache("heavy").capacity(100).weigher(|_: &u64, _: &u64| 10).quick_cache().build().unwrap();
        let weightless = namespace.cache("weightless").capacity(100).weigher(|_: &u64, _: &u64| 0).quick_cache().build().unwrap();
        let source = Source::new(&at, ms(1));
        for key in 0..1000_u64 {
            for cache in [&few, &heavy, &weightless] {
                cache.get_or_load(key, source.load()).await.unwrap();
            }
        }
        for (cache, most) in [(few, 128), (heavy, 12), (weightless, 128)] {
            // parts are rounded up
            assert!(!cache.is_empty() && cache.len() <= most, "{} holds {}", cache.name(), cache.len());
        }
    });
}

#[test]
fn what_cannot_be_weighed_or_is_too_heavy_is_not_kept() {
    play(|at| async move {
        let weigh = |_: &u64, value: &u64| match value {
            1 => panic!("weigher"),
            2 => 101,
            _ => 1,
        };
        let things = alone(&at).await.cache("things").capacity(100).weigher(weigh).quick_cache().build().unwrap();
        let source = Source::new(&at, ms(1));
        for value in 1..=3 {
            source.set(value);
            assert_eq!(things.get_or_load(7, source.load()).await.unwrap(), value);
            assert_eq!(things.get(&7), (value == 3).then_some(3));
        }
    });
}
