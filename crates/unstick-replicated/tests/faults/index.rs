//! Sweeps and the index, while a store is away.

use std::{num::NonZeroU32, time::Duration};

use unstick_core::{Error, ErrorKind, Fields, PrincipalIndex, Reservation, Store};
use unstick_testkit::{
    contract::IDLE,
    faults::{Fault, Op},
};

use crate::world::{Any, Request, Seen, Told, World, on};

const AWAY: [Fault; 2] = [Fault::FailBefore(ErrorKind::Unavailable), Fault::Hang];

fn index(node: &Any) -> &dyn PrincipalIndex {
    on!(node, node => node.principal_index().unwrap())
}

async fn listed(world: &World, node: &Any) -> Result<usize, Error> {
    index(node).list(world.op(), "ann").await.map(|sessions| sessions.len())
}

#[tokio::test(start_paused = true)]
async fn lists() {
    for (witness, lost, fault) in
        [false, true].into_iter().flat_map(|witness| [0, 1].map(|lost| (witness, lost))).flat_map(|(w, l)| AWAY.map(|f| (w, l, f)))
    {
        let world = World::new(witness).await;
        let node = world.node();
        world.stores[lost].always_all(fault);
        assert_eq!(listed(&world, &node).await.unwrap(), 1, "{witness} {lost} {fault:?}");

        let reserved = index(&node).reserve(world.op(), "ann", world.created.key, NonZeroU32::new(2).unwrap(), world.now + IDLE).await;
        assert_eq!(reserved.as_ref().ok(), witness.then_some(&Reservation::Granted), "{reserved:?}");
        let third = world.subject.rotated(world.now).unwrap();
        let new = world.created.new_record(Some("ann"), Fields::default());
        if witness {
            on!(&node, node => node.create(world.op(), world.created.key, &new).await).unwrap();
            let stranger = unstick_core::RecordKey::from_bytes([9; 32]);
            let full = index(&node).reserve(world.op(), "ann", stranger, NonZeroU32::new(2).unwrap(), world.now + IDLE).await;
            assert_eq!(full.unwrap(), Reservation::Full);
            assert_eq!(listed(&world, &node).await.unwrap(), 2);
        }

        let ended = index(&node).end_others(world.op(), "ann", None, IDLE).await;
        assert_eq!(ended.as_ref().ok(), witness.then_some(&2), "{witness} {lost} {fault:?}: {ended:?}");
        world.all_is_well().await;
        let (fresh, alive) = (world.node(), if witness { 0 } else { 1 });
        // The store that was away still lists what was ended; the newest version counts.
        assert_eq!(listed(&world, &fresh).await.unwrap(), alive, "{witness} {lost} {fault:?}");
        let seen = world.look(&fresh, &world.subject).await;
        assert_eq!(seen == Seen::Ended, witness, "{seen:?}");
        // Places of what has ended meanwhile are free, in the store that has missed the end as well.
        // Without a witness, the place that one store has given is taken until it lapses.
        let places = NonZeroU32::new(if witness { 1 } else { 2 }).unwrap();
        let one = index(&fresh).reserve(world.op(), "ann", third.key, places, world.now + IDLE).await.unwrap();
        assert_eq!(one, Reservation::Granted, "{witness} {lost} {fault:?}");
    }
}

/// A store that is back with an old principal does not end what belongs to another one by now, even if it was not there to be listed.
#[tokio::test(start_paused = true)]
async fn what_is_somebody_elses_by_now_is_not_ended() {
    for (lost, unlisted) in [0, 1].into_iter().flat_map(|lost| [false, true].map(|unlisted| (lost, unlisted))) {
        let world = World::new(true).await;
        let node = world.node();
        world.stores[lost].always_all(AWAY[0]);
        assert_eq!(world.send(&node, Request::Promote).await, Told::Done);
        world.stores[lost].heal();
        if unlisted {
            world.stores[lost].next(Op::List, AWAY[0]);
        } else {
            // Listed, but not brought up to date.
            world.stores[lost].always(Op::Apply, AWAY[0]);
            world.stores[lost].always(Op::Rotate, AWAY[0]);
        }
        let ended = index(&node).end_others(world.op(), "ann", None, IDLE).await;
        assert_eq!(ended.ok(), unlisted.then_some(0), "{lost} {unlisted}");
        world.all_is_well().await;
        assert!(world.has_effect(&world.node(), Request::Promote).await, "{lost} {unlisted}");
        assert_eq!(index(&world.node()).end_others(world.op(), "bob", None, IDLE).await.unwrap(), 1);
    }
}

/// No error of a store becomes an answer: nothing is listed as "no sessions" while it cannot be known.
#[tokio::test(start_paused = true)]
async fn nothing_is_listed_when_nobody_answers() {
    for witness in [false, true] {
        let world = World::new(witness).await;
        let node = world.node();
        world.stores[0].always(Op::List, AWAY[0]);
        world.stores[1].always(Op::List, AWAY[0]);
        assert_eq!(listed(&world, &node).await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
}

#[tokio::test(start_paused = true)]
async fn sweeps() {
    for (lost, fault) in [0, 1].into_iter().flat_map(|lost| AWAY.map(|fault| (lost, fault))) {
        let world = World::new(false).await;
        let node = world.node();
        let later = world.now + IDLE * 10;
        let op = unstick_core::OpCtx { now: later, deadline: later + Duration::from_secs(5), ..world.op() };
        world.stores[lost].always_all(fault);
        assert!(on!(&node, node => node.sweep(op, 10).await).is_err());
        assert_eq!(world.stores[1 - lost].inner().sessions(), 0, "the other one is swept");
        world.stores[lost].heal();
        assert_eq!(world.stores[lost].inner().sessions(), 1);
        // What is dead is not copied back.
        let load = unstick_core::OpCtx { deadline: later + Duration::from_secs(5), ..world.op() };
        let load = unstick_core::OpCtx { now: later, ..load };
        let subject = world.subject;
        let loaded = on!(&world.node(), node => node.load(load, subject.key, subject.presented, None).await).unwrap();
        assert!(matches!(loaded, unstick_core::Loaded::Expired), "{loaded:?}");
        assert_eq!(world.stores[1 - lost].inner().sessions(), 0);
        let again = unstick_core::OpCtx { now: later, deadline: later + Duration::from_secs(5), ..world.op() };
        on!(&node, node => node.sweep(again, 10).await).unwrap();
        assert_eq!(world.stores[lost].inner().sessions(), 0);
    }
}
