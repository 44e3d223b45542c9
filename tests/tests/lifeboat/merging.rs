//! What is merged, and what is not.

use std::time::Duration;

use unstick_core::EventKind;
use unstick_testkit::faults::{Fault, Op};

use crate::{
    outage::keep_only_credential,
    world::{Client, DOWN, Kind, World, on_both},
};

on_both! {
    overlapping_responses_in_either_order_keep_one_of_them;
    a_late_lifeboat_merges_nothing_twice;
    a_replayed_lifeboat_is_never_merged_again;
    a_newer_stored_value_wins_unless_the_field_decides;
    nodes_may_disagree_on_the_outage;
    overlapping_requests_merge_once;
    what_was_removed_after_a_lost_answer_stays_removed;
    nothing_is_merged_onto_a_session_that_is_over;
    a_session_that_ends_under_the_merge_stays_ended;
}

async fn with_cart(world: &World) -> Client {
    let mut client = world.client();
    client.ok(0, "/put?cart=a").await;
    client
}

async fn overlapping_responses_in_either_order_keep_one_of_them(kind: Kind) {
    for first_is_last in [false, true] {
        let world = World::new(kind).await;
        let mut ann = with_cart(&world).await;
        world.down(DOWN);
        let (first, second) = (ann.send(0, "/add?cart=b").await, ann.send(1, "/put?wish=w").await);
        let (before, last) = if first_is_last { (second, first) } else { (first, second) };
        ann.keep(&before);
        ann.keep(&last);
        world.heal();
        let (cart, wish) = if first_is_last { ("live - [a b]", "") } else { ("live - [a]", "w") };
        assert_eq!(ann.cart(1).await, cart);
        assert_eq!(ann.ok(1, "/list?k=wish").await, wish);
        assert_eq!(world.log.count(EventKind::LifeboatMerged), 1);
    }
}

/// A response of the outage arrives when its voyage has been merged without it.
async fn a_late_lifeboat_merges_nothing_twice(kind: Kind) {
    let world = World::new(kind).await;
    let mut ann = with_cart(&world).await;
    world.down(DOWN);
    ann.ok(0, "/add?cart=b").await;
    let late = ann.send(0, "/add?cart=late").await;
    ann.ok(1, "/add?cart=c").await;
    world.heal();
    assert_eq!(ann.cart(0).await, "live - [a b c]");
    ann.ok(0, "/take?cart=").await;
    ann.keep(&late);
    assert_eq!(ann.cart(1).await, "live - []", "neither its own change nor the others'");
    assert_eq!(world.log.count(EventKind::LifeboatRefused), 1);
    assert_eq!(ann.cart(1).await, "live - []");
    assert_eq!(world.log.count(EventKind::LifeboatRefused), 1, "and the client has a clean one again");
}

async fn a_replayed_lifeboat_is_never_merged_again(kind: Kind) {
    // A field that existed before the outage, and one that did not: "absent" comes back, versions do not.
    for (field, before) in [("cart", true), ("wish", false), ("queue", false)] {
        let world = World::new(kind).await;
        let mut ann = world.client();
        ann.ok(0, if before { "/put?cart=a" } else { "/put?other=x" }).await;
        world.down(DOWN);
        ann.ok(0, &format!("/put?{field}=b")).await;
        let copies = [ann.boat().unwrap()];
        ann.ok(1, &format!("/add?{field}=c")).await;
        let copies = [copies[0].clone(), ann.boat().unwrap()];
        world.heal();
        let list = format!("/list?k={field}");
        assert_eq!(ann.ok(0, &list).await, "b c");
        for (path, expected) in
            [("/none".to_owned(), "b c"), (format!("/take?{field}="), ""), (format!("/put?{field}=z"), "z"), ("/clear".into(), "")]
        {
            world.pass(1);
            ann.ok(0, &path).await;
            for copy in &copies {
                for node in 0..2 {
                    assert_eq!(ann.with_boat(copy).ok(node, &list).await, expected, "{field} after {path}");
                    // Nor by a request that only writes.
                    ann.with_boat(copy).ok(node, "/put?other=y").await;
                    assert_eq!(ann.ok(node, &list).await, expected, "{field} after {path}");
                }
            }
        }
        assert_eq!(world.log.count(EventKind::LifeboatMerged), 1);
        // In another outage the client may fool itself, and no more than that.
        world.down(DOWN);
        let mut fooled = ann.with_boat(&copies[1]);
        assert_eq!(fooled.ok(1, &list).await, "b c");
        fooled.ok(1, &format!("/add?{field}=d")).await;
        world.heal();
        assert_eq!(fooled.ok(0, &list).await, "", "cleared since");
    }
}

async fn a_newer_stored_value_wins_unless_the_field_decides(kind: Kind) {
    for removed in [false, true] {
        let world = World::new(kind).await;
        let mut ann = world.client();
        ann.ok(0, "/put?cart=a&queue=a").await;
        let mut other = ann.clone();
        other.jar.clear();
        keep_only_credential(&ann, &mut other);
        world.down(DOWN);
        ann.ok(0, "/add?cart=mine&queue=mine&wish=mine").await;
        world.heal();
        other.ok(0, if removed { "/take?cart=&queue=" } else { "/put?cart=newer&queue=newer" }).await;
        let (cart, queue) = if removed { ("", "a mine") } else { ("newer", "newer a mine") };
        assert_eq!(ann.cart(1).await, format!("live - [{cart}]"));
        assert_eq!(ann.ok(1, "/list?k=queue").await, queue, "joined by its function");
        assert_eq!(ann.ok(1, "/list?k=wish").await, "mine", "nobody else has touched it");
        assert_eq!((world.log.count(EventKind::LifeboatMerged), world.log.count(EventKind::LifeboatConflict)), (1, 1));
    }
}

async fn nodes_may_disagree_on_the_outage(kind: Kind) {
    let world = World::new(kind).await;
    let mut ann = with_cart(&world).await;
    world.nodes[1].faults.down(DOWN);
    // One after another, on a node without the backend and on one with it.
    ann.ok(1, "/add?cart=b").await;
    assert_eq!(ann.cart(0).await, "live - [a b]", "merged by the node that has the backend");
    ann.ok(0, "/add?cart=c").await;
    assert_eq!(ann.cart(1).await, "degraded - [a b c]", "and seen by the one that has not");
    ann.ok(1, "/add?cart=d").await;
    ann.ok(0, "/add?cart=e").await;
    ann.ok(1, "/put?wish=w").await;
    world.heal();
    assert_eq!(ann.cart(1).await, "live - [a b c d e]");
    assert_eq!(ann.ok(0, "/list?k=wish").await, "w");
    assert_eq!(world.log.count(EventKind::LifeboatConflict), 0);
    // Overlapping: merged on one node, and changed on the other at the same time, on top of the same lifeboat.
    world.pass(1);
    world.nodes[1].faults.down(DOWN);
    ann.ok(1, "/add?cart=f").await;
    let behind = ann.send(1, "/add?cart=g").await;
    ann.ok(0, "/cart").await;
    ann.keep(&behind);
    assert_eq!(ann.cart(0).await, "live - [a b c d e f g]", "its first step was merged without it: the second goes on top");
}

/// A part of a voyage was merged and nobody learned of it; the value is removed; another part follows, from the same "absent".
async fn what_was_removed_after_a_lost_answer_stays_removed(kind: Kind) {
    for removed in [false, true] {
        let world = World::new(kind).await;
        let mut ann = with_cart(&world).await;
        let mut other = ann.clone();
        world.down(DOWN);
        ann.ok(0, "/put?wish=b").await;
        world.heal();
        assert_eq!(ann.send(0, "/list?k=wish").await.body, "b", "merged, and the answer is lost");
        world.pass(120);
        if removed {
            other.ok(1, "/take?wish=").await;
        }
        world.down(DOWN);
        ann.ok(1, "/add?wish=c").await;
        world.heal();
        assert_eq!(ann.ok(0, "/list?k=wish").await, if removed { "" } else { "b c" });
        assert_eq!(world.log.count(EventKind::LifeboatConflict), usize::from(removed));
    }
}

async fn overlapping_requests_merge_once(kind: Kind) {
    let world = World::new(kind).await;
    let mut ann = with_cart(&world).await;
    world.down(DOWN);
    ann.ok(0, "/add?cart=b").await;
    world.heal();
    let ask = |node, path: &'static str| {
        let client = ann.clone();
        async move { client.send_in_time(node, path).await }
    };
    let all = async {
        tokio::join!(
            ask(0, "/add?cart=1"),
            ask(1, "/add?cart=2"),
            ask(0, "/add?cart=3"),
            ask(1, "/add?cart=4"),
            ask(0, "/cart"),
            ask(1, "/put?other=5"),
        )
    };
    // Who lost a race waits by the clock.
    let ticking = async {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            world.clock.advance(Duration::from_millis(10));
        }
    };
    let (a, b, c, d, read, put) = tokio::select! {
        answers = all => answers,
        () = ticking => unreachable!("a clock does not stop"),
    };
    for told in [&a, &b, &c, &d, &read, &put] {
        assert_eq!(told.status, 200, "{}", told.body);
    }
    for told in [d, read, a, put, c, b] {
        ann.keep(&told);
    }
    let cart = ann.cart(0).await;
    let mut items: Vec<&str> = cart.trim_start_matches("live - [").trim_end_matches(']').split(' ').collect();
    assert_eq!(items[..2], ["a", "b"], "{cart}");
    items.sort_unstable();
    assert_eq!(items, ["1", "2", "3", "4", "a", "b"], "all of them once");
    assert_eq!(world.log.count(EventKind::LifeboatConflict), 0);
}

/// Logout, revocation by another client, expiry, a new id and a login: what was carried is not merged, and revives nothing.
async fn nothing_is_merged_onto_a_session_that_is_over(kind: Kind) {
    for over in ["/logout", "expiry", "/renew", "/login"] {
        for path in ["/cart", "/put?other=x", "/put?wish=x", "/add?wish=x", "/saved?wish=x"] {
            let world = World::new(kind).await;
            let mut ann = with_cart(&world).await;
            let mut elsewhere = ann.clone();
            world.down(DOWN);
            ann.ok(0, "/add?cart=b").await;
            let boat = ann.boat().unwrap();
            world.heal();
            world.pass(1);
            if over == "expiry" {
                world.pass(7300);
            } else {
                elsewhere.ok(1, over).await;
                world.pass(40); // the grace of a new id is over
            }
            let told = ann.get(0, path).await;
            assert!([200, 503].contains(&told.status), "{over} {path}: {}", told.body);
            // Whatever it has now, it is not what was carried.
            let cart = ann.cart(1).await;
            assert!(cart.ends_with("- []"), "{over} {path}: {cart}");
            if ["/renew", "/login"].contains(&over) {
                let who = if over == "/login" { "ann" } else { "-" };
                assert_eq!(elsewhere.cart(0).await, format!("live {who} [a]"), "the session goes on without it");
                // And the lifeboat does not open beside another credential, in no outage either.
                assert_eq!(elsewhere.with_boat(&boat).cart(1).await, format!("live {who} [a]"));
                world.down(DOWN);
                assert_eq!(elsewhere.with_boat(&boat).send(1, "/cart").await.status, 503);
                assert_eq!(elsewhere.cart(1).await, "degraded - [a]");
            }
            assert_eq!(world.log.count(EventKind::LifeboatMerged), 0, "{over} {path}");
        }
    }
}

/// The session ends between the load of the request that merges and the merge itself.
async fn a_session_that_ends_under_the_merge_stays_ended(kind: Kind) {
    for path in ["/cart", "/put?wish=x", "/add?wish=x"] {
        let world = World::new(kind).await;
        let mut ann = with_cart(&world).await;
        let mut elsewhere = ann.clone();
        world.down(DOWN);
        ann.ok(0, "/add?cart=b").await;
        world.heal();
        world.nodes[0].faults.next(Op::Apply, Fault::Hang);
        let node = world.nodes[0].clone();
        let merging = tokio::spawn({
            let ann = ann.clone();
            async move { ann.send_in_time(0, path).await }
        });
        node.faults.until_held().await;
        world.pass(1);
        elsewhere.ok(1, "/logout").await;
        node.faults.release();
        let told = merging.await.unwrap();
        assert_ne!(told.body, "live - [a b]", "{path}");
        let mut copy = ann.clone();
        ann.keep(&told);
        for client in [&mut ann, &mut copy] {
            let cart = client.cart(1).await;
            assert!(cart.ends_with("- []"), "{path}: {cart}");
        }
        assert_eq!(world.log.count(EventKind::LifeboatMerged), 0, "{path}");
    }
}
