//! One load per key and node, which strands nobody.

use std::{error::Error, pin::pin};

use futures_util::future::{join_all, select};
use unstick_cache::LoadErrorKind;

use super::world::{HOUR, Mood, Mortal, SECOND, Source, all, alone, alone_with, callers, ms, play};

#[test]
fn a_thousand_misses_are_one_load() {
    play(|at| async move {
        let things = alone(&at).await.cache("things").ttl(HOUR).build().unwrap();
        let source = Source::new(&at, ms(50));
        for answer in all(callers(&at, &things, &source, 1000)).await {
            assert_eq!(answer.unwrap(), 1);
        }
        let stats = things.stats();
        assert_eq!((source.loads(), stats.loads, stats.misses, stats.joined), (1, 1, 1000, 999));
        assert_eq!(things.get(&7), Some(1));
    });
}

#[test]
fn a_leader_that_leaves_takes_nobody_along() {
    play(|at| async move {
        for leaves_after in [0, 1, 10, 49, 50, 51] {
            let things = alone(&at).await.cache("things").ttl(HOUR).build().unwrap();
            let source = Source::new(&at, ms(50));
            let leader = pin!(things.get_or_load(7, source.load()));
            let leaving = pin!(at.sleep(ms(leaves_after)));
            let rest = async {
                at.sleep(ms(1)).await;
                all(callers(&at, &things, &source, 20)).await
            };
            let (_, rest) = futures_util::future::join(select(leader, leaving), rest).await;
            assert!(rest.iter().all(|answer| matches!(answer, Ok(1))));
            assert_eq!(source.loads(), 1, "left after {leaves_after} ms");
        }
    });
}

#[test]
fn a_failure_is_shared_and_tried_again_once_after_the_back_off() {
    for (mood, kind) in
        [(Mood::Fails, LoadErrorKind::Failed), (Mood::Panics, LoadErrorKind::Panicked), (Mood::PanicsAtOnce, LoadErrorKind::Panicked)]
    {
        play(|at| async move {
            let things = alone(&at).await.cache("things").ttl(HOUR).build().unwrap();
            let source = Source::new(&at, ms(50));
            source.mood(mood);
            for round in 1..=3 {
                for answer in all(callers(&at, &things, &source, 100)).await {
                    let error = answer.unwrap_err();
                    assert_eq!(error.kind(), kind);
                    let cause = error.source().map(ToString::to_string);
                    assert_eq!(cause.as_deref(), (kind == LoadErrorKind::Failed).then_some("the source is down"));
                }
                assert_eq!(source.loads(), round);
                // still backing off: the same error, and no load
                assert_eq!(things.get_or_load(7, source.load()).await.unwrap_err().kind(), kind);
                assert_eq!((source.loads(), things.stats().load_failures), (round, round));
                at.sleep(ms(500)).await;
            }
            assert_eq!(things.get_or_load(7, source.load()).await.unwrap_err().kind(), kind);
            source.mood(Mood::Well);
            // an invalidation ends it
            things.invalidate(&7).await;
            assert_eq!(things.get_or_load(7, source.load()).await.unwrap(), 1);
            assert_eq!(source.loads(), 5);
        });
    }
}

#[test]
fn a_source_that_hangs_is_given_up_and_asked_again() {
    play(|at| async move {
        let things = alone(&at).await.cache("things").hard_timeout(SECOND).load_limit(3 * SECOND).build().unwrap();
        let source = Source::new(&at, ms(50));
        source.mood(Mood::Hangs);
        let began = at.now();
        for answer in all(callers(&at, &things, &source, 50)).await {
            assert_eq!(answer.unwrap_err().kind(), LoadErrorKind::Timeout);
        }
        assert_eq!(at.now() - began, SECOND);
        // the second and the third second: the same load
        for _ in 0..2 {
            assert!(things.get_or_load(7, source.load()).await.is_err());
        }
        assert_eq!(source.loads(), 1);
        assert_eq!(at.now() - began, 3 * SECOND);
        let error = things.get_or_load(7, source.load()).await.unwrap_err();
        assert_eq!((error.kind(), source.loads()), (LoadErrorKind::Abandoned, 1), "backing off");
        at.sleep(ms(500)).await;
        source.mood(Mood::Well);
        assert_eq!(things.get_or_load(7, source.load()).await.unwrap(), 1);
        assert_eq!(source.loads(), 2);
        assert!(things.stats().timeouts >= 51);
    });
}

#[test]
fn those_who_joined_a_load_whose_task_is_gone_lead_one_of_their_own() {
    play(|at| async move {
        let tasks = Mortal::new(at.runtime());
        let namespace = alone_with(&at, |builder| builder.runtime(tasks.runtime())).await;
        let things = namespace.cache("things").ttl(HOUR).build().unwrap();
        let source = Source::new(&at, ms(50));
        let waiting = callers(&at, &things, &source, 20);
        at.sleep(ms(10)).await;
        assert_eq!(tasks.alive(), 1);
        tasks.kill();
        let answers = all(waiting).await;
        let gone = answers.iter().filter(|answer| matches!(answer, Err(error) if error.kind() == LoadErrorKind::Abandoned)).count();
        assert_eq!(gone, 1, "only who led it");
        assert_eq!(answers.iter().filter(|answer| matches!(answer, Ok(1))).count(), 19);
        assert_eq!(source.loads(), 2);
        assert_eq!(tasks.alive(), 0);
    });
}

#[test]
fn a_panic_in_the_application_s_tags_weigher_or_hooks_strands_nobody() {
    play(|at| async move {
        let namespace = alone(&at).await;
        let source = Source::new(&at, ms(50));

        let tagged = namespace.cache("tagged").tags(|_: &u64, value| if value == Some(&1) { panic!("tags") } else { vec![] });
        let tagged = tagged.build().unwrap();
        for answer in all(callers(&at, &tagged, &source, 20)).await {
            assert_eq!(answer.unwrap_err().kind(), LoadErrorKind::Panicked);
        }
        source.set(2);
        at.sleep(SECOND).await;
        assert_eq!(tagged.get_or_load(7, source.load()).await.unwrap(), 2);

        let weighed = namespace.cache("weighed").weigher(|_: &u64, value| if *value == 2 { panic!("weigher") } else { 1 });
        let weighed = weighed.build().unwrap();
        assert_eq!(weighed.get_or_load(7, source.load()).await.unwrap(), 2);
        assert!(weighed.is_empty(), "what cannot be weighed is not kept");
        source.set(3);
        assert_eq!(weighed.get_or_load(7, source.load()).await.unwrap(), 3);
        assert_eq!(weighed.get(&7), Some(3));

        namespace.on_invalidate(|_| panic!("hook"));
        let told = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let tell = told.clone();
        namespace.on_invalidate(move |_| _ = tell.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
        weighed.invalidate(&7).await;
        assert_eq!((weighed.get(&7), told.load(std::sync::atomic::Ordering::SeqCst)), (None, 1), "the next hook is called");
    });
}

#[test]
fn loads_of_different_keys_do_not_wait_for_each_other() {
    play(|at| async move {
        let things = alone(&at).await.cache("things").ttl(HOUR).build().unwrap();
        let source = Source::new(&at, SECOND);
        let began = at.now();
        let answers = join_all((0..100_u64).map(|key| things.get_or_load(key, source.load()))).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!((source.loads(), source.most(), at.now() - began), (100, 100, SECOND));
    });
}
