//! What this release writes, byte for byte, and that all of it is read again.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use unstick_core::{Field, FieldVersion, Fields, Lineage, Secret};

use super::*;
use crate::TokenKey;

const NAMES: Names<'static> = Names { issuer: "unstick", audience: "session:cookie:__Host-id" };

fn claims(principal: Option<&str>, fields: &[(&str, &[u8])]) -> Claims {
    let now = Timestamp::from_millis(1_800_000_000_250);
    let after = |seconds| now + std::time::Duration::from_secs(seconds);
    let (lineage, secret) = (Lineage::from_bytes([1; 16]), Secret::from_bytes([2; 16]));
    let credential = Credential::from_parts(lineage, secret, now, after(3600), after(14 * 24 * 3600));
    let version = FieldVersion::from_u64(1);
    let fields: Fields =
        fields.iter().map(|(name, value)| (Arc::from(*name), Field { version, value: Bytes::copy_from_slice(value) })).collect();
    let not_before = whole_seconds(now - std::time::Duration::from_secs(300));
    Claims { credential, not_before, epoch: Timestamp::ZERO, record: record(&credential, now, principal.map(Arc::from), fields) }
}

/// The golden tokens of `tests/golden` are what this release writes. The encrypted one is random but for its claims.
#[test]
fn golden_tokens_are_written() {
    let written = write(NAMES, &claims(Some("ann"), &[("cart", b"[1,2]"), ("bin", &[0, 255])]));
    let hs256 = TokenKey::hs256(&[7; 32]).and_then(|key| key.with_id("k1")).unwrap();
    assert_eq!(hs256.seal(written.clone()).unwrap(), include_str!("../../tests/golden/hs256-1.txt").trim());
    let eddsa = TokenKey::ed25519([8; 32]).and_then(|key| key.with_id("k1")).unwrap();
    assert_eq!(eddsa.seal(written.clone()).unwrap(), include_str!("../../tests/golden/eddsa-1.txt").trim());
    let a256gcm = TokenKey::a256gcm([9; 32]).and_then(|key| key.with_id("k1")).unwrap();
    let golden = include_str!("../../tests/golden/a256gcm-1.txt").trim();
    let sealed = a256gcm.seal(written.clone()).unwrap();
    println!("{sealed}");
    assert_eq!(sealed.len(), golden.len());
    assert_eq!(a256gcm.sealed_len(written.len()), golden.len());
}

#[test]
fn a_payload_is_read_again() {
    let claims = Claims { epoch: Timestamp::from_millis(5), ..claims(Some("ann"), &[("a", b"1")]) };
    let again = from_payload(claims.credential, payload(&claims)).unwrap();
    assert_eq!((again.record, again.epoch, again.not_before), (claims.record, claims.epoch, claims.not_before));
    assert_eq!(from_payload(claims.credential, Bytes::new()).unwrap_err(), ErrorKind::UnknownFormat);
    assert_eq!(from_payload(claims.credential, Bytes::from_static(b"short")).unwrap_err(), ErrorKind::Corrupt);
}

proptest! {
    #[test]
    fn any_session_is_read_again(
        fields in proptest::collection::btree_map("[^\\p{Cc}]{1,20}", prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            "[ -~]{0,20}".prop_map(|text| serde_json::to_vec(&text).unwrap()),
            "\\[(\\{\"a\":(null|-1\\.5e3|\"\\\\u00e9\")\\}( )?,){0,3}[0-9]\\]".prop_map(String::into_bytes),
        ], 0..12),
        principal in proptest::option::of("\\PC{1,60}"),
        epoch in 0..(1_i64 << 48),
    ) {
        let fields: Vec<(&str, &[u8])> = fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let claims = Claims { epoch: Timestamp::from_millis(epoch), ..claims(principal.as_deref(), &fields) };
        let written = write(NAMES, &claims);
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&written).is_ok());
        let Read::Claims(read) = read(NAMES, &written) else { panic!("{}", written.escape_ascii()) };
        prop_assert_eq!(read.epoch, claims.epoch);
        prop_assert_eq!(&read.record.principal, &claims.record.principal);
        prop_assert_eq!(read.record.fields.len(), fields.len());
        for (name, value) in fields {
            prop_assert_eq!(&read.record.fields.get(name).unwrap().value[..], value);
        }
        prop_assert_eq!(write(NAMES, &read), written, "one text per session");
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in any::<proptest::sample::Index>()) {
        let _ = read(NAMES, &bytes);
        let mut whole = write(NAMES, &claims(Some("ann"), &[("cart", b"[1,2]")]));
        let at = at.index(whole.len());
        whole.splice(at..at, bytes);
        let _ = read(NAMES, &whole);
    }
}
