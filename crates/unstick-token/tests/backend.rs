//! The backend's own rules: what is merged, sealed, refused and left alone.

mod common;

use common::*;
use unstick_core::{
    Applied, Carrier, Change, Committed, ErrorKind, FieldChange, FieldVersion, Intent, Lifecycle, Loaded, Opening, Scope, SessionBackend,
};
use unstick_token::{Sealing, Token, TokenKey, TokenKeys};

fn text_of(committed: Committed) -> String {
    text(Ok(committed)).0
}

fn keep(change: Change) -> Intent {
    Intent { lifecycle: Lifecycle::Keep, change }
}

#[tokio::test]
async fn a_session_is_created_read_changed_and_ended() {
    for key in kinds() {
        let token = token(key);
        assert_eq!(token.scope(), Scope::Client);
        let nothing = token.commit(at(NOW), COOKIE, None, &keep(Change::new().remove("a"))).await;
        assert!(matches!(nothing, Ok(Committed::Done { carrier: Carrier::Unchanged, ticket: None })), "nothing to keep");
        let first = create(&token, NOW, &[("cart", "[1]"), ("theme", "\"dark\"")]).await;
        assert!(first.len() <= Token::DEFAULT_MAX);

        let later = NOW + seconds(60);
        let change = Change::new().set("cart", "[1,2]").remove("theme").set("new", "1");
        let (second, after) = text(token.apply(at(later), COOKIE, &ticket(&token, &first), &change).await);
        let read = fields(&token, later, &second).await;
        assert_eq!((value(&read, "cart").as_str(), read.get("theme"), value(&read, "new").as_str()), ("[1,2]", None, "1"));
        assert_eq!(value(&fields(&token, later, &first).await, "cart"), "[1]", "the old token is as good as ever: the last response wins");

        let (before, opened) = (ticket(&token, &first), ticket(&token, &second));
        assert_eq!(before.credential.lineage(), opened.credential.lineage());
        assert!(before.credential.secret().hash() != opened.credential.secret().hash(), "each state has a secret of its own");
        assert!(after.credential.secret().hash() == opened.credential.secret().hash());
        assert_eq!(opened.credential.idle_deadline(), later + seconds(3600), "a change extends the idle deadline");
        assert_eq!(opened.credential.absolute_deadline(), before.credential.absolute_deadline());

        let end = Intent { lifecycle: Lifecycle::End, change: Change::new() };
        let ended = token.commit(at(later), COOKIE, Some(&opened), &end).await;
        assert!(matches!(ended, Ok(Committed::Done { carrier: Carrier::Remove, ticket: None })));
        let index = token.principal_index();
        assert!(index.is_none());
    }
}

#[tokio::test]
async fn preconditions_are_checked_against_the_token() {
    let token = token(a256gcm());
    let first = create(&token, NOW, &[("count", "1")]).await;
    let version = fields(&token, NOW, &first).await.version("count");
    assert_ne!(version, FieldVersion::ABSENT);
    let count = |to: &str, version| Change::new().set("count", to.to_owned()).expect("count", version);
    let (_, second) = text(token.apply(at(NOW), COOKIE, &ticket(&token, &first), &count("2", version)).await);
    let Applied::Conflict(now) = refused(token.apply(at(NOW), COOKIE, &second, &count("3", version)).await) else { panic!("a conflict") };
    assert_eq!(value(&now, "count"), "2");
    let (third, _) = text(token.apply(at(NOW), COOKIE, &second, &count("3", now.version("count"))).await);
    assert_eq!(value(&fields(&token, NOW, &third).await, "count"), "3");
    let absent = Change::new().set("count", "9").expect("count", FieldVersion::ABSENT);
    assert!(matches!(refused(token.apply(at(NOW), COOKIE, &second, &absent).await), Applied::Conflict(_)));
}

#[tokio::test]
async fn a_version_that_a_request_has_written_holds_within_that_request() {
    let token = token(hs256());
    let (_, first) = text(token.commit(at(NOW), COOKIE, None, &keep(change(&[("a", "1")]))).await);
    let op = at(NOW);
    let (_, second) = text(token.apply(op, COOKIE, &first, &change(&[("a", "2")])).await);
    let expecting = change(&[("a", "3")]).expect("a", op.op_id.field_version());
    text(token.apply(at(NOW), COOKIE, &second, &expecting).await);
}

#[tokio::test]
async fn a_session_that_is_too_large_is_refused_by_name_and_nothing_is_lost() {
    let token = builder(a256gcm()).max_token(2000).build().unwrap();
    let first = create(&token, NOW, &[("cart", "[1]")]).await;
    let held = ticket(&token, &first);
    let big = format!("\"{}\"", "x".repeat(1500));
    let error = token.apply(at(NOW), COOKIE, &held, &change(&[("history", &big)])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(!error.is_backend(), "asking again does not help");
    let sentence = error.to_string();
    assert!(sentence.contains("\"history\" (1509 bytes)") && sentence.contains("`max_token` is 2000"), "{sentence}");
    assert_eq!(value(&fields(&token, NOW, &first).await, "cart"), "[1]", "what the client has is as good as before");

    let megabyte = "9".repeat(1 << 20);
    let error = token.apply(at(NOW), COOKIE, &held, &change(&[("blob", &megabyte)])).await.unwrap_err();
    assert!(error.kind() == ErrorKind::TooLarge && error.to_string().contains("\"blob\" (1048580 bytes)"), "{error}");
    let many: Vec<String> = (0..10_000).map(|n| format!("key-{n}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "1")).collect();
    let error = token.commit(at(NOW), COOKIE, None, &keep(change(&many))).await.unwrap_err();
    assert!(error.kind() == ErrorKind::TooLarge && error.to_string().contains("10000 keys"), "{error}");

    // The limit on the session itself comes first, as with every backend; shrinking is always possible.
    let limited = |name: &str, max_size| Change { max_size, ..change(&[(name, "123456789")]) };
    assert_eq!(refused(token.apply(at(NOW), COOKIE, &held, &limited("more", 10)).await), Applied::TooLarge);
    assert_eq!(refused(token.commit(at(NOW), COOKIE, None, &keep(limited("more", 10))).await), Applied::TooLarge);
    let shrink = Change { max_size: 1, ..Change::new().remove("cart") };
    text(token.apply(at(NOW), COOKIE, &held, &shrink).await);
}

#[tokio::test]
async fn the_limit_is_exact() {
    for key in kinds() {
        let roomy = builder(key.clone()).build().unwrap();
        let value = "1".repeat(700);
        let length = create(&roomy, NOW, &[("a", &value)]).await.len();
        let just = builder(key.clone()).max_token(length).build().unwrap();
        assert_eq!(create(&just, NOW, &[("a", &value)]).await.len(), length);
        let tight = builder(key).max_token(length - 1).build().unwrap();
        assert_eq!(tight.commit(at(NOW), COOKIE, None, &keep(change(&[("a", &value)]))).await.unwrap_err().kind(), ErrorKind::TooLarge);
        // A session from before the limit was lowered is read, and not renewed.
        let text = create(&roomy, NOW, &[("a", &value)]).await;
        let (loaded, carrier) = tight.load(at(NOW), COOKIE, &ticket(&tight, &text), true).await.unwrap();
        assert!(matches!(loaded, Loaded::Live(_)) && carrier == Carrier::Unchanged);
    }
}

#[tokio::test]
async fn deadlines_are_those_of_every_backend() {
    let token = token(hs256());
    let first = create(&token, NOW, &[("a", "1")]).await;
    let held = ticket(&token, &first);
    assert!(!token.is_renewal_due(&held, NOW + seconds(1799)));
    let half = NOW + seconds(1800);
    assert!(token.is_renewal_due(&held, half));
    let (loaded, carrier) = token.load(at(half), COOKIE, &held, true).await.unwrap();
    let Carrier::Set { text: renewed, max_age } = carrier else { panic!("renewed") };
    assert_eq!(max_age, seconds(3600));
    let Loaded::Live(live) = loaded else { panic!("live") };
    assert_eq!(live.idle_deadline, half + seconds(3600));
    let opened = ticket(&token, &renewed).credential;
    assert_eq!(opened.idle_deadline(), half + seconds(3600));
    assert!(opened.secret().hash() == held.credential.secret().hash(), "the same state");
    let (untouched, _) = text(token.apply(at(half), COOKIE, &held, &Change::new()).await);
    assert_eq!(ticket(&token, &untouched).credential.idle_deadline(), half + seconds(3600), "also when only that is due");
    let soon = token.apply(at(NOW + seconds(1)), COOKIE, &held, &Change::new()).await.unwrap();
    assert!(matches!(soon, Committed::Done { carrier: Carrier::Unchanged, ticket: Some(_) }));

    let idle = NOW + seconds(3600);
    assert_eq!(load(&token, idle, &first).await, Loaded::Expired);
    assert_eq!(refused(token.apply(at(idle), COOKIE, &held, &change(&[("a", "2")])).await), Applied::Expired);
    assert!(matches!(load(&token, idle - std::time::Duration::from_millis(1), &first).await, Loaded::Live(_)));

    // A life of activity ends at the absolute deadline all the same.
    let (mut now, mut text) = (NOW, first);
    let absolute = NOW + seconds(14 * 24 * 3600);
    while now + seconds(3000) < absolute {
        now = now + seconds(3000);
        text = common::text(token.apply(at(now), COOKIE, &ticket(&token, &text), &change(&[("a", "1")])).await).0;
    }
    assert_eq!(ticket(&token, &text).credential.idle_deadline(), absolute);
    assert!(!token.is_renewal_due(&ticket(&token, &text), absolute - seconds(1)), "there is nothing to gain");
    assert_eq!(load(&token, absolute, &text).await, Loaded::Expired);
}

#[tokio::test]
async fn clocks_may_be_a_minute_apart() {
    let (fast, slow) = (NOW + seconds(60), NOW);
    let token = token(a256gcm());
    let text = create(&token, fast, &[("a", "1")]).await;
    assert!(matches!(load(&token, slow, &text).await, Loaded::Live(_)), "issued in the future, within what is tolerated");
    let (text, _) = common::text(token.apply(at(slow), COOKIE, &ticket(&token, &text), &change(&[("a", "2")])).await);
    assert!(matches!(load(&token, fast, &text).await, Loaded::Live(_)));
    // Beyond the tolerated five minutes it is not good yet, like one that is no longer.
    let text = create(&token, NOW + seconds(302), &[("a", "1")]).await;
    assert_eq!(load(&token, NOW, &text).await, Loaded::Expired);
    assert!(matches!(load(&token, NOW + seconds(2), &text).await, Loaded::Live(_)));
    // And clocks that are out of their mind get an answer, too.
    for (millis, readable) in [(i64::MIN, false), (-1, false), (0, true), (1 << 48, false), (i64::MAX, false)] {
        let odd = unstick_core::Timestamp::from_millis(millis);
        match token.commit(at(odd), COOKIE, None, &keep(change(&[("a", "1")]))).await {
            Ok(committed) => assert!(readable && matches!(load(&token, odd, &text_of(committed)).await, Loaded::Live(_)), "{millis}"),
            Err(error) => assert!(!readable && error.kind() == ErrorKind::Unavailable, "{millis}: {error}"),
        }
        assert_eq!(load(&token, odd, &create(&token, NOW, &[("a", "1")]).await).await, Loaded::Expired);
    }
}

#[tokio::test]
async fn a_renewed_id_is_another_secret_and_a_login_another_session() {
    let token = token(hs256());
    let first = create(&token, NOW, &[("cart", "[1]")]).await;
    let held = ticket(&token, &first);
    let intent = Intent { lifecycle: Lifecycle::RenewId, change: Change::new() };
    let (_, renewed) = text(token.commit(at(NOW), COOKIE, Some(&held), &intent).await);
    assert_eq!(renewed.credential.lineage(), held.credential.lineage());
    assert!(renewed.credential.secret().hash() != held.credential.secret().hash());

    let intent = Intent { lifecycle: Lifecycle::Promote("ann".into()), change: Change::new().set("since", "1") };
    let (after, promoted) = text(token.commit(at(NOW + seconds(9)), COOKIE, Some(&held), &intent).await);
    assert!(promoted.credential.lineage() != held.credential.lineage());
    assert_eq!(promoted.credential.absolute_deadline(), held.credential.absolute_deadline(), "a login lengthens no life");
    let Loaded::Live(live) = load(&token, NOW + seconds(9), &after).await else { panic!("live") };
    assert_eq!((live.principal.as_deref(), live.created), (Some("ann"), NOW));
    assert_eq!((value(&live.fields, "cart"), value(&live.fields, "since")), ("[1]".to_owned(), "1".to_owned()));
    let clear = Change { clear: true, ..Change::new() };
    let (cleared, _) = text(token.apply(at(NOW), COOKIE, &promoted, &clear).await);
    let Loaded::Live(live) = load(&token, NOW, &cleared).await else { panic!("live") };
    assert!(live.fields.is_empty() && live.principal.as_deref() == Some("ann"));
}

#[tokio::test]
async fn keys_rotate_with_old_and_new_nodes_side_by_side() {
    let (old, new) = (hs256().with_id("old").unwrap(), a256gcm().with_id("new").unwrap());
    let ring = |keys: Result<TokenKeys, _>| Token::builder(keys.unwrap()).build().unwrap();
    let before = ring(TokenKeys::new(old.clone()));
    let prepared = ring(TokenKeys::new(old.clone()).unwrap().next(new.clone()));
    let turned = ring(TokenKeys::new(new.clone()).unwrap().previous(old.clone()));
    let after = ring(TokenKeys::new(new));
    for (from, to, reissue) in
        [(&before, &prepared, false), (&prepared, &turned, true), (&turned, &prepared, false), (&turned, &after, false)]
    {
        let text = create(from, NOW, &[("a", "1")]).await;
        let held = ticket(to, &text);
        assert_eq!((held.reissue, to.is_renewal_due(&held, NOW)), (reissue, reissue));
        let (_, carrier) = to.load(at(NOW), COOKIE, &held, reissue).await.unwrap();
        assert_eq!(carrier != Carrier::Unchanged, reissue);
        if let Carrier::Set { text, .. } = carrier {
            assert!(!ticket(&after, &text).reissue, "sealed again under the newest");
        }
    }
    let text = create(&before, NOW, &[("a", "1")]).await;
    assert!(matches!(after.open(COOKIE, text.as_bytes()), Opening::UnknownKey), "dropped at last");

    // Nodes that verify and cannot sign.
    let public = TokenKey::ed25519_verifying(eddsa().ed25519_public().unwrap()).unwrap();
    assert_eq!(public.id(), TokenKey::ed25519([8; 32]).unwrap().id(), "both name the same key");
    let signing = ring(TokenKeys::new(TokenKey::ed25519([8; 32]).unwrap()));
    let reading = ring(TokenKeys::new(hs256()).unwrap().next(public));
    let text = create(&signing, NOW, &[("a", "1")]).await;
    assert_eq!(value(&fields(&reading, NOW, &text).await, "a"), "1");
}

#[tokio::test]
async fn one_key_of_the_application_serves_every_kind() {
    use unstick_core::{Key, KeyRing};
    let key = |byte| Key::from_bytes([byte; 32]).unwrap();
    let ring = KeyRing::new(key(2)).previous(key(1)).next(key(3));
    for sealing in [Sealing::Encrypted, Sealing::Signed] {
        let build = |ring: &KeyRing| Token::builder(TokenKeys::from_ring(ring, sealing).unwrap()).build().unwrap();
        let (before, now, next) = (build(&KeyRing::new(key(1))), build(&ring), build(&KeyRing::new(key(3))));
        assert!(ticket(&now, &create(&before, NOW, &[("a", "1")]).await).reissue);
        assert!(!ticket(&now, &create(&next, NOW, &[("a", "1")]).await).reissue);
        let text = create(&now, NOW, &[("a", "1")]).await;
        assert!(matches!(before.open(COOKIE, text.as_bytes()), Opening::UnknownKey));
    }
    let twice = KeyRing::new(key(1)).previous(key(1));
    assert!(TokenKeys::from_ring(&twice, Sealing::Signed).is_err());
}

#[tokio::test]
async fn sealing_the_same_twice_gives_nothing_away() {
    let token = token(a256gcm());
    let (first, ticket) = text(token.commit(at(NOW), COOKIE, None, &keep(change(&[("a", "\"secret-value\"")]))).await);
    let (second, _) = text(
        token
            .apply(
                at(NOW),
                COOKIE,
                &ticket,
                &Change { fields: vec![("a".into(), FieldChange::Set("\"secret-value\"".into()))], ..Change::new() },
            )
            .await,
    );
    assert_eq!(first.len(), second.len());
    let parts = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    for at in [0, 2, 3, 4] {
        assert_ne!(parts(&first)[at], parts(&second)[at], "salt, nonce, text and tag are new");
    }
    assert!(parts(&first).iter().all(|part| !String::from_utf8_lossy(&unb64(part)).contains("secret")));
}

#[tokio::test]
async fn no_two_tokens_share_key_and_nonce() {
    let token = token(a256gcm());
    let mut seen = std::collections::HashSet::new();
    let mut salts = std::collections::HashSet::new();
    for _ in 0..5_000 {
        let text = create(&token, NOW, &[("a", "1")]).await;
        let mut parts = text.split('.').map(str::to_owned);
        let (header, nonce) = (parts.next().unwrap(), parts.nth(1).unwrap());
        salts.insert(header.clone());
        assert!(seen.insert((header, nonce)));
    }
    assert_eq!(salts.len(), 5_000, "of 2^72 salts none comes twice so soon");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let refusal = |builder: unstick_token::TokenBuilder| builder.build().unwrap_err().to_string();
    assert!(refusal(builder(hs256()).max_token(100)).contains("max_token"));
    assert!(refusal(builder(hs256()).max_token(1 << 20)).contains("max_token"));
    assert!(refusal(builder(hs256()).fail_open()).contains("`revocations`"));
    assert!(refusal(builder(hs256()).issuer("")).contains("issuer"));
    assert!(refusal(builder(hs256()).purpose("a:b")).contains("purpose"));
    assert!(refusal(builder(hs256()).lifetimes(unstick_core::Lifetimes::new().idle(seconds(0)))).contains("idle"));
}
