//! Clones of one handle in one request: reads, updates, saves and ends that overlap, are dropped half-way, or come after the answer.

mod node;

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use http::Response;
use unstick_core::{ErrorKind, EventKind, Key, KeyRing, Runtime};
use unstick_memory::MemoryStore;
use unstick_session::{Session, SessionLayer, failure::Failure};
use unstick_stories::{cookies, keep};
use unstick_testkit::{
    client::Jar,
    clock::ManualClock,
    faults::{Fault, FaultStore, Op},
};

use self::node::{GRACE, IDLE, Node, StillTime};

fn more(value: Option<u64>) -> Option<u64> {
    Some(value.unwrap_or(0) + 1)
}

#[tokio::test]
async fn an_update_replaces_what_was_buffered_for_its_key() {
    let node = Node::new();
    let mut jar = node.visited().await;
    let status = node.get(&mut jar, async |session: Session| {
        session.insert("n", &1)?;
        assert_eq!(session.update("n", more).await?, Some(2));
        assert_eq!(session.get::<u64>("n").await?, Some(2), "its own write");
        Ok(())
    });
    assert_eq!(status.await, 200);
    assert_eq!(node.values(&jar, ["n"]).await, [Some(2)]);
}

#[tokio::test]
async fn updates_beside_each_other_all_count() {
    let node = Node::new();
    let mut jar = node.visited().await;
    node.slow();
    let status = node.get(&mut jar, async |session: Session| {
        session.clear()?;
        session.insert("n", &10)?;
        let (n, again, a, b) =
            tokio::join!(session.update("n", more), session.update("n", more), session.update("a", more), session.update("b", more));
        assert_ne!(n?, again?, "each took effect on its own");
        assert_eq!((a?, b?), (Some(1), Some(1)));
        Ok(())
    });
    assert_eq!(status.await, 200);
    node.fast();
    assert_eq!(node.values(&jar, ["first", "n", "a", "b"]).await, [None, Some(12), Some(1), Some(1)]);
}

#[tokio::test]
async fn saves_beside_each_other_make_one_session() {
    let node = Node::new();
    let mut jar = Jar::default();
    node.slow();
    let status = node.get(&mut jar, async |session: Session| {
        session.insert("a", &1)?;
        let other = async {
            tokio::task::yield_now().await;
            session.insert("b", &1)?;
            session.save().await
        };
        let (one, two, count) = tokio::join!(session.save(), other, session.update("c", more));
        one?;
        two?;
        count.map(drop)
    });
    assert_eq!(status.await, 200);
    node.fast();
    assert_eq!(node.log.count(EventKind::SessionCreated), 1);
    assert_eq!(node.values(&jar, ["a", "b", "c"]).await, [Some(1); 3]);
}

#[tokio::test]
async fn a_read_beside_a_login_does_not_undo_it() {
    let node = Node::new();
    let mut jar = node.visited().await;
    node.slow();
    // The login goes first at the store, so that the read finds the old id superseded, or is told of the new one.
    node.faults.always(Op::Load, Fault::Delay(Duration::from_millis(20)));
    let status = node.get(&mut jar, async |session: Session| {
        let login = async {
            session.promote("ann").await?;
            session.save().await
        };
        let (read, login) = tokio::join!(session.get::<u64>("first"), login);
        assert_eq!(read?, Some(1));
        login?;
        session.insert("after", &1)
    });
    assert_eq!(status.await, 200);
    node.fast();
    assert_eq!(node.status(&jar).await, "live ann");
    assert_eq!(node.values(&jar, ["first", "after"]).await, [Some(1), Some(1)]);
}

#[tokio::test]
async fn nothing_is_started_behind_an_end() {
    let node = Node::new();
    let mut jar = node.visited().await;
    node.slow();
    let status = node.get(&mut jar, async |session: Session| {
        session.end()?;
        let insert = async {
            tokio::task::yield_now().await;
            let _ = session.insert("late", &1); // refused, or dropped with the session
        };
        tokio::join!(session.save(), insert).0
    });
    assert_eq!(status.await, 200);
    assert_eq!(cookies(&jar), "", "the cookie is taken away");
    assert_eq!(node.log.count(EventKind::SessionCreated), 1, "no new session");
}

#[tokio::test]
async fn a_dropped_save_loses_nothing() {
    let node = Node::new();
    let mut jar = node.visited().await;
    node.slow();
    let status = node.get(&mut jar, async |session: Session| {
        session.insert("a", &1)?;
        assert!(session.save().now_or_never().is_none(), "dropped under way");
        session.insert("b", &1)
    });
    assert_eq!(status.await, 200);
    assert_eq!(node.values(&jar, ["a", "b"]).await, [Some(1), Some(1)]);
    let status = node.get(&mut jar, async |session: Session| {
        session.end()?;
        assert!(session.save().now_or_never().is_none(), "dropped under way");
        Ok(())
    });
    assert_eq!(status.await, 200);
    assert_eq!(cookies(&jar), "", "and a logout neither");
}

#[tokio::test]
async fn a_credential_that_was_given_a_new_id_can_write_in_the_same_request() {
    let node = Node::new();
    let mut jar = node.visited().await;
    node.clock.advance(IDLE / 2);
    let renewal = node.send(&jar, async |session: Session| session.get::<u64>("first").await.map(drop)).await;
    let new_id = node.send(&jar, async |session: Session| session.renew_id()).await;
    keep(&mut jar, new_id.headers());
    keep(&mut jar, renewal.headers()); // overtaken: the client is left with the id before
    node.clock.advance(GRACE);
    let status = node.get(&mut jar, async |session: Session| {
        session.load().await?;
        session.insert("b", &1)?;
        session.update("c", more).await.map(drop)
    });
    assert_eq!(status.await, 200);
    node.clock.advance(GRACE);
    assert_eq!(node.values(&jar, ["first", "b", "c"]).await, [Some(1); 3]);
}

#[tokio::test]
async fn a_reordered_credential_is_replaced_also_when_its_renewal_is_due() {
    let node = Node::new();
    let mut jar = node.visited().await;
    node.clock.advance(IDLE / 2);
    let renewal = node.send(&jar, async |session: Session| session.get::<u64>("first").await.map(drop)).await;
    let new_id = node.send(&jar, async |session: Session| session.renew_id()).await;
    keep(&mut jar, new_id.headers());
    keep(&mut jar, renewal.headers());
    for _ in 0..4 {
        node.clock.advance(IDLE / 2);
        assert_eq!(node.get(&mut jar, async |session: Session| session.get::<u64>("first").await.map(drop)).await, 200);
    }
    assert_eq!(node.values(&jar, ["first"]).await, [Some(1)], "it was active all the time");
}

#[tokio::test]
async fn a_new_id_reaches_the_client_though_the_request_fails_afterwards() {
    let node = Node::new();
    let mut jar = node.visited().await;
    let status = node.get(&mut jar, async |session: Session| {
        session.renew_id()?;
        session.save().await?;
        node.faults.always_all(Fault::FailBefore(ErrorKind::Unavailable));
        session.insert("lost", &1)
    });
    assert_eq!(status.await, 503);
    node.fast();
    node.clock.advance(GRACE);
    assert_eq!(node.status(&jar).await, "live -");
    let status = node.get(&mut jar, async |session: Session| {
        session.promote("ann").await?;
        session.save().await?;
        node.faults.always_all(Fault::FailBefore(ErrorKind::Unavailable));
        session.load().await?;
        session.update("lost", more).await.map(drop)
    });
    assert_eq!(status.await, 503);
    node.fast();
    assert_eq!(node.status(&jar).await, "live ann");
    assert_eq!(node.values(&jar, ["first", "lost"]).await, [Some(1), None]);
}

#[tokio::test]
async fn a_request_counts_once() {
    let node = Node::new();
    let mut jar = Jar::default();
    let saves = async |session: Session| {
        for key in ["a", "b", "c"] {
            session.insert(key, &1)?;
            session.save().await?;
        }
        session.insert("d", &1)
    };
    assert_eq!(node.get(&mut jar, saves).await, 200);
    assert_eq!((node.layer.continuity().found, node.layer.continuity().lost), (0, 0), "made by the request itself");
    assert_eq!(node.get(&mut jar, saves).await, 200);
    assert_eq!(node.layer.continuity().found, 1);
    node.clock.advance(IDLE / 2);
    node.log.take();
    let status = node.get(&mut jar, async |session: Session| {
        session.load().await?;
        session.insert("a", &2)
    });
    assert_eq!(status.await, 200);
    assert_eq!(node.layer.continuity().found, 2);
    assert_eq!(node.log.count(EventKind::SessionRenewed), 1);
}

#[tokio::test]
async fn the_end_of_a_session_that_is_not_there_is_not_a_found_session() {
    let node = Node::new();
    let other = Node::new();
    let mut jar = node.visited().await;
    assert_eq!(other.get(&mut jar, async |session: Session| session.end()).await, 200);
    assert_eq!(other.layer.continuity().found, 0, "the other node's store has never seen it");
    assert_eq!(cookies(&jar), "");
}

#[tokio::test]
async fn a_dead_cookie_takes_no_place_from_its_owner() {
    let node = Node::with(Some(1));
    let mut jar = Jar::default();
    let login = async |session: Session| session.promote("ann").await;
    assert_eq!(node.get(&mut jar, login).await, 200);
    node.layer.sessions().end_others("ann", None).await.unwrap();
    node.clock.advance(Duration::from_secs(1));
    assert_eq!(node.get(&mut jar, login).await, 200, "signed out by an administrator, and back");
    assert_eq!(node.status(&jar).await, "live ann");
    let elsewhere = Node::with(Some(1));
    assert_eq!(elsewhere.get(&mut jar, login).await, 200, "a session that this store has lost");
    assert_eq!(elsewhere.status(&jar).await, "live ann");
}

#[tokio::test]
async fn a_limit_met_under_the_lock_is_told_as_such() {
    let node = Node::new();
    let mut jar = node.visited().await;
    let rival = jar.clone();
    let mut calls = 0_u64;
    let status = node.get(&mut jar, async |session: Session| {
        let change = |_: Option<String>| {
            calls += 1;
            if calls > 6 {
                return Some("x".repeat(20_000)); // under the store's lock by now
            }
            let text = calls.to_string();
            let write = node.send(&rival, async |session: Session| session.insert("n", &text));
            assert_eq!(write.now_or_never().unwrap().status(), 200);
            Some(String::new())
        };
        let error = session.update("n", change).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        Err(error)
    });
    assert_eq!(status.await, 413);
    assert_eq!(calls, 7);
}

#[tokio::test]
async fn errors_do_not_repeat_values() {
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Account {
        card: u64,
    }
    let node = Node::new();
    let mut jar = Jar::default();
    let status = node.get(&mut jar, async |session: Session| {
        session.insert("card", "4111-secret")?;
        let errors = [session.get::<u64>("card").await.unwrap_err(), session.typed::<Account>().await.map(drop).unwrap_err()];
        for error in errors {
            let mut told = format!("{error} {error:?}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                told += &format!(" {cause} {cause:?}");
                source = cause.source();
            }
            assert_eq!(error.kind(), ErrorKind::Codec);
            assert!(!told.contains("4111"), "{told}");
        }
        Ok(())
    });
    assert_eq!(status.await, 200);
}

#[tokio::test]
async fn a_failed_read_is_answered_by_the_hook_also_when_the_session_is_ended() {
    let clock = ManualClock::default();
    let store = FaultStore::new(MemoryStore::builder().runtime(clock.runtime()).build());
    let faults = store.clone();
    let hook = |_: &Failure| Response::builder().status(599).body(bytes::Bytes::new()).unwrap();
    let ring = KeyRing::new(Key::from_bytes([7; 32]).unwrap());
    let layer = SessionLayer::keyed(store, ring).runtime(Runtime::custom(StillTime(clock.clone()))).on_failure(hook).build().unwrap();
    let node = Node { layer, faults, clock, log: Arc::default() };
    let mut jar = node.visited().await;
    let status = node.get(&mut jar, async |session: Session| {
        session.update("n", |_: Option<u64>| Some(1)).await?;
        node.faults.always(Op::Apply, Fault::FailBefore(ErrorKind::Unavailable));
        let failed = session.update("n", more).await;
        session.end()?;
        failed.map(drop)
    });
    assert_eq!(status.await, 599);
    assert_eq!(cookies(&jar), "", "and the end was carried out");
}

#[tokio::test]
async fn a_session_saved_behind_the_answer_is_an_error_to_the_caller() {
    let node = Node::new();
    node.slow();
    let mut task = None;
    let jar = Jar::default();
    let answer = node.send(&jar, async |session: Session| {
        session.insert("a", &1)?;
        task = Some(tokio::spawn(async move { session.save().await }));
        tokio::task::yield_now().await;
        Ok(())
    });
    let answer = answer.await;
    let mut jar = Jar::default();
    keep(&mut jar, answer.headers());
    assert_eq!(node.values(&jar, ["a"]).await, [Some(1)], "the answer did not wait for the task, and has saved it itself");
    let error = task.unwrap().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HeadersSent, "nobody was given the session that the task has made");
}

#[tokio::test]
async fn the_others_are_signed_out_by_the_request_at_hand() {
    let node = Node::new();
    let login = async |session: Session| session.promote("ann").await;
    let (mut mine, mut other) = (Jar::default(), Jar::default());
    assert_eq!(node.get(&mut mine, login).await, 200);
    assert_eq!(node.get(&mut other, login).await, 200);
    let sessions = node.layer.sessions();
    let status = node.get(&mut mine, async |session: Session| {
        let own = session.key();
        assert!(sessions.list("ann").await?.iter().any(|entry| Some(entry.key) == own));
        assert_eq!(sessions.end_others("ann", own).await?, 1);
        Ok(())
    });
    assert_eq!(status.await, 200);
    assert_eq!((node.status(&mine).await, node.status(&other).await), ("live ann".to_owned(), "ended -".to_owned()));
    node.get(&mut Jar::default(), async |session: Session| {
        assert_eq!(session.key(), None);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_increment_whose_answer_was_lost_counts_once() {
    for (fault, counted) in [(Fault::FailAfter(ErrorKind::Interrupted), 1), (Fault::FailBefore(ErrorKind::Unavailable), 0)] {
        let node = Node::new();
        let mut jar = node.visited().await;
        node.faults.always(Op::Apply, fault);
        let status = node.get(&mut jar, async |session: Session| {
            let error = session.update("n", more).await.unwrap_err();
            assert_eq!(error.is_outcome_unknown(), counted == 1);
            Err(error)
        });
        assert_eq!(status.await, 503);
        assert_eq!(node.faults.calls(Op::Apply), 1, "not repeated: it may have counted");
        node.faults.heal();
        assert_eq!(node.values(&jar, ["n"]).await, [(counted == 1).then_some(1)]);
    }
}

#[tokio::test]
async fn failures_of_the_index_are_told() {
    let node = Node::with(Some(2));
    let mut jar = Jar::default();
    let login = async |session: Session| session.promote("ann").await;
    assert_eq!(node.get(&mut jar, login).await, 200);
    node.faults.always_all(Fault::FailBefore(ErrorKind::Unavailable));
    let sessions = node.layer.sessions();
    assert_eq!(sessions.list("ann").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(sessions.end_others("ann", None).await.unwrap_err().kind(), ErrorKind::Unavailable);
    node.faults.heal();
    node.faults.always(Op::Reserve, Fault::FailBefore(ErrorKind::Unavailable));
    let answer = node.send(&Jar::default(), login).await;
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("set-cookie")), (503, false));
    node.faults.heal();
    assert_eq!(sessions.list("ann").await.unwrap().len(), 1, "nobody was logged in by it");
    assert_eq!(node.status(&jar).await, "live ann");
}
