//! Bytes, seals, and single decisions.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use unstick_core::{Change, Credential, Field, FieldVersion, Fields, Key, KeyRing, OpId, Timestamp};

use super::{
    config::Lifeboat,
    manifest::{Entry, Local, Manifest, Voyage},
    merge::{Decision, MARKER, Merge, marker_of_clear, merge},
    seal::{Keys, is_newer, is_underway},
};
use crate::cookie::CookieConfig;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

fn credential() -> Credential {
    Credential::issue(NOW, NOW + HOUR, NOW + HOUR * 24).unwrap()
}

fn keys(byte: u8) -> Keys {
    Keys::new(&KeyRing::new(Key::from_bytes([byte; 32]).unwrap()), "__Host-id-lifeboat")
}

fn version() -> impl Strategy<Value = FieldVersion> {
    (0..1_u64 << 53).prop_map(FieldVersion::from_u64)
}

fn entry() -> impl Strategy<Value = Entry> {
    let local = (version(), 1..=9_u16, 0..9_u16).prop_map(|(also, first, more)| Local { also, first, last: first + more });
    let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..80).prop_map(Bytes::from));
    (version(), value, proptest::option::of(local)).prop_map(|(base, value, local)| Entry { name: "".into(), base, value, local })
}

fn manifest() -> impl Strategy<Value = Manifest> {
    let voyage = (any::<[u8; 16]>(), 18..=u16::MAX).prop_map(|(id, step)| Voyage { id, started: NOW, step });
    (proptest::collection::vec(entry(), 0..16), voyage).prop_map(|(mut entries, voyage)| {
        let is_local = entries.iter().any(|entry| entry.local.is_some());
        entries.iter_mut().enumerate().for_each(|(at, entry)| entry.name = format!("field-{at}").into());
        Manifest { issued: NOW, expires: NOW + HOUR, voyage: is_local.then_some(voyage), entries }
    })
}

fn field(value: &'static str, version: u64) -> Field {
    Field { version: FieldVersion::from_u64(version), value: Bytes::from_static(value.as_bytes()) }
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened_by_its_own_credential_and_keys(manifest in manifest()) {
        let (mine, other) = (credential(), credential());
        let text = keys(1).seal(&manifest, &mine).unwrap();
        let opened = keys(1).open(text.as_bytes(), &mine, NOW).unwrap();
        prop_assert!(opened.manifest == manifest);
        prop_assert_eq!(is_underway(text.as_bytes()), manifest.voyage.is_some());
        prop_assert!(!is_newer(text.as_bytes()));
        prop_assert!(keys(1).open(text.as_bytes(), &other, NOW).is_none(), "another session");
        let rotated = mine.rotate(NOW, NOW + HOUR).unwrap();
        prop_assert!(keys(1).open(text.as_bytes(), &rotated, NOW).is_none(), "another id of the session");
        let renewed = mine.renew(NOW, NOW + HOUR);
        prop_assert!(keys(1).open(text.as_bytes(), &renewed, NOW).is_some(), "the same id for longer");
        prop_assert!(keys(2).open(text.as_bytes(), &mine, NOW).is_none(), "another key");
        prop_assert!(keys(1).open(text.as_bytes(), &mine, NOW + HOUR).is_none(), "too late");
        let again = keys(1).seal(&manifest, &mine).unwrap();
        prop_assert_ne!(keys(1).open(again.as_bytes(), &mine, NOW).unwrap().merge, opened.merge, "every lifeboat has its own operation");
    }

    #[test]
    fn a_changed_bit_opens_nothing(manifest in manifest(), at in any::<prop::sample::Index>(), bit in 0..6_u8) {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mine = credential();
        let mut text = keys(1).seal(&manifest, &mine).unwrap().into_bytes();
        let at = at.index(text.len());
        let place = ALPHABET.iter().position(|byte| *byte == text[at]).unwrap();
        text[at] = ALPHABET[place ^ (1 << bit)];
        prop_assert!(keys(1).open(&text, &mine, NOW).is_none());
    }

    #[test]
    fn any_bytes_are_judged_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(keys(1).open(&bytes, &credential(), NOW).is_none());
        let (_, _) = (is_underway(&bytes), is_newer(&bytes));
        if let Some(manifest) = Manifest::decode(&bytes) {
            prop_assert!(Manifest::decode(&manifest.encode()) == Some(manifest));
        }
        // A marker of anybody's making is no reason to merge, nor to panic.
        let fields: Fields = [(MARKER.into(), Field { version: FieldVersion::from_u64(5), value: bytes.into() })].into_iter().collect();
        let voyage = Voyage { id: [1; 16], started: NOW, step: 1 };
        let carried = Manifest { issued: NOW, expires: NOW + HOUR, voyage: Some(voyage), entries: Vec::new() };
        let (_, _) = (merge(&carried, &fields, FieldVersion::from_u64(9), NOW, HOUR, |_| Decision::KeepStored), ());
    }

    #[test]
    fn every_cut_of_a_manifest_is_refused(manifest in manifest()) {
        let bytes = manifest.encode();
        prop_assert!(Manifest::decode(&bytes) == Some(manifest));
        for length in 0..bytes.len() {
            prop_assert!(Manifest::decode(&bytes[..length]).is_none(), "{} of {}", length, bytes.len());
        }
        prop_assert!(Manifest::decode(&[&bytes[..], b"x"].concat()).is_none());
    }
}

#[test]
fn keys_are_bound_to_the_cookie_they_seal() {
    let ring = KeyRing::new(Key::from_bytes([1; 32]).unwrap());
    let (mine, unknown) = (credential(), Manifest::unknown(NOW, NOW + HOUR));
    let text = Keys::new(&ring, "a").seal(&unknown, &mine).unwrap();
    assert!(Keys::new(&ring, "a").open(text.as_bytes(), &mine, NOW).is_some());
    assert!(Keys::new(&ring, "b").open(text.as_bytes(), &mine, NOW).is_none());
}

/// Golden: the bytes of format 1 stay readable.
#[test]
fn format_1_is_read_for_ever() {
    let bytes = [
        &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3][..],
        &[7; 16],
        &[0, 4, 2],
        &[4, b'c', b'a', b'r', b't', 3, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 8, 0, 1, 0, 4, 0, 0, 0, 2, b'[', b']'],
        &[1, b'w', 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    let manifest = Manifest::decode(&bytes).unwrap();
    assert_eq!(manifest.encode(), bytes);
    let (cart, wish) = (manifest.get("cart").unwrap(), manifest.get("w").unwrap());
    assert_eq!((cart.base, cart.value.as_deref()), (FieldVersion::from_u64(9), Some(&b"[]"[..])));
    assert_eq!(cart.local, Some(Local { also: FieldVersion::from_u64(8), first: 1, last: 4 }));
    assert_eq!((wish.base, &wish.value, wish.local), (FieldVersion::ABSENT, &None, None));
    assert_eq!(manifest.voyage, Some(Voyage { id: [7; 16], started: Timestamp::from_millis(3), step: 4 }));
}

#[test]
fn a_function_decides_only_where_both_sides_changed() {
    let fields: Fields = [("cart".into(), field("[1]", 3)), ("queue".into(), field("[2]", 8))].into_iter().collect();
    let before: Fields = [("cart".into(), field("[1]", 3)), ("queue".into(), field("[]", 4))].into_iter().collect();
    let names = ["cart".into(), "queue".into()];
    let mut carried = Manifest::of(names.iter(), &before, NOW, NOW + HOUR);
    let voyage = Voyage { id: [1; 16], started: NOW, step: 1 };
    assert!(carried.change(&Change::new().set("cart", "[9]").set("queue", "[9]"), FieldVersion::ABSENT, voyage));
    let asked = std::cell::RefCell::new(Vec::new());
    let decided = merge(&carried, &fields, FieldVersion::from_u64(20), NOW, HOUR, |offer| {
        asked.borrow_mut().push((offer.key.to_owned(), offer.stored.map(<[u8]>::to_vec), offer.carried.map(<[u8]>::to_vec)));
        Decision::Take(Bytes::from_static(b"[2,9]"))
    });
    assert_eq!(*asked.borrow(), [("queue".to_owned(), Some(b"[2]".to_vec()), Some(b"[9]".to_vec()))]);
    let Merge::Apply { change, conflicts: 1 } = decided else { panic!("{decided:?}") };
    let set = |name: &str| change.get(name).cloned();
    assert_eq!(set("cart"), Some(unstick_core::FieldChange::Set(Bytes::from_static(b"[9]"))));
    assert_eq!(set("queue"), Some(unstick_core::FieldChange::Set(Bytes::from_static(b"[2,9]"))));
    let expected = |name: &str| change.preconditions.iter().find(|expected| *expected.name == *name).map(|expected| expected.version);
    assert_eq!((expected("cart"), expected("queue")), (Some(FieldVersion::from_u64(3)), Some(FieldVersion::from_u64(8))));
    assert_eq!(expected(MARKER), Some(FieldVersion::ABSENT), "two merges at once cannot both be the first");
}

#[test]
fn a_clear_is_the_end_of_voyages_that_began_before_it() {
    let mut fields = Fields::default();
    Change::new().set("x", "1").merge_into(&mut fields, FieldVersion::from_u64(1));
    let mut clear = Change { clear: true, ..Change::new() };
    clear.put(MARKER.into(), marker_of_clear(NOW));
    clear.merge_into(&mut fields, OpId::from_u128(7).field_version());
    let at = |started: Timestamp| {
        let mut carried = Manifest::of([std::sync::Arc::from("cart")].iter(), &Fields::default(), started, started + HOUR);
        let voyage = Voyage { id: [1; 16], started, step: 1 };
        assert!(carried.change(&Change::new().set("cart", "[9]"), FieldVersion::ABSENT, voyage));
        merge(&carried, &fields, FieldVersion::from_u64(20), NOW + HOUR, HOUR, |_| Decision::TakeCarried)
    };
    assert_eq!(at(NOW - Duration::from_millis(1)), Merge::Over);
    assert_eq!(at(NOW), Merge::Over);
    assert!(matches!(at(NOW + Duration::from_millis(1)), Merge::Apply { .. }));
}

#[test]
fn more_voyages_than_are_remembered_are_over_rather_than_merged_again() {
    let mut fields = Fields::default();
    let mut boats = Vec::new();
    for at in 0..40_u8 {
        let started = NOW + Duration::from_secs(u64::from(at));
        let mut carried = Manifest::of([std::sync::Arc::from("cart")].iter(), &fields, started, started + HOUR);
        assert!(carried.change(&Change::new().set("cart", vec![at]), FieldVersion::ABSENT, Voyage { id: [at + 1; 16], started, step: 1 }));
        let version = FieldVersion::from_u64(100 + u64::from(at));
        let Merge::Apply { change, conflicts: 0 } = merge(&carried, &fields, version, started, HOUR, |_| Decision::KeepStored) else {
            panic!("the {at}th");
        };
        change.merge_into(&mut fields, version);
        fields.remove("cart");
        boats.push(carried);
    }
    assert!(fields.get(MARKER).unwrap().value.len() < 1024, "bounded");
    for boat in &boats {
        assert_eq!(merge(boat, &fields, FieldVersion::from_u64(1), NOW + HOUR / 2, HOUR, |_| Decision::TakeCarried), Merge::Over);
    }
}

#[test]
fn what_does_not_fit_is_left_ashore_but_for_local_changes() {
    let lifetimes = unstick_core::Lifetimes::new();
    let ring = KeyRing::new(Key::from_bytes([1; 32]).unwrap());
    let boat = Lifeboat::new(ring).field("small").field("large").max_bytes(600);
    let fleet = boat.build(&CookieConfig::default(), &lifetimes, 3072, false).unwrap();
    let long = Field { version: FieldVersion::from_u64(2), value: vec![b'x'; 500].into() };
    let fields: Fields = [("small".into(), field("1", 1)), ("large".into(), long)].into_iter().collect();
    let mut manifest = Manifest::of(fleet.names(), &fields, NOW, NOW + HOUR);
    let text = fleet.seal(&mut manifest, &credential()).unwrap();
    assert!(text.len() <= 600 && manifest.get("small").is_some() && manifest.get("large").is_none());
    let voyage = Voyage { id: [1; 16], started: NOW, step: 1 };
    assert!(!manifest.change(&Change::new().set("large", "1"), FieldVersion::ABSENT, voyage), "its base is not known");
    assert!(manifest.change(&Change::new().set("small", vec![b'x'; 500]), FieldVersion::ABSENT, voyage));
    assert!(fleet.seal(&mut manifest, &credential()).is_err());
}
