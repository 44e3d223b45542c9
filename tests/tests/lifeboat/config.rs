//! What cannot work is refused when the layer is built.

use std::time::Duration;

use unstick_core::KeyRing;
use unstick_memory::MemoryStore;
use unstick_session::{SessionLayer, lifeboat::Lifeboat};
use unstick_token::{Token, TokenKey, TokenKeys};

use crate::world::key;

fn boat() -> Lifeboat {
    Lifeboat::new(KeyRing::new(key(7))).field("cart")
}

fn refusal(lifeboat: Lifeboat) -> Option<String> {
    let layer = SessionLayer::new(MemoryStore::new(), KeyRing::new(key(7))).lifeboat(lifeboat).build();
    layer.err().map(|error| error.to_string())
}

#[test]
fn fields_that_cannot_ride_are_refused_by_name() {
    assert_eq!(refusal(boat()), None);
    let names = |name: &str| refusal(boat().field(name)).unwrap_or_default();
    for name in ["principal", "Roles", "is_admin", "permissions", "user_id", "userId", "isAdmin", "user-id", "csrfToken"] {
        assert!(names(name).contains(name) && names(name).contains("for the session backend alone"), "{}", names(name));
    }
    assert!(names("unstick.lifeboat").contains("reserved"));
    assert!(names("cart").contains("twice"));
    assert!(!names("").is_empty() && !names("a\nb").is_empty());
    assert!(refusal(Lifeboat::new(KeyRing::new(key(7)))).is_some_and(|sentence| sentence.contains("0 fields")));
    let many = (0..16).fold(boat(), |boat, at| boat.field(&format!("field-{at}")));
    assert!(refusal(many).is_some_and(|sentence| sentence.contains("17 fields")));
}

#[test]
fn what_does_not_fit_the_responses_is_refused() {
    for bytes in [0, 255, 3801, usize::MAX] {
        assert!(refusal(boat().max_bytes(bytes)).is_some_and(|sentence| sentence.contains("max_bytes")), "{bytes}");
    }
    assert!(refusal(boat().max_bytes(3000)).is_some_and(|sentence| sentence.contains("header_budget")));
    let roomy = SessionLayer::new(MemoryStore::new(), KeyRing::new(key(7))).header_budget(8192).lifeboat(boat().max_bytes(3000));
    assert!(roomy.build().is_ok());
    for lifetime in [Duration::ZERO, Duration::from_secs(400 * 24 * 3600)] {
        assert!(refusal(boat().lifetime(lifetime)).is_some_and(|sentence| sentence.contains("lifetime")));
    }
}

#[test]
fn transports_that_carry_no_cookie_are_refused() {
    let keys = KeyRing::new(key(7));
    let header = SessionLayer::new(MemoryStore::new(), keys).header("x-session").lifeboat(boat()).build();
    assert!(header.is_err_and(|error| error.to_string().contains("`header`")));
    let token = Token::builder(TokenKeys::new(TokenKey::hs256(&[7; 32]).unwrap()).unwrap()).build().unwrap();
    let token = SessionLayer::backend(token).lifeboat(boat()).build();
    assert!(token.is_err_and(|error| error.to_string().contains("travel in the client")));
}
