//! Stores that come back with old data or none, nodes that see different stores, and what is told about it.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use unstick_core::{Applied, Change, Credential, ErrorKind, EventKind, Events, Fields, Loaded, OpCtx, OpId, Store, Timestamp};
use unstick_memory::MemoryStore;
use unstick_replicated::Replicated;
use unstick_testkit::{
    contract::{IDLE, Subject},
    faults::{Fault, FaultStore, Op},
    observe::EventLog,
};

use crate::world::{Any, Request, Seen, Told, World, on};

const AWAY: Fault = Fault::FailBefore(ErrorKind::Unavailable);

async fn set(world: &World, node: &Any, name: &str) -> Told {
    let (op, subject) = (world.op(), world.subject);
    crate::world::told(
        on!(node, node => node.apply(op, subject.key, subject.presented, &Change::new().set(name, "1")).await),
        Applied::is_done,
    )
}

/// A store that was away has old fields, an old secret, and has not heard of the logout.
#[tokio::test(start_paused = true)]
async fn returns() {
    for lost in [0, 1] {
        for request in [Request::Apply, Request::Promote, Request::End] {
            let world = World::new(true).await;
            let node = world.node();
            world.stores[lost].always_all(AWAY);
            assert_eq!(set(&world, &node, "meanwhile").await, Told::Done);
            assert_eq!(world.send(&node, request).await, Told::Done);
            world.stores[lost].heal();
            // It is back, and the witness is gone: what it has is never taken for the newest.
            world.stores[2].always_all(AWAY);
            let seen = world.look(&world.node(), &world.subject).await;
            match request {
                Request::End => assert_eq!(seen, Seen::Ended),
                Request::Promote => assert_eq!(seen, Seen::Superseded),
                _ => assert!(matches!(seen, Seen::Live { fields, .. } if fields == ["a", "b", "meanwhile"])),
            }
            // That was the repair: now the other one may go.
            world.stores[2].heal();
            world.stores[1 - lost].always_all(AWAY);
            assert!(world.has_effect(&world.node(), request).await, "{lost} {request:?}");
        }
    }
}

/// A is replaced while a write that it has confirmed is on its way to B: what both had confirmed stays, whatever is in the new A.
#[tokio::test(start_paused = true)]
async fn what_was_confirmed_by_a_that_is_replaced_meanwhile_stays() {
    let world = World::new(true).await;
    let [a, b, w] = &world.stores;
    let before = Replicated::builder(a.clone(), b.clone()).witness(w.clone()).build();
    let fresh = FaultStore::new(MemoryStore::new());
    let after = || Any::Trio(Arc::new(Replicated::builder(fresh.clone(), b.clone()).witness(w.clone()).build()));
    // The new A takes a change, and nobody else.
    b.always(Op::Apply, AWAY);
    w.always_all(AWAY);
    assert_eq!(set(&world, &after(), "unknown").await, Told::Unknown);
    world.all_is_well().await;
    assert_eq!(set(&world, &Any::Trio(Arc::new(before)), "told").await, Told::Done);
    let Seen::Live { fields, .. } = world.look(&after(), &world.subject).await else { panic!("lost") };
    assert!(fields.contains(&"told".to_owned()), "{fields:?}");
}

/// B has missed a change, and nobody has used the session since; then A is replaced by an empty store: the witness knows.
#[tokio::test(start_paused = true)]
async fn what_one_store_missed_and_the_other_lost_is_in_the_witness() {
    for lost in [0, 1] {
        for request in [Request::Apply, Request::Promote, Request::End, Request::AdministrativeEnd] {
            let world = World::new(true).await;
            world.stores[1 - lost].always_all(AWAY);
            assert_eq!(world.send(&world.node(), request).await, Told::Done);
            world.stores[1 - lost].heal();
            let mut stores = world.stores.clone();
            stores[lost] = FaultStore::new(MemoryStore::new());
            let [a, b, w] = stores;
            let node = Any::Trio(Arc::new(Replicated::builder(a, b).witness(w).build()));
            assert!(world.has_effect(&node, request).await, "{lost} {request:?}");
        }
    }
}

/// A session that cannot be repaired does not keep the others from it.
#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_copied_is_not_in_the_way() {
    let (b, now) = (FaultStore::new(MemoryStore::new()), Timestamp::system_now());
    let store = Replicated::builder(MemoryStore::new(), b.clone()).witness(MemoryStore::new()).build();
    let op = |n| OpCtx { now, deadline: now + Duration::from_secs(60), op_id: OpId::from_u128(n) };
    b.always_all(AWAY);
    for n in 0..20 {
        let subject = Subject::from(Credential::issue(now, now + IDLE, now + IDLE).unwrap());
        store.create(op(n), subject.key, &subject.new_record(None, Fields::default())).await.unwrap();
        if n % 2 == 0 {
            // Something that no pair has written.
            b.inner().create(op(n), subject.key, &subject.new_record(None, Fields::default())).await.unwrap();
        }
    }
    b.heal();
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!((store.missed(), b.inner().sessions()), (10, 20));
}

/// In turn A and B are lost, without any repair in between: the witness has what the one of them lacks.
#[tokio::test(start_paused = true)]
async fn one_after_the_other() {
    let world = World::new(true).await;
    for round in 0..6 {
        let lost = round % 2;
        world.stores[lost].always_all(AWAY);
        assert_eq!(set(&world, &world.node(), &format!("r{round}")).await, Told::Done, "{round}");
        world.stores[lost].heal();
    }
    let Seen::Live { fields, .. } = world.look(&world.node(), &world.subject).await else { panic!("lost") };
    assert_eq!(fields, ["a", "r0", "r1", "r2", "r3", "r4", "r5"]);
}

/// One node reaches only A and the witness, the other only B and the witness: both go on, with one truth.
#[tokio::test(start_paused = true)]
async fn nodes_that_reach_different_stores_agree_through_the_witness() {
    let world = World::new(true).await;
    let [a, b, w] = [0, 1, 2].map(|slot| world.stores[slot].inner().clone());
    let broken = || {
        let store = FaultStore::new(MemoryStore::new());
        store.always_all(AWAY);
        store
    };
    let one = Replicated::builder(a.clone(), broken()).witness(w.clone()).build();
    let two = Replicated::builder(broken(), b.clone()).witness(w).build();
    let (key, presented) = (world.subject.key, world.subject.presented);
    let mut applied = 0;
    for round in 0..16 {
        let change = |node: &str| Change::new().set(&format!("{node}{round}"), "1");
        applied += u32::from(one.apply(world.op(), key, presented, &change("a")).await.unwrap().is_done());
        applied += u32::from(two.apply(world.op(), key, presented, &change("b")).await.unwrap().is_done());
    }
    let Seen::Live { fields, .. } = world.look(&world.node(), &world.subject).await else { panic!("lost") };
    assert_eq!((applied, fields.len()), (32, 33), "32 of 32, and the first field");
    one.end(world.op(), key, Some(presented), world.now + IDLE * 8).await.unwrap();
    assert!(matches!(two.load(world.op(), key, presented, None).await.unwrap(), Loaded::Ended { .. }));

    // Without a witness neither of them may write, and both may read.
    let one = Replicated::builder(a, broken()).build();
    let two = Replicated::builder(broken(), b).build();
    let fresh = Subject::from(Credential::issue(world.now, world.now + IDLE, world.now + IDLE).unwrap());
    for _ in 0..2 {
        let refused = one.create(world.op(), fresh.key, &fresh.new_record(None, Fields::default())).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
        let refused = two.create(world.op(), fresh.key, &fresh.new_record(None, Fields::default())).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
        assert!(matches!(one.load(world.op(), key, presented, None).await.unwrap(), Loaded::Ended { .. }));
        assert_eq!(
            two.load(world.op(), fresh.key, fresh.presented, None).await.unwrap_err().kind(),
            ErrorKind::Unavailable,
            "not \"missing\""
        );
    }
}

/// An answer that was never given may be seen by whoever reads, and then stays; it is never told as done.
#[tokio::test(start_paused = true)]
async fn an_end_on_one_store_is_told_as_unknown() {
    for witness in [false, true] {
        let world = World::new(witness).await;
        let node = world.node();
        for slot in [1, 2] {
            world.stores[slot].always(Op::Apply, AWAY);
            world.stores[slot].always(Op::Create, AWAY);
        }
        assert_eq!(world.send(&node, Request::End).await, Told::Unknown);
        world.all_is_well().await;
        // Whoever meets it completes it.
        assert_eq!(world.look(&world.node(), &world.subject).await, Seen::Ended);
        world.stores[0].always_all(AWAY);
        assert_eq!(world.look(&world.node(), &world.subject).await, Seen::Ended);
    }
}

/// What a node knows to be missed is copied in the background, once the store is back, and told.
#[tokio::test(start_paused = true)]
async fn what_was_missed_is_copied_in_the_background() {
    let (a, b, log) = (MemoryStore::new(), FaultStore::new(MemoryStore::new()), Arc::new(EventLog::default()));
    let events = Events::new("one").observer(log.clone());
    let store = Replicated::builder(a.clone(), b.clone()).witness(MemoryStore::new()).events(events).build();
    let now = Timestamp::system_now();
    let op = |n| OpCtx { now, deadline: now + Duration::from_secs(60), op_id: OpId::from_u128(n) };
    b.always_all(AWAY);
    for n in 0..250 {
        let subject = Subject::from(Credential::issue(now, now + IDLE, now + IDLE).unwrap());
        store.create(op(n), subject.key, &subject.new_record(None, Fields::default())).await.unwrap();
    }
    assert_eq!((store.missed(), b.inner().sessions(), a.sessions()), (250, 0, 250));
    assert_eq!(log.count(EventKind::BackendDown), 1);
    tokio::time::sleep(Duration::from_secs(600)).await; // time is paused: this lets the task try while the store is away
    assert_eq!(store.missed(), 250);
    b.heal();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!((store.missed(), b.inner().sessions()), (0, 250));
    assert!(log.count(EventKind::BackendHealed) >= 1);
    // The task ends with its work, and starts again with new work.
    b.forget_calls();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(b.all_calls(), 0);
}

/// Nobody asks a witness while the other two are well: without a task that does, it would be told as down for ever.
#[tokio::test(start_paused = true)]
async fn a_store_that_failed_is_heard_again_without_requests() {
    for lost in [0, 1, 2] {
        let stores = [(); 3].map(|()| FaultStore::new(MemoryStore::new()));
        let [a, b, w] = stores.clone();
        let log = Arc::new(EventLog::default());
        let store = Replicated::builder(a, b).witness(w).events(Events::new("one").observer(log.clone())).build();
        let now = Timestamp::system_now();
        let op = OpCtx { now, deadline: now + Duration::from_secs(60), op_id: OpId::from_u128(1) };
        let subject = Subject::from(Credential::issue(now, now + IDLE, now + IDLE).unwrap());
        // Of two that are away, the witness is asked as well.
        let away = if lost == 2 { [1, 2] } else { [lost, 2] };
        for slot in away {
            stores[slot].always_all(AWAY);
        }
        _ = store.load(op, subject.key, subject.presented, None).await;
        let down = log.count(EventKind::BackendDown);
        assert!(down > 0, "{lost}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!((log.count(EventKind::BackendDown), log.count(EventKind::BackendHealed)), (down, 0), "{lost}");
        for slot in away {
            stores[slot].heal();
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(log.count(EventKind::BackendHealed), down, "{lost}: {:?}", log.all());
        // And then it is over.
        stores.iter().for_each(FaultStore::forget_calls);
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert!(stores.iter().all(|store| store.all_calls() == 0));
    }
}

/// A pair that is dropped takes its task along.
#[tokio::test(start_paused = true)]
async fn repairing_ends_with_the_pair() {
    let (a, b) = (MemoryStore::new(), FaultStore::new(MemoryStore::new()));
    let store = Replicated::builder(a, b.clone()).witness(MemoryStore::new()).build();
    let now = Timestamp::system_now();
    b.always_all(AWAY);
    let subject = Subject::from(Credential::issue(now, now + IDLE, now + IDLE).unwrap());
    let op = OpCtx { now, deadline: now + Duration::from_secs(60), op_id: OpId::from_u128(1) };
    store.create(op, subject.key, &subject.new_record(None, Fields::default())).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let tried = b.all_calls();
    assert!(tried > 3);
    drop(store);
    tokio::time::sleep(Duration::from_secs(2)).await;
    b.forget_calls();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(b.all_calls(), 0);
}

/// Statements per store, as the crate's documentation says.
#[tokio::test(start_paused = true)]
async fn costs() {
    let world = World::new(true).await;
    let calls = |request: Request, expected: [u64; 3]| {
        let (world, node) = (&world, world.node());
        async move {
            world.stores.iter().for_each(|store| store.forget_calls());
            assert_eq!(world.send(&node, request).await, Told::Done);
            assert_eq!(world.stores.each_ref().map(|store| store.all_calls()), expected, "{request:?}");
        }
    };
    calls(Request::Load, [1, 1, 0]).await;
    calls(Request::Renew, [2, 2, 0]).await;
    calls(Request::Create, [2, 2, 0]).await;
    calls(Request::Apply, [2, 2, 0]).await;
    calls(Request::RenewId, [2, 2, 0]).await;

    let index = async |expected: [u64; 3], call: &dyn Fn(Any) -> unstick_core::BoxFuture<'static, ()>| {
        world.stores.iter().for_each(|store| store.forget_calls());
        call(world.node()).await;
        assert_eq!(world.stores.each_ref().map(|store| store.all_calls()), expected);
    };
    let (op, key) = (world.op(), world.created.key);
    index([1, 1, 0], &|node| {
        let until = op.now + IDLE;
        Box::pin(async move {
            let reserved = on!(&node, node => node.principal_index().unwrap().reserve(op, "ann", key, NonZeroU32::MAX, until).await);
            assert_eq!(reserved.unwrap(), unstick_core::Reservation::Granted);
        })
    })
    .await;
    index([2, 2, 0], &|node| {
        Box::pin(async move { assert_eq!(on!(&node, node => node.principal_index().unwrap().list(op, "ann").await).unwrap().len(), 1) })
    })
    .await;
    calls(Request::End, [3, 3, 0]).await; // with a principal

    // The end of one other session.
    let world = World::new(true).await;
    world.stores.iter().for_each(|store| store.forget_calls());
    let ended = on!(world.node(), node => node.principal_index().unwrap().end_others(world.op(), "ann", None, IDLE).await);
    assert_eq!((ended.unwrap(), world.stores.each_ref().map(|store| store.all_calls())), (1, [6, 6, 0]));
}
