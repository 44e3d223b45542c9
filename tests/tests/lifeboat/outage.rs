//! Before, in and after an outage.

use unstick_core::{ErrorKind, EventKind};
use unstick_testkit::faults::{Fault, Op};

use crate::world::{BOAT, DOWN, Kind, WRITES, World, on_both};

on_both! {
    up_costs_no_trip_and_reads_write_no_cookie;
    down_at_read_serves_what_is_aboard_and_nobody_is_logged_in;
    down_at_write_keeps_the_change_whatever_became_of_it;
    down_before_there_is_a_lifeboat_is_the_usual_error;
    what_is_no_outage_is_the_usual_error;
    an_outage_is_survived_change_by_change;
    the_backend_goes_away_again_during_the_merge;
}

async fn up_costs_no_trip_and_reads_write_no_cookie(kind: Kind) {
    let world = World::new(kind).await;
    let mut ann = world.client();
    let trips = async |client: &mut crate::world::Client, path: &str| {
        let before = world.calls();
        let told = client.get(0, path).await;
        assert_eq!(told.status, 200, "{path}: {}", told.body);
        (world.calls() - before, told.lines("__Host-id").len(), told.lines(BOAT).len())
    };
    assert_eq!(trips(&mut ann, "/none").await, (0, 0, 0), "anonymous");
    assert_eq!(trips(&mut ann, "/put?other=x").await, (1, 1, 1), "a new session: it is known that nothing is in it");
    assert_eq!(trips(&mut ann, "/none").await, (0, 0, 0), "untouched");
    assert_eq!(trips(&mut ann, "/cart").await, (1, 0, 0), "read");
    assert_eq!(trips(&mut ann, "/put?other=y").await, (1, 0, 0), "a blind write of what is not aboard");
    assert_eq!(trips(&mut ann, "/put?cart=a").await, (1, 0, 1), "of what is");
    assert_eq!(trips(&mut ann, "/add?cart=b").await, (2, 0, 1), "read, then written");
    assert_eq!(trips(&mut ann, "/take?wish=").await, (1, 0, 1), "taken out");
    assert_eq!(trips(&mut ann, "/login").await, (1, 1, 1), "a new id: the old lifeboat is worthless");
    assert_eq!(trips(&mut ann, "/keys").await, (1, 0, 0));
    assert_eq!(ann.ok(0, "/keys").await, "cart,other", "nothing of ours is among the keys");
    for path in ["/put?unstick.lifeboat=x", "/add?unstick.lifeboat=x", "/take?unstick.lifeboat="] {
        assert_eq!(ann.get(0, path).await.status, 400, "{path}: nor the application's to change");
    }
    let told = ann.get(0, "/add?cart=c").await;
    let line = told.lines(BOAT)[0];
    for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age="] {
        assert!(line.contains(attribute), "{line}");
    }
    assert_eq!(told.headers["cache-control"], "private, no-store");
    world.pass(4000);
    assert_eq!(trips(&mut ann, "/cart").await, (1, 1, 1), "a renewed credential takes a renewed lifeboat along");
    assert_eq!(trips(&mut ann, "/logout").await, (1, 1, 1), "both are taken away");
    assert_eq!(ann.jar.len(), 0);
}

async fn down_at_read_serves_what_is_aboard_and_nobody_is_logged_in(kind: Kind) {
    for fault in [DOWN, Fault::FailBefore(ErrorKind::Timeout), Fault::FailAfter(ErrorKind::Interrupted), Fault::Hang] {
        let world = World::new(kind).await;
        let mut ann = world.client();
        ann.ok(0, "/put?cart=a&other=x").await;
        ann.ok(0, "/login").await;
        assert_eq!(ann.cart(0).await, "live ann [a]");
        world.down(DOWN);
        world.nodes.iter().for_each(|node| node.faults.always(Op::Load, fault));
        let told = ann.get(1, "/cart").await;
        assert_eq!((told.status, told.body.as_str()), (200, "degraded - [a]"), "{fault:?}");
        assert!(told.headers.get("set-cookie").is_none(), "{fault:?}: nothing new for the client");
        assert_eq!(ann.ok(1, "/list?k=wish").await, "", "{fault:?}: known to be absent");
        for path in ["/list?k=other", "/keys", "/put?other=y", "/add?other=y", "/put?cart=b&other=y", "/clear", "/clear?read=1"] {
            let told = ann.get(1, path).await;
            assert_eq!((told.status, told.headers.contains_key("set-cookie")), (503, false), "{fault:?} {path}: {}", told.body);
            assert_eq!(told.headers["retry-after"], "1");
        }
        world.heal();
        assert_eq!(ann.cart(0).await, "live ann [a]", "{fault:?}: and nothing of what was refused");
        assert_eq!(ann.ok(0, "/list?k=other").await, "x", "{fault:?}");
        assert!(world.log.count(EventKind::SessionDegraded) > 0);
        assert_eq!(world.log.count(EventKind::SessionLost), 0);
    }
}

async fn down_at_write_keeps_the_change_whatever_became_of_it(kind: Kind) {
    for (fault, _) in WRITES {
        for path in ["/put?cart=b", "/add?cart=b", "/saved?cart=b"] {
            let what = format!("{path} {fault:?}");
            let world = World::new(kind).await;
            let mut ann = world.client();
            ann.ok(0, "/put?cart=a&wish=w").await;
            world.nodes[0].faults.always(Op::Apply, fault);
            ann.ok(0, path).await;
            let expected = if path.starts_with("/add") { "a b" } else { "b" };
            world.down(DOWN);
            assert_eq!(ann.cart(1).await, format!("degraded - [{expected}]"), "{what}");
            ann.ok(0, "/add?cart=z").await; // on top of what may have arrived
            world.heal();
            assert_eq!(ann.cart(1).await, format!("live - [{expected} z]"), "{what}");
            assert_eq!(world.log.count(EventKind::LifeboatConflict), 0, "{what}");
            assert_eq!(ann.ok(0, "/list?k=wish").await, "w", "{what}");
            assert_eq!(world.log.count(EventKind::LifeboatMerged), 1, "{what}");
        }
    }
}

async fn down_before_there_is_a_lifeboat_is_the_usual_error(kind: Kind) {
    for (fault, _) in WRITES {
        let world = World::new(kind).await;
        let mut ann = world.client();
        world.down(fault);
        let told = ann.get(0, "/put?cart=a").await;
        assert_eq!((told.status, ann.jar.len()), (503, 0), "{fault:?}: no session");
        world.heal();
        let created = ann.send(0, "/put?cart=a").await;
        for line in created.lines("__Host-id") {
            ann.jar.set(&"https://localhost/".parse().unwrap(), line).unwrap(); // and the lifeboat is lost on the way
        }
        world.down(fault);
        for path in ["/cart", "/put?cart=b", "/add?cart=b"] {
            let told = ann.get(1, path).await;
            assert_eq!((told.status, ann.jar.len()), (503, 1), "{fault:?} {path}: no lifeboat");
        }
        world.heal();
        assert!(["live - [a]", "live - [b]"].contains(&ann.cart(1).await.as_str()), "{fault:?}");
    }
}

/// An answer is none of the business of lifeboats, also one that nobody can use.
async fn what_is_no_outage_is_the_usual_error(kind: Kind) {
    for error in [ErrorKind::Full, ErrorKind::UnknownFormat, ErrorKind::Corrupt, ErrorKind::Contended, ErrorKind::Internal] {
        let world = World::new(kind).await;
        let mut ann = world.client();
        ann.ok(0, "/put?cart=a").await;
        world.down(Fault::FailBefore(error));
        for path in ["/cart", "/put?cart=b", "/add?cart=b"] {
            let told = ann.get(0, path).await;
            assert!(told.status >= 500 && !told.headers.contains_key("set-cookie"), "{path} {error:?}: {}", told.body);
        }
        world.heal();
        assert_eq!(ann.cart(1).await, "live - [a]");
        assert_eq!(world.log.count(EventKind::SessionDegraded), 0);
    }
}

/// Changes on alternating nodes, each seeing those before; the node that merges has never seen the client.
async fn an_outage_is_survived_change_by_change(kind: Kind) {
    for fault in [DOWN, Fault::Hang] {
        let mut world = World::new(kind).await;
        let keys = unstick_core::KeyRing::new(crate::world::key(7));
        let fresh = world.add(keys.clone(), Some(crate::world::lifeboat(keys))).await;
        let mut ann = world.client();
        ann.ok(0, "/put?cart=1&other=x").await;
        world.down(fault);
        for at in 2..6 {
            assert_eq!(ann.ok(at % 2, &format!("/add?cart={at}")).await, "degraded");
        }
        ann.ok(0, "/put?wish=w").await;
        ann.ok(1, "/add?queue=q").await;
        assert_eq!(ann.cart(0).await, "degraded - [1 2 3 4 5]");
        ann.ok(1, "/take?wish=").await;
        assert_eq!(ann.ok(0, "/list?k=wish").await, "");
        world.heal();
        assert_eq!(ann.cart(fresh).await, "live - [1 2 3 4 5]", "{fault:?}");
        assert_eq!(world.log.count(EventKind::LifeboatMerged), 1);
        let mut elsewhere = ann.clone();
        elsewhere.jar.clear();
        keep_only_credential(&ann, &mut elsewhere);
        assert_eq!(elsewhere.cart(0).await, "live - [1 2 3 4 5]", "in the session, not only with the client");
        assert_eq!(ann.ok(0, "/keys").await, "cart,other,queue");
        // And the next outage begins where this one has ended.
        world.down(fault);
        assert_eq!(ann.cart(1).await, "degraded - [1 2 3 4 5]");
        ann.ok(1, "/add?cart=6").await;
        world.heal();
        // Merged also before a change that reads nothing.
        ann.ok(0, "/put?wish=z").await;
        assert_eq!(ann.cart(1).await, "live - [1 2 3 4 5 6]");
        assert_eq!(ann.ok(1, "/list?k=wish").await, "z");
        assert_eq!((world.log.count(EventKind::LifeboatMerged), world.log.count(EventKind::LifeboatConflict)), (2, 0));
    }
}

pub(crate) fn keep_only_credential(from: &crate::world::Client, to: &mut crate::world::Client) {
    let value = from.jar.get("__Host-id").unwrap().text().into_owned();
    to.jar.set(&"https://localhost/".parse().unwrap(), format!("__Host-id={value}; Path=/; Secure")).unwrap();
}

/// The load succeeds, the merge does not, known or not; what was carried goes on, and is merged once in the end.
async fn the_backend_goes_away_again_during_the_merge(kind: Kind) {
    for (fault, _) in WRITES {
        let world = World::new(kind).await;
        let mut ann = world.client();
        ann.ok(0, "/put?cart=a").await;
        world.down(DOWN);
        ann.ok(0, "/add?cart=b").await;
        world.heal();
        world.nodes[0].faults.next(Op::Apply, fault);
        assert_eq!(ann.cart(0).await, "degraded - [a b]", "{fault:?}");
        world.nodes[0].faults.next(Op::Apply, fault);
        assert_eq!(ann.ok(0, "/add?cart=c").await, "degraded", "{fault:?}");
        world.heal();
        assert_eq!(ann.ok(1, "/add?cart=d").await, "live", "{fault:?}");
        assert_eq!(ann.cart(0).await, "live - [a b c d]", "{fault:?}");
        assert_eq!(world.log.count(EventKind::LifeboatConflict), 0, "{fault:?}");
    }
}
