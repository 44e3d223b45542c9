//! Releases and keys side by side.

use unstick_core::{EventKind, KeyRing};
use unstick_session::lifeboat::Lifeboat;

use crate::world::{DOWN, Kind, World, key, lifeboat, on_both};

on_both! {
    releases_with_other_keys_share_a_lifeboat;
    keys_rotate_with_a_lifeboat_under_way;
}

async fn releases_with_other_keys_share_a_lifeboat(kind: Kind) {
    let mut world = World::new(kind).await;
    let keys = KeyRing::new(key(7));
    let fewer = world.add(keys.clone(), Some(Lifeboat::new(keys.clone()).field("cart"))).await;
    let without = world.add(keys, None).await;
    let mut ann = world.client();
    ann.ok(0, "/put?cart=a&wish=w").await;
    world.down(DOWN);
    assert_eq!(ann.get(without, "/cart").await.status, 503, "as it was");
    ann.ok(0, "/put?wish=changed").await;
    assert_eq!(ann.get(fewer, "/list?k=wish").await.status, 503, "not chosen by this release");
    assert_eq!(ann.get(fewer, "/put?wish=x").await.status, 503);
    ann.ok(fewer, "/add?cart=b").await;
    assert_eq!(ann.ok(0, "/list?k=wish").await, "changed", "carried on by a release that does not choose it");
    world.heal();
    assert_eq!(ann.ok(without, "/cart").await, "live - [a]", "knows nothing of lifeboats");
    assert_eq!(ann.cart(fewer).await, "live - [a b]");
    assert_eq!(ann.ok(without, "/list?k=wish").await, "changed", "merged by a release that does not choose it");
    // The other release changes the cart; the next outage shows the older one, and loses the newer to nobody.
    ann.ok(without, "/put?cart=newer").await;
    world.down(DOWN);
    assert_eq!(ann.cart(0).await, "degraded - [a b]");
    ann.ok(0, "/add?cart=c").await;
    world.heal();
    assert_eq!(ann.cart(0).await, "live - [newer]");
    assert_eq!(world.log.count(EventKind::LifeboatConflict), 1);
    // A format of the future is left alone.
    let mut newer = ann.with_boat("_____________________________________________");
    newer.ok(0, "/put?cart=d").await;
    assert!(newer.boat().unwrap().starts_with('_'));
    newer.ok(0, "/logout").await;
    assert_eq!(newer.jar.len(), 0, "but for an end");
}

async fn keys_rotate_with_a_lifeboat_under_way(kind: Kind) {
    let mut world = World::new(kind).await;
    let ring = |ring: KeyRing| (ring.clone(), Some(lifeboat(ring)));
    let (keys, boat) = ring(KeyRing::new(key(7)).next(key(8)));
    let prepared = world.add(keys, boat).await;
    let (keys, boat) = ring(KeyRing::new(key(8)).previous(key(7)));
    let rotated = world.add(keys, boat).await;
    let mut ann = world.client();
    ann.ok(0, "/put?cart=a").await;
    world.down(DOWN);
    ann.ok(prepared, "/add?cart=b").await;
    ann.ok(rotated, "/add?cart=c").await;
    ann.ok(prepared, "/add?cart=d").await;
    assert_eq!(ann.get(0, "/add?cart=e").await.status, 200, "sealed under the old key by the one before");
    let under_old = ann.clone();
    ann.ok(rotated, "/add?cart=f").await;
    assert_eq!(ann.get(0, "/cart").await.status, 503, "a key that this node has not");
    world.heal();
    assert_eq!(ann.cart(rotated).await, "live - [a b c d e f]");
    // After the key is dropped, what was sealed under it opens no more.
    let (keys, boat) = ring(KeyRing::new(key(8)));
    let dropped = world.add(keys, boat).await;
    let mut late = world.client();
    late.jar = ann.jar.clone();
    let mut late = late.with_boat(&under_old.boat().unwrap());
    assert_eq!(late.cart(dropped).await, "live - [a b c d e f]");
    world.down(DOWN);
    assert_eq!(late.with_boat(&under_old.boat().unwrap()).send(dropped, "/cart").await.status, 503);
}
