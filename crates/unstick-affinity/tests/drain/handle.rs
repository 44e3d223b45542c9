//! Phases, waiting and endings.

use std::time::Duration;

use http::StatusCode;
use tower::{Layer, ServiceExt, service_fn};
use unstick_affinity::drain::{Drain, Phase};
use unstick_core::{EventKind, Pending};

use crate::support::{Node, get, settle};

#[tokio::test]
async fn phases_follow_each_other_and_are_told() {
    let node = Node::new();
    let (began, closing, ended) = (tokio::spawn(node.drain.began()), tokio::spawn(node.drain.closing()), tokio::spawn(node.drain.ended()));
    node.pass(3600).await;
    assert_eq!(node.drain.phase(), Phase::Serving);
    assert!(!began.is_finished() && !closing.is_finished());

    let request = node.drain.layer().layer(service_fn(|_| std::future::pending::<Result<http::Response<()>, ()>>())).oneshot(get("/slow"));
    let request = tokio::spawn(request);
    settle().await;
    node.drain.begin();
    node.drain.begin();
    settle().await;
    assert_eq!(node.drain.phase(), Phase::Turning);
    assert!(began.is_finished() && !closing.is_finished());
    node.pass(4).await;
    assert_eq!(node.drain.phase(), Phase::Turning);
    node.pass(1).await;
    assert_eq!(node.drain.phase(), Phase::Closing);
    assert!(closing.is_finished() && !ended.is_finished());
    node.pass(20).await;
    assert_eq!(node.drain.phase(), Phase::Ended);
    assert!(ended.is_finished());
    assert_eq!(node.log.kinds(), [EventKind::DrainBegan, EventKind::DrainCut, EventKind::DrainEnded], "also if nobody asks");
    assert_eq!(node.details(EventKind::DrainBegan), ["1 in flight, 0 pending"]);
    assert_eq!(node.details(EventKind::DrainCut), ["GET /slow after 25 s"]);
    assert_eq!(node.details(EventKind::DrainEnded), ["0 finished, 1 cut, 0 pending left"]);
    assert_eq!(node.clock.sleepers(), 0, "no timer is left");
    request.abort();
}

#[tokio::test]
async fn a_drain_begun_outside_the_runtime_goes_on_all_the_same() {
    let node = Node::new();
    let drain = node.drain.clone();
    std::thread::spawn(move || drain.begin()).join().unwrap();
    node.pass(5).await;
    assert_eq!(node.drain.phase(), Phase::Closing);
    assert!(node.drain.finished().await.is_clean());
    assert_eq!(node.log.kinds(), [EventKind::DrainBegan, EventKind::DrainEnded]);
}

#[tokio::test]
async fn nothing_to_wait_for_ends_it_when_listeners_close_and_not_before() {
    let node = Node::new();
    let drain = node.drain.clone();
    let finished = tokio::spawn(async move { drain.finished().await });
    node.drain.begin();
    node.pass(4).await;
    assert!(!finished.is_finished(), "balancers still send requests");
    node.pass(1).await;
    assert!(finished.await.unwrap().is_clean());
    assert_eq!(node.drain.phase(), Phase::Ended);
}

#[tokio::test]
async fn pending_work_and_holds_are_awaited() {
    let node = Node::new();
    let (commits, invalidations) = (Pending::default(), Pending::default());
    node.drain.wait_for(commits.clone());
    node.drain.wait_for(invalidations.clone());
    let (commit, hold) = (commits.enter(), node.drain.hold());
    assert_eq!(node.drain.pending(), 2);
    node.drain.begin();
    let drain = node.drain.clone();
    let finished = tokio::spawn(async move { drain.finished().await });
    node.pass(6).await;
    drop(commit);
    let late = invalidations.enter();
    settle().await;
    drop(hold);
    settle().await;
    assert!(!finished.is_finished(), "work that began meanwhile is awaited, too");
    drop(late);
    assert!(finished.await.unwrap().is_clean());
}

#[tokio::test]
async fn work_that_two_routers_tell_of_counts_once() {
    let node = Node::new();
    let commits = Pending::default();
    for _ in 0..3 {
        node.drain.wait_for(commits.clone());
    }
    let _commit = commits.enter();
    assert_eq!(node.drain.pending(), 1);
    node.drain.cut_now();
    assert_eq!(node.drain.finished().await.pending_left, 1);
}

#[tokio::test]
async fn pending_work_is_left_at_the_deadline_and_counted() {
    let node = Node::new();
    let _hold = node.drain.hold();
    node.drain.begin();
    node.pass(25).await;
    let drained = node.drain.finished().await;
    assert_eq!((drained.pending_left, drained.is_clean()), (1, false));
    assert_eq!(node.details(EventKind::DrainEnded), ["0 finished, 0 cut, 1 pending left"]);
}

#[tokio::test]
async fn cut_now_ends_it_in_any_phase() {
    for seconds in [None, Some(0), Some(6), Some(30)] {
        let node = Node::new();
        let hold = node.drain.hold();
        if let Some(seconds) = seconds {
            node.drain.begin();
            node.pass(seconds).await;
        }
        node.drain.cut_now();
        node.drain.cut_now();
        assert_eq!(node.drain.phase(), Phase::Ended);
        drop(hold);
        settle().await;
        assert_eq!(node.drain.finished().await.pending_left, 1, "as it was when it was cut");
        assert_eq!(node.log.kinds(), [EventKind::DrainBegan, EventKind::DrainEnded]);
    }
}

#[tokio::test]
async fn many_cut_requests_make_few_events() {
    let node = Node::new();
    let service = node.drain.layer().layer(service_fn(|_| std::future::pending::<Result<http::Response<()>, ()>>()));
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..50 {
        requests.spawn(service.clone().oneshot(get("/stuck")));
    }
    settle().await;
    node.drain.cut_now();
    assert_eq!(node.drain.finished().await.cut.len(), 50);
    let told = node.details(EventKind::DrainCut);
    assert_eq!((told.len(), told.last().map(String::as_str)), (21, Some("and 30 more")));
}

#[tokio::test]
async fn a_server_is_driven_to_its_end() {
    let node = Node::new();
    let (drain, server) = (node.drain.clone(), node.drain.closing());
    let finish = tokio::spawn(async move {
        drain
            .finish(async {
                server.await;
                "served"
            })
            .await
    });
    node.pass(100).await;
    assert!(!finish.is_finished());
    node.drain.begin();
    node.pass(5).await;
    let (output, drained) = finish.await.unwrap();
    assert_eq!((output, drained.is_clean()), (Some("served"), true));
}

#[tokio::test]
async fn a_server_that_does_not_end_is_dropped_at_the_deadline() {
    let node = Node::new();
    let drain = node.drain.clone();
    let finish = tokio::spawn(async move { drain.finish(std::future::pending::<()>()).await });
    node.drain.begin();
    node.pass(5).await;
    node.pass(19).await;
    assert!(!finish.is_finished());
    node.pass(1).await;
    let (output, drained) = finish.await.unwrap();
    assert_eq!((output, drained.is_clean()), (None, true));
}

#[tokio::test]
async fn a_server_that_ends_by_itself_leaves_no_window_but_its_work_is_awaited() {
    let node = Node::new();
    let hold = node.drain.hold();
    let drain = node.drain.clone();
    let finish = tokio::spawn(async move { drain.finish(async { "failed" }).await });
    settle().await;
    assert_eq!(node.drain.phase(), Phase::Closing);
    assert!(!finish.is_finished());
    drop(hold);
    assert_eq!(finish.await.unwrap().0, Some("failed"));
}

#[tokio::test]
async fn work_that_begins_after_a_clean_end_is_awaited_by_who_asks_again() {
    let node = Node::new();
    node.drain.close_now();
    assert!(node.drain.finished().await.is_clean());
    let hold = node.drain.hold();
    let drain = node.drain.clone();
    let again = tokio::spawn(async move { drain.finished().await });
    settle().await;
    assert!(!again.is_finished());
    drop(hold);
    assert!(again.await.unwrap().is_clean());
    assert_eq!(node.log.count(EventKind::DrainEnded), 1);
}

#[tokio::test]
async fn it_is_awaited_to_the_deadline_and_no_longer() {
    let node = Node::new();
    node.drain.close_now();
    assert!(node.drain.finished().await.is_clean());
    let _hold = node.drain.hold();
    let drain = node.drain.clone();
    let again = tokio::spawn(async move { drain.finished().await });
    node.pass(19).await;
    assert!(!again.is_finished());
    node.pass(1).await;
    assert_eq!(again.await.unwrap().pending_left, 1);
}

#[tokio::test]
async fn dropped_waits_leave_no_timers() {
    let node = Node::new();
    node.drain.begin();
    settle().await;
    let own = node.clock.sleepers();
    let waits = [tokio::spawn(node.drain.closing()), tokio::spawn(node.drain.ended())];
    settle().await;
    assert_eq!(node.clock.sleepers(), own + 2);
    for wait in waits {
        wait.abort();
        assert!(wait.await.unwrap_err().is_cancelled());
    }
    assert_eq!(node.clock.sleepers(), own);
}

#[test]
fn nonsense_is_refused() {
    let seconds = Duration::from_secs;
    let refused = |builder: unstick_affinity::drain::DrainBuilder| builder.build().unwrap_err().to_string();
    assert!(refused(Drain::builder().deadline(Duration::ZERO)).contains("`deadline`"));
    let too_long = refused(Drain::builder().readiness_window(seconds(10)));
    assert!(["`readiness_window`", "`deadline`", "`grace_period`"].iter().all(|name| too_long.contains(name)), "{too_long}");
    assert!(refused(Drain::builder().deadline(Duration::MAX)).contains("`grace_period`"));
    for status in [StatusCode::OK, StatusCode::FOUND, StatusCode::CONTINUE] {
        assert!(refused(Drain::builder().not_ready_status(status)).contains("`not_ready_status`"));
    }
    Drain::builder().readiness_window(Duration::ZERO).build().unwrap();
    Drain::builder().readiness_window(seconds(60)).grace_period(seconds(81)).build().unwrap();
}

#[test]
fn traits() {
    fn is<T: Send + Sync + Clone + std::fmt::Debug + 'static>() {}
    is::<Drain>();
    is::<unstick_affinity::drain::DrainLayer>();
    is::<unstick_affinity::drain::DrainService<()>>();
    is::<unstick_affinity::drain::DrainGuard>();
    is::<unstick_affinity::drain::Readiness>();
    is::<unstick_affinity::drain::DrainBuilder>();
}
