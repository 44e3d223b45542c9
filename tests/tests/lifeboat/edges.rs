//! Where one thing is interrupted by another: a load by its caller, a response by its handler's own task, a change by a limit.

use std::sync::{Arc, Mutex};

use axum::{Router, routing::get};
use unstick_core::EventKind;
use unstick_session::{Session, SessionError, Status, lifeboat::Decision};
use unstick_testkit::faults::{Fault, FaultStore, Op};

use crate::world::{DEADLINE, DOWN, Kind, MAX_SIZE, World, lifeboat, on_both, ring, routes};

on_both! {
    a_change_right_after_a_clear_is_merged;
    an_outage_costs_a_request_one_deadline;
    a_memory_of_a_newer_release_is_left_alone;
    a_request_that_has_loaded_sends_the_first_lifeboat;
}

/// The same millisecond is no earlier, and the node's clock may be behind that of the one that cleared.
async fn a_change_right_after_a_clear_is_merged(kind: Kind) {
    let world = World::new(kind).await;
    let mut ann = world.client();
    for (clear, expected) in [("/clear", "[x]"), ("/clear?read=1", "[y]")] {
        ann.ok(0, "/put?cart=a&other=x").await;
        ann.ok(0, clear).await;
        world.down(DOWN);
        ann.ok(1, &format!("/add?cart={}", &expected[1..2])).await;
        world.heal();
        assert_eq!(ann.cart(0).await, format!("live - {expected}"), "{clear}");
    }
}

/// A handler stops waiting for its session while the merge is under way, and goes on to change something else.
#[tokio::test]
async fn a_merge_that_is_not_waited_for_is_made_up_for() {
    for path in ["/blind", "/reading", "/same"] {
        let mut world = World::new(Kind::Memory).await;
        let store = FaultStore::new(world.memory.clone());
        let hasty = {
            let store = store.clone();
            async move |session: &Session| {
                tokio::select! {
                    biased;
                    _ = session.load() => panic!("the merge is held"),
                    () = store.until_held(1) => {}
                }
            }
        };
        let (first, second, third) = (hasty.clone(), hasty.clone(), hasty);
        let routes = Router::new()
            .route(
                "/blind",
                get(async move |session: Session| {
                    first(&session).await;
                    session.insert("wish", &["w"]).map(|()| "blind")
                }),
            )
            .route(
                "/reading",
                get(async move |session: Session| {
                    second(&session).await;
                    let cart: Option<Vec<String>> = session.get("cart").await?;
                    assert_eq!(cart, Some(vec!["a".to_owned(), "b".to_owned()]), "what the client changed is read");
                    session.insert("wish", &["w"]).map(|()| "reading")
                }),
            )
            .route(
                "/same",
                get(async move |session: Session| {
                    third(&session).await;
                    session.insert("cart", &["a"]).map(|()| "what the backend has had before the merge")
                }),
            );
        let node = world.beside(store.clone(), routes, lifeboat(ring()), MAX_SIZE);
        let mut ann = world.client();
        ann.ok(0, "/put?cart=a").await;
        world.down(DOWN);
        ann.ok(0, "/add?cart=b").await;
        world.heal();
        store.next(Op::Apply, Fault::Hang);
        let told = ann.send_in_time(node, path).await;
        assert_eq!(told.status, 200, "{path}: {}", told.body);
        ann.keep(&told);
        assert_eq!(ann.cart(1).await, if path == "/same" { "live - [a]" } else { "live - [a b]" }, "{path}");
        assert_eq!(world.log.count(EventKind::LifeboatMerged), 1, "{path}");
    }
}

/// The headers have left, and no lifeboat can follow them: the handler's own task must not be told that its change is kept.
#[tokio::test]
async fn a_change_that_fails_after_the_headers_is_not_kept() {
    let mut world = World::new(Kind::Memory).await;
    let store = FaultStore::new(world.memory.clone());
    let late = Arc::new(Mutex::new(None));
    let routes = {
        let (late, store) = (late.clone(), store.clone());
        Router::new().route(
            "/late",
            get(async move |session: Session| {
                let add = async move { session.update("cart", |_: Option<Vec<String>>| Some(vec!["late".to_owned()])).await };
                *late.lock().unwrap() = Some(tokio::spawn(add));
                store.until_held(1).await;
                "gone already"
            }),
        )
    };
    let node = world.beside(store.clone(), routes, lifeboat(ring()), MAX_SIZE);
    let mut ann = world.client();
    ann.ok(0, "/put?cart=a").await;
    store.next(Op::Apply, Fault::Hang);
    let told = ann.send_in_time(node, "/late").await;
    assert_eq!((told.status, told.headers.contains_key("set-cookie")), (200, false));
    while world.clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    world.clock.advance(DEADLINE);
    let task = late.lock().unwrap().take().unwrap();
    let told: Result<_, SessionError> = task.await.unwrap();
    assert!(told.as_ref().is_err_and(SessionError::is_outcome_unknown), "{told:?}");
    world.heal();
    assert_eq!(ann.cart(0).await, "live - [a]");
}

/// Nobody knows in an outage how large the session is: what was acknowledged is merged, and the next change is refused.
#[tokio::test]
async fn a_session_that_has_no_room_takes_what_was_acknowledged() {
    let mut world = World::new(Kind::Memory).await;
    // Its function wants more than there is room for.
    let boat = lifeboat(ring()).field_merged_by("greedy", |_| Decision::Take(vec![b' '; 100_000].into()));
    let node = world.beside(FaultStore::new(world.memory.clone()), routes(), boat, 1000);
    let mut ann = world.client();
    ann.ok(node, "/put?cart=a").await;
    ann.ok(node, &format!("/put?other={}", "o".repeat(900))).await;
    world.down(DOWN);
    let long = "b".repeat(200);
    assert_eq!(ann.ok(node, &format!("/add?cart={long}")).await, "degraded");
    world.heal();
    assert_eq!(ann.cart(node).await, format!("live - [a {long}]"));
    assert_eq!((world.log.count(EventKind::LifeboatMerged), world.log.count(EventKind::LifeboatRefused)), (1, 0));
    assert_eq!(ann.get(node, "/put?wish=w").await.status, 413, "it is over its limit");
    ann.ok(node, "/take?other=").await;
    ann.ok(node, "/put?wish=w&greedy=1").await;
    let mut other = ann.clone();
    world.down(DOWN);
    ann.ok(node, "/add?greedy=2&cart=c").await;
    world.heal();
    other.ok(0, "/put?greedy=3").await;
    assert_eq!(ann.cart(node).await, format!("live - [a {long} c]"), "what was acknowledged is merged without it");
    assert_eq!(ann.ok(node, "/list?k=greedy").await, "3");
    assert_eq!((world.log.count(EventKind::LifeboatMerged), world.log.count(EventKind::LifeboatRefused)), (2, 1));
}

/// However many operations a handler makes: that the backend is away is found out once.
async fn an_outage_costs_a_request_one_deadline(kind: Kind) {
    for path in ["/cart", "/put?cart=b", "/add?cart=b&wish=w&queue=q", "/saved?cart=b", "/take?cart="] {
        for under_way in [false, true] {
            let world = World::new(kind).await;
            let mut ann = world.client();
            ann.ok(0, "/put?cart=a").await;
            world.down(DOWN);
            if under_way {
                ann.ok(0, "/add?wish=v").await;
            }
            world.down(Fault::Hang);
            let began = world.clock.now();
            ann.ok(1, path).await;
            assert_eq!(world.clock.now().since(began), DEADLINE, "{path}, local changes before: {under_way}");
        }
    }
}

/// Of a load that was merged into, a clone of the handle sees nothing before the merge.
#[tokio::test]
async fn clones_see_what_is_merged() {
    let mut world = World::new(Kind::Memory).await;
    let store = FaultStore::new(world.memory.clone());
    let routes = {
        let store = store.clone();
        Router::new().route(
            "/both",
            get(async move |session: Session| {
                let first = tokio::spawn({
                    let session = session.clone();
                    async move { session.get::<Vec<String>>("cart").await }
                });
                store.until_held(1).await;
                let second = async { session.get::<Vec<String>>("cart").await };
                let (second, ()) = tokio::join!(second, async { store.release() });
                let (first, second) = (first.await.unwrap()?, second?);
                assert_eq!(first, second);
                Ok::<_, SessionError>(first.unwrap_or_default().join(" "))
            }),
        )
    };
    let node = world.beside(store.clone(), routes, lifeboat(ring()), MAX_SIZE);
    let mut ann = world.client();
    ann.ok(0, "/put?cart=a").await;
    world.down(DOWN);
    ann.ok(0, "/add?cart=b").await;
    world.heal();
    store.next(Op::Apply, Fault::Hang);
    let told = ann.send_in_time(node, "/both").await;
    assert_eq!((told.status, told.body.as_str()), (200, "a b"));
}

/// What was merged is written down by a newer release, as far as this one can tell: it leaves the lifeboat to that one.
async fn a_memory_of_a_newer_release_is_left_alone(kind: Kind) {
    let mut world = World::new(kind).await;
    let newer = world.add(ring(), None).await; // has no lifeboats, and so can write what stands for that
    for path in ["/cart", "/put?wish=w", "/add?wish=w"] {
        let mut ann = world.client();
        ann.ok(0, "/put?cart=a").await;
        world.down(DOWN);
        ann.ok(0, "/add?cart=b").await;
        world.heal();
        let boat = ann.boat();
        ann.ok(newer, "/put?unstick.lifeboat=x").await;
        ann.ok(0, path).await;
        assert_eq!(ann.boat(), boat, "{path}: not replaced by one without the change");
        // Nothing is kept that this release could not merge.
        world.nodes[0].faults.next(Op::Apply, DOWN);
        assert_eq!(ann.get(0, "/add?cart=c").await.status, 503, "{path}");
        ann.ok(newer, "/take?unstick.lifeboat=").await;
        assert_eq!(ann.cart(0).await, "live - [a b]", "{path}");
    }
}

/// What was loaded a moment ago is as good as what came along.
async fn a_request_that_has_loaded_sends_the_first_lifeboat(kind: Kind) {
    let world = World::new(kind).await;
    let mut ann = world.client();
    ann.ok(0, "/put?cart=a").await;
    let mut bare = ann.clone();
    bare.jar.clear();
    crate::outage::keep_only_credential(&ann, &mut bare);
    world.nodes[0].faults.always(Op::Apply, DOWN);
    assert_eq!(bare.ok(0, "/add?cart=b").await, "degraded");
    world.heal();
    assert_eq!(bare.cart(1).await, "live - [a b]");
}

/// A logout is tried although the outage is known.
#[tokio::test]
async fn a_logout_after_a_failed_load_costs_another_deadline() {
    let mut world = World::new(Kind::Memory).await;
    let store = FaultStore::new(world.memory.clone());
    let leave = async |session: Session| -> Result<(), SessionError> {
        assert_eq!(session.load().await?, Status::Degraded);
        session.end()
    };
    let node = world.beside(store, Router::new().route("/leave", get(leave)), lifeboat(ring()), MAX_SIZE);
    let mut ann = world.client();
    ann.ok(0, "/put?cart=a").await;
    world.down(Fault::Hang);
    let began = world.clock.now();
    assert_eq!(ann.get(node, "/leave").await.status, 503);
    assert_eq!((world.clock.now().since(began), ann.jar.len()), (2 * DEADLINE, 0));
}
