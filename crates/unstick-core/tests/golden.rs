//! Bytes of every format ever released. They are never changed: during a rolling deploy two releases share one backend,
//! and clients keep what the release before gave them.

use std::{fmt::Write as _, sync::Arc};

use bytes::Bytes;
use unstick_core::{
    ErrorKind, Field, FieldVersion, Fields, Key, KeyRing, Life, NewRecord, OpId, PreviousSecret, Record, SecretHash, Timestamp, Verdict,
    decode_record, encode_record,
};

/// A credential of format 1, sealed with a key of 32 bytes `0x2a` for the purpose `cookie:__Host-id`.
const CREDENTIAL_1: &str = "AQXd1CsblMT_cmv6vZQZ03cvxJvZI426IkFxa7ix-bSGb5b6LAGLz-VoAAGL0BxWgAGMF_5wAP14T6CylXaH5JNX7fDkXl0";
const LINEAGE_KEY_1: &str = "fb8fa8e9ebfbcd605bc997fa21ab61c8202ce7dfb1a31b32956884878a4f7f7f";
const SECRET_HASH_1: &str = "4515f4685a8c7fb3929cfbbef2fbbe5b";

/// A live record of format 1 with everything in it.
const LIVE_1: &str = "\
    755301001111111111111111111111111111111101222222222222222222222222222222220000018bcfe5dd300000018bcfe567ff0000018bcfe569\
    f40000018bcfe56abc0000018bcfe568000000018bd01c56800000018c17fe70000100000006616e6e20c3a400000003000000046361727400000000\
    000000070000000c7b226c696e6573223a5b5d7d00000005656d70747900000000000000080000000000000008f09f9b922022275c001fffffffffff\
    ff0000000200ff00000002fffffffffffffffffffffffffffffffe0000018bcfe56fd0000000000000000000000000000000050000018bcfe573b8";
/// A tombstone of format 1.
const TOMBSTONE_1: &str = "\
    755301010000018bcfe568000000018bd020ea6000000000000000000000000000000000000000018bcfe5680000000000000000000000018bcfe568\
    000000018bcfe568000000018bcfe56800000000000000000000";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn bytes(hex: &str) -> Bytes {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap()).collect()
}

fn ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn live() -> Record {
    let field = |version, value: &'static [u8]| Field { version: FieldVersion::from_u64(version), value: Bytes::from_static(value) };
    let mut record = Record::new(NewRecord {
        secret: SecretHash::from_bytes([0x11; 16]),
        principal: Some("ann ä".into()),
        created: ms(1_700_000_000_000),
        idle_deadline: ms(1_700_003_600_000),
        absolute_deadline: ms(1_701_209_600_000),
        fields: Fields::from_iter([
            (Arc::from("cart"), field(7, br#"{"lines":[]}"#)),
            (Arc::from("empty"), field(8, b"")),
            (Arc::from("🛒 \"'\\"), field((1 << 53) - 1, b"\x00\xff")),
        ]),
    });
    record.previous = Some(PreviousSecret {
        secret: SecretHash::from_bytes([0x22; 16]),
        grace_until: ms(1_700_000_030_000),
        reissued_since: ms(1_699_999_999_999),
    });
    record.rotated = ms(1_700_000_000_500);
    record.reissued = ms(1_700_000_000_700);
    record.applied = vec![(OpId::from_u128(u128::MAX - 1), ms(1_700_000_002_000)), (OpId::from_u128(5), ms(1_700_000_003_000))];
    record
}

fn tombstone() -> Record {
    Record::tombstone(ms(1_700_000_000_000), ms(1_700_003_900_000))
}

fn ring() -> KeyRing {
    KeyRing::new(Key::from_bytes([0x2a; 32]).unwrap())
}

#[test]
fn credential_1_is_still_accepted() {
    let sealer = ring().for_purpose("cookie:__Host-id");
    let Verdict::Authentic(opened) = sealer.open(CREDENTIAL_1.as_bytes()) else { panic!("not authentic any more") };
    let credential = opened.credential;
    assert_eq!(hex(credential.lineage().record_key().as_bytes()), LINEAGE_KEY_1, "where its record is");
    assert_eq!(hex(credential.secret().hash().as_bytes()), SECRET_HASH_1, "what the record knows of its secret");
    assert_eq!(credential.issued(), ms(1_700_000_000_000));
    assert_eq!(credential.idle_deadline(), ms(1_700_003_600_000));
    assert_eq!(credential.absolute_deadline(), ms(1_701_209_600_000));
    assert!(!opened.reissue);
    assert_eq!(sealer.seal(&credential), CREDENTIAL_1, "and is sealed to the same text");
}

#[test]
fn credential_1_is_forged_for_another_purpose() {
    for purpose in ["header:x-session", "cookie:__Host-ie", ""] {
        assert!(matches!(ring().for_purpose(purpose).open(CREDENTIAL_1.as_bytes()), Verdict::Forged), "{purpose}");
    }
}

#[test]
fn record_1_is_still_read() {
    assert_eq!(decode_record(bytes(LIVE_1)).unwrap(), live());
    assert_eq!(decode_record(bytes(TOMBSTONE_1)).unwrap(), tombstone());
    assert!(matches!(tombstone().life, Life::Ended { .. }));
}

#[test]
fn record_1_is_still_written() {
    assert_eq!(hex(&encode_record(&live())), LIVE_1);
    assert_eq!(hex(&encode_record(&tombstone())), TOMBSTONE_1);
}

#[test]
fn newer_records_are_told_from_broken_ones() {
    for golden in [LIVE_1, TOMBSTONE_1] {
        for format in 2..=255 {
            let mut newer = bytes(golden).to_vec();
            newer[2] = format;
            newer.truncate(3 + usize::from(format) % 20); // whatever follows is not ours to judge
            assert_eq!(decode_record(newer.into()).unwrap_err().kind(), ErrorKind::UnknownFormat, "format {format}");
        }
        let mut zero = bytes(golden).to_vec();
        zero[2] = 0;
        assert_eq!(decode_record(zero.into()).unwrap_err().kind(), ErrorKind::Corrupt);
    }
    assert_eq!(decode_record(Bytes::from_static(b"{\"cart\":[]}")).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn cut_or_lengthened_records_are_corrupt() {
    for golden in [LIVE_1, TOMBSTONE_1] {
        let whole = bytes(golden);
        for length in 0..whole.len() {
            assert_eq!(decode_record(whole.slice(..length)).unwrap_err().kind(), ErrorKind::Corrupt, "{length} of {} bytes", whole.len());
        }
        let mut longer = whole.to_vec();
        longer.push(0);
        assert_eq!(decode_record(longer.into()).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
