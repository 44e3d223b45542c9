use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use unstick_core::{KeyRing, Timestamp};

use super::{START, key, ring};
use crate::{
    mark::{Mark, MarkId, Print},
    writes::text::{self, Content, Dated, LONGEST, Opened, Signer, Verdict},
};

fn signer() -> Signer {
    Signer::new(&ring(), "cookie x")
}

fn sample() -> Content {
    let mark = |number, prints: &[Print], level_pending| Mark {
        id: MarkId { origin: 0xfeed_beef, number },
        prints: prints.into(),
        level_pending,
        bus_pending: false,
    };
    Content::Marks(vec![
        Dated { mark: mark(1, &[Print::Key(7), Print::Tag(8)], false), issued: START, pending_for: Duration::ZERO },
        Dated {
            mark: mark(300, &[Print::Key(u64::MAX), Print::All], true),
            issued: START - Duration::from_millis(59_123),
            pending_for: Duration::from_secs(601),
        },
    ])
}

fn contents() -> impl Strategy<Value = Content> {
    let prints = (proptest::collection::vec(any::<u64>(), 0..4), proptest::collection::vec(any::<u64>(), 0..4), any::<bool>());
    let mark = (0..3_u64, any::<u64>(), prints, any::<(bool, bool)>(), 0..4_000_000_u64).prop_map(
        |(origin, number, (keys, tags, all), (level_pending, bus_pending), age)| {
            let prints =
                keys.into_iter().map(Print::Key).chain(tags.into_iter().map(Print::Tag)).chain(all.then_some(Print::All)).collect();
            let mark = Mark { id: MarkId { origin: origin.wrapping_mul(u64::MAX / 2), number }, prints, level_pending, bus_pending };
            let pending = mark.is_pending();
            Dated { mark, issued: START - Duration::from_millis(age), pending_for: Duration::from_secs(if pending { age } else { 0 }) }
        },
    );
    prop_oneof![
        proptest::collection::vec(mark, 0..8).prop_map(Content::Marks),
        (0..1_000_000_u64).prop_map(|seconds| Content::Bypass { pending_for: Duration::from_secs(seconds) }),
    ]
}

proptest! {
    #[test]
    fn what_was_sealed_is_opened(content in contents()) {
        let text = signer().seal("slot", START, &content);
        prop_assert_eq!(text.len(), text::len(START, &content));
        let verdict = signer().open(b"slot", text.as_bytes());
        if text.len() <= LONGEST {
            prop_assert_eq!(verdict, Verdict::Authentic(Opened { content, issued: START }));
        } else {
            prop_assert_eq!(verdict, Verdict::Malformed);
        }
    }

    #[test]
    fn garbage_is_never_authentic(text in proptest::collection::vec(any::<u8>(), 0..200), plain in "[A-Za-z0-9_-]{0,200}") {
        for text in [&text[..], plain.as_bytes()] {
            prop_assert!(matches!(signer().open(b"slot", text), Verdict::Malformed | Verdict::UnknownKey | Verdict::Forged));
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    for content in [sample(), Content::Bypass { pending_for: Duration::from_secs(601) }] {
        let text = signer().seal("slot", START, &content).into_bytes();
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut flipped = text.clone();
                flipped[at] ^= 1 << bit;
                let verdict = signer().open(b"slot", &flipped);
                assert!(matches!(verdict, Verdict::Malformed | Verdict::UnknownKey | Verdict::Forged), "{at} {bit}: {verdict:?}");
            }
            assert!(matches!(signer().open(b"slot", &text[..at]), Verdict::Malformed | Verdict::Forged), "cut at {at}");
        }
    }
}

#[test]
fn bound_to_slot_purpose_and_key() {
    let text = signer().seal("slot", START, &sample());
    assert!(matches!(signer().open(b"slot", text.as_bytes()), Verdict::Authentic(_)));
    assert_eq!(signer().open(b"slot2", text.as_bytes()), Verdict::Forged);
    assert_eq!(signer().open(b"", text.as_bytes()), Verdict::Forged);
    assert_eq!(Signer::new(&ring(), "header x").open(b"slot", text.as_bytes()), Verdict::Forged);
    let other = KeyRing::new(key(2));
    assert_eq!(Signer::new(&other, "cookie x").open(b"slot", text.as_bytes()), Verdict::UnknownKey);
    let rotated = Signer::new(&other.previous(key(1)), "cookie x");
    assert!(matches!(rotated.open(b"slot", text.as_bytes()), Verdict::Authentic(_)));
}

/// Clients carry texts of the release before while a new one is rolled out.
#[test]
fn golden_bytes_of_format_1() {
    const MARKS: &str = "AQCEbL8_AaMYXFAAAAAAAAD-7b7vAQABAQAAAAAAAAAHAAAAAAAAAAgHrALzzQPZBAEA__________9cqwde5qR11YgWPndfJ8xp";
    const BYPASS: &str = "AQGEbL8_AaMYXFAA2QTcqXfWR--i43UL3o8vLEh0";
    let issued = START;
    assert_eq!(signer().seal("slot", issued, &sample()), MARKS);
    assert_eq!(signer().open(b"slot", MARKS.as_bytes()), Verdict::Authentic(Opened { content: sample(), issued }));
    let bypass = Content::Bypass { pending_for: Duration::from_secs(601) };
    assert_eq!(signer().seal("slot", issued, &bypass), BYPASS);
    assert_eq!(signer().open(b"slot", BYPASS.as_bytes()), Verdict::Authentic(Opened { content: bypass, issued }));
}

#[test]
fn a_later_format_is_told_from_a_forgery() {
    let mut raw = vec![2, 9];
    raw.extend_from_slice(&key(1).id());
    raw.extend_from_slice(&[7; 20]);
    let mac = blake3::keyed_hash(&key(1).derive("cookie x"), &[b"slot\0", &raw[..]].concat());
    raw.extend_from_slice(&mac.as_bytes()[..16]);
    let newer = URL_SAFE_NO_PAD.encode(raw);
    assert_eq!(signer().open(b"slot", newer.as_bytes()), Verdict::Newer);
    assert_eq!(signer().open(b"other", newer.as_bytes()), Verdict::Forged);
}

#[test]
fn a_key_takes_seventy_characters() {
    let mark =
        Mark { id: MarkId { origin: u64::MAX, number: 10_000 }, prints: [Print::Key(1)].into(), level_pending: false, bus_pending: false };
    assert!(text::len(START, &Content::Marks(vec![Dated { mark, issued: START, pending_for: Duration::ZERO }])) <= 70);
    assert!(text::len(Timestamp::ZERO, &Content::Bypass { pending_for: Duration::ZERO }) <= 40);
}
