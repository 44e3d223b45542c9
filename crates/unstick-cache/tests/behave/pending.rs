//! What a process waits for before it ends.

use std::{future::Future, pin::pin, task::Context};

use unstick_core::{ErrorKind, Pending};
use unstick_testkit::faults::{BusOp, Fault, LevelOp};

use super::world::{SECOND, World, alone, play, play_once};

fn is_idle(pending: &Pending) -> bool {
    pin!(pending.idle()).poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
}

#[test]
fn an_invalidation_is_pending_until_level_and_bus_have_confirmed_it() {
    for level_fails in [true, false] {
        play(|at| async move {
            let world = World::new(&at);
            let nodes = world.nodes(2).await;
            let pending = nodes[0].namespace.pending();
            nodes[0].namespace.invalidate_tag("well").await;
            assert!(is_idle(&pending), "confirmed by its return");
            if level_fails {
                nodes.iter().for_each(|node| node.level.always(LevelOp::Invalidate, Fault::FailBefore(ErrorKind::Unavailable)));
            } else {
                nodes[0].bus.always(BusOp::Publish, Fault::FailBefore(ErrorKind::Unavailable));
            }
            nodes[0].namespace.invalidate_tag("one").await;
            nodes[0].namespace.invalidate_tag("two").await;
            at.sleep(60 * SECOND).await;
            assert_eq!(pending.count(), 2, "for as long as it takes");
            assert!(!is_idle(&pending));
            assert_eq!(nodes[1].namespace.pending().count(), 0, "not where it was only heard of");
            nodes[0].level.heal();
            nodes[0].bus.heal();
            pending.idle().await;
        });
    }
}

#[test]
fn a_caller_that_leaves_does_not_take_it_away() {
    play(|at| async move {
        let world = World::new(&at);
        let node = world.node().await;
        let pending = node.namespace.pending();
        node.level.next(LevelOp::Invalidate, Fault::Hang);
        {
            let mut leaving = pin!(node.namespace.invalidate_tag("one"));
            assert!(leaving.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
            assert_eq!(pending.count(), 1, "from the first poll on");
        }
        node.level.until_held(1).await;
        assert_eq!(pending.count(), 1);
        node.level.release();
        pending.idle().await;
    });
}

#[test]
fn too_many_are_one() {
    play_once(|at| async move {
        let world = World::new(&at);
        let node = world.node().await;
        node.bus.always(BusOp::Publish, Fault::FailBefore(ErrorKind::Unavailable));
        while node.namespace.stats().overflows == 0 {
            node.namespace.invalidate_tag("one").await;
        }
        assert!((1..100).contains(&node.namespace.pending().count()), "{}", node.namespace.pending().count());
        node.bus.heal();
        node.namespace.pending().idle().await;
    });
}

#[test]
fn alone_there_is_nothing_to_wait_for_and_the_end_leaves_nothing() {
    play(|at| async move {
        let namespace = alone(&at).await;
        namespace.invalidate_tag("one").await;
        assert!(is_idle(&namespace.pending()));

        let world = World::new(&at);
        let node = world.node().await;
        node.bus.always(BusOp::Publish, Fault::FailBefore(ErrorKind::Unavailable));
        node.namespace.invalidate_tag("one").await;
        let pending = node.namespace.pending();
        assert!(!is_idle(&pending));
        drop(node);
        pending.idle().await;
    });
}
