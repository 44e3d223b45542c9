//! Cookies that nobody of us has written.

use std::fmt::Write as _;

use crate::world::{BOAT, DOWN, Kind, World};

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Every change of one character, every length, and much that is no text of ours: as without a lifeboat, up and down.
#[tokio::test]
async fn whatever_is_sent_as_a_lifeboat_is_ours_or_nothing() {
    let world = World::new(Kind::Memory).await;
    let mut ann = world.client();
    ann.ok(0, "/put?cart=a").await;
    world.down(DOWN);
    ann.ok(0, "/add?cart=b").await;
    let good = ann.boat().unwrap();
    let mut wrong: Vec<String> = Vec::new();
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        let place = ALPHABET.iter().position(|byte| *byte == bytes[at]).unwrap();
        bytes[at] = ALPHABET[(place + 1 + at) % ALPHABET.len()];
        if bytes != good.as_bytes() {
            wrong.push(String::from_utf8(bytes).unwrap());
        }
        wrong.push(good[..at].to_owned());
    }
    let mut long = String::new();
    (0..4000).for_each(|at| write!(long, "{}", at % 10).unwrap());
    wrong.extend([
        long,
        "~".into(),
        "%00".into(),
        "AQAA".into(),
        "A".repeat(3800),
        format!("{good}A"),
        format!("{good}=="),
        good.to_lowercase(),
    ]);
    for text in &wrong {
        let told = ann.with_boat(text).send(1, "/cart").await;
        assert_eq!(told.status, 503, "{text}: {}", told.body);
    }
    assert_eq!(ann.cart(1).await, "degraded - [a b]", "the good one is good");
    world.heal();
    for text in wrong.iter().step_by(7) {
        let told = ann.with_boat(text).send(1, "/cart").await;
        assert_eq!((told.status, told.body.as_str()), (200, "live - [a]"), "{text}");
    }
    assert_eq!(ann.cart(1).await, "live - [a b]");
}

/// Somebody else's lifeboat, the same with several of the name, and one without a credential.
#[tokio::test]
async fn a_lifeboat_opens_with_its_own_credential_only() {
    let world = World::new(Kind::Memory).await;
    let (mut ann, mut eve) = (world.client(), world.client());
    ann.ok(0, "/put?cart=ann").await;
    eve.ok(0, "/put?cart=eve").await;
    let boat = ann.boat().unwrap();
    world.down(DOWN);
    assert_eq!(eve.with_boat(&boat).send(0, "/cart").await.status, 503);
    let mut nobody = world.client().with_boat(&boat);
    assert_eq!(nobody.cart(0).await, "new - []");
    assert_eq!(nobody.get(0, "/put?cart=x").await.status, 503);
    // Several: the one that opens, whatever stands before it.
    let uri = "https://localhost/a".parse().unwrap();
    for decoy in [&*boat, "AQAA", "x"] {
        let mut both = eve.clone();
        both.jar.set(&uri, format!("{}={decoy}; Path=/a; Secure", BOAT.trim_start_matches("__Host-"))).unwrap();
        assert_eq!(both.send(0, "/cart").await.body, "degraded - [eve]");
    }
}
