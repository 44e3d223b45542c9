//! What cannot be done in an outage.

use crate::world::{BOAT, DOWN, Kind, WRITES, World, on_both};

on_both! {
    degraded_sessions_refuse_logins_and_new_ids;
    logout_in_an_outage_takes_both_cookies_and_says_so;
    a_change_that_does_not_fit_is_the_usual_error;
}

async fn degraded_sessions_refuse_logins_and_new_ids(kind: Kind) {
    for (fault, _) in WRITES {
        for path in ["/login", "/login?read=1", "/renew", "/renew?read=1", "/clear", "/clear?read=1"] {
            let world = World::new(kind).await;
            let mut ann = world.client();
            ann.ok(0, "/put?cart=a").await;
            world.down(DOWN);
            ann.ok(0, "/add?cart=b").await;
            world.heal();
            world.down(fault);
            let told = ann.get(1, path).await;
            assert_eq!((told.status, told.headers.contains_key("set-cookie")), (503, false), "{path} {fault:?}: {}", told.body);
            assert_eq!(ann.cart(0).await, "degraded - [a b]", "{path} {fault:?}: the lifeboat stays");
            world.heal();
            assert_eq!(ann.cart(1).await, "live - [a b]", "{path} {fault:?}");
            // With the backend, what is carried is merged before the id changes.
            world.down(DOWN);
            ann.ok(0, "/add?cart=c").await;
            world.heal();
            ann.ok(1, path).await;
            let cart = ann.cart(0).await;
            let expected = if path.starts_with("/clear") { "[]" } else { "[a b c]" };
            assert!(cart.starts_with("live") && cart.ends_with(expected), "{path} {fault:?}: {cart}");
        }
    }
}

async fn logout_in_an_outage_takes_both_cookies_and_says_so(kind: Kind) {
    for (fault, reaches) in WRITES {
        let world = World::new(kind).await;
        let mut ann = world.client();
        ann.ok(0, "/put?cart=a").await;
        ann.ok(0, "/login").await;
        let mut copy = ann.clone();
        world.down(fault);
        let told = ann.get(1, "/logout").await;
        assert_eq!(told.status, 503, "{fault:?}: {}", told.body);
        let known = if fault == DOWN { "nothing was saved" } else { "may or may not have been saved" };
        assert!(told.body.contains(known), "{fault:?}: {}", told.body);
        for name in ["__Host-id", BOAT] {
            assert!(told.lines(name)[0].contains("Max-Age=0"), "{fault:?} {name}");
        }
        assert_eq!(ann.jar.len(), 0, "{fault:?}");
        world.heal();
        let cart = copy.cart(0).await;
        assert_eq!(cart, if reaches { "ended - []" } else { "live ann [a]" }, "{fault:?}: a copy, if the backend was not told");
    }
}

async fn a_change_that_does_not_fit_is_the_usual_error(kind: Kind) {
    let world = World::new(kind).await;
    let mut ann = world.client();
    let large = "x".repeat(1500);
    ann.ok(0, "/put?cart=a").await;
    ann.ok(0, &format!("/put?wish={large}")).await;
    assert!(ann.boat().unwrap().len() <= 1536);
    world.down(DOWN);
    assert_eq!(ann.cart(1).await, "degraded - [a]", "what fits is aboard");
    for path in ["/list?k=wish", "/put?wish=w"] {
        assert_eq!(ann.get(1, path).await.status, 503, "{path}: what does not is ashore");
    }
    let told = ann.get(0, &format!("/put?cart={large}")).await;
    assert_eq!((told.status, told.headers.contains_key("set-cookie")), (503, false));
    assert_eq!(ann.ok(0, "/add?cart=b").await, "degraded", "the old one is as it was");
    world.heal();
    assert_eq!(ann.cart(1).await, "live - [a b]");
    assert_eq!(ann.ok(1, "/list?k=wish").await, large);
}
