//! Tokens of every released format stay readable, and those of formats to come are left alone.

mod common;

use common::*;
use unstick_core::{Applied, ErrorKind, Intent, Lifecycle, Loaded, SessionBackend, Timestamp};
use unstick_token::Token;

/// Format 1, one of each kind, sealed with the keys of `common`.
const GOLDEN: [&str; 3] = [include_str!("golden/hs256-1.txt"), include_str!("golden/eddsa-1.txt"), include_str!("golden/a256gcm-1.txt")];

#[tokio::test]
async fn golden_tokens_are_read() {
    for (text, key) in GOLDEN.into_iter().zip(kinds()) {
        let token = token(key);
        let ticket = ticket(&token, text.trim());
        let (credential, expected) = (ticket.credential, credential());
        assert!(credential.lineage() == expected.lineage() && credential.secret().hash() == expected.secret().hash());
        assert_eq!(credential.issued(), expected.issued());
        assert_eq!(credential.idle_deadline(), expected.idle_deadline());
        assert_eq!(credential.absolute_deadline(), expected.absolute_deadline());
        let Loaded::Live(live) = load(&token, NOW, text.trim()).await else { panic!("live") };
        assert_eq!(live.principal.as_deref(), Some("ann"));
        assert_eq!(live.created, NOW);
        assert_eq!(value(&live.fields, "cart"), "[1,2]");
        assert_eq!(live.fields.get("bin").unwrap().value, [0, 255].as_slice());
        assert_eq!(live.fields.len(), 2);
    }
}

fn newer() -> (Token, String) {
    let mut claims = claims();
    claims.insert("v".into(), 2.into());
    claims.insert("new".into(), "member".into());
    claims.remove("ms");
    (token(hs256()), sign(&claims))
}

#[tokio::test]
async fn a_newer_version_is_left_alone() {
    let (token, text) = newer();
    let newer = ticket(&token, &text);
    assert_eq!(newer.credential.lineage(), credential().lineage(), "it can be told which session it is");
    assert_eq!(newer.credential.idle_deadline(), Timestamp::from_millis(1_800_003_601_000));
    let late = newer.credential.idle_deadline() - seconds(1);
    assert!(!token.is_renewal_due(&newer, late), "nothing is put in its place");
    let unreadable = ErrorKind::UnknownFormat;
    assert_eq!(load(&token, NOW, &text).await, Loaded::Unreadable(unreadable));
    assert_eq!(refused(token.apply(at(NOW), COOKIE, &newer, &change(&[("a", "1")])).await), Applied::Unreadable(unreadable));
    for lifecycle in [Lifecycle::RenewId, Lifecycle::Promote("ann".into()), Lifecycle::End] {
        let intent = Intent { lifecycle, change: change(&[]) };
        assert_eq!(refused(token.commit(at(NOW), COOKIE, Some(&newer), &intent).await), Applied::Unreadable(unreadable));
    }
}
