//! Properties of the pure functions that every backend is held to.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*, sample::Index};
use unstick_core::{
    Applied, Change, Credential, ErrorKind, Field, FieldChange, FieldVersion, Fields, Key, KeyRing, Life, Lifetimes, NewRecord, OpCtx,
    OpId, Presented, PreviousSecret, Proof, Record, Renewal, Rotated, Rotation, SEALED_LEN, SecretHash, Standing, Timestamp, Verdict,
    decode_record, encode_record,
};

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<i64>(), 0..4_000_000_000_000_i64].prop_map(Timestamp::from_millis)
}

fn secret() -> impl Strategy<Value = SecretHash> {
    any::<[u8; 16]>().prop_map(SecretHash::from_bytes)
}

fn field() -> impl Strategy<Value = Field> {
    let version = (1..1_u64 << 53).prop_map(FieldVersion::from_u64);
    (version, vec(any::<u8>(), 0..40)).prop_map(|(version, value)| Field { version, value: value.into() })
}

fn fields() -> impl Strategy<Value = Fields> {
    vec((".{0,12}".prop_map(Arc::<str>::from), field()), 0..8).prop_map(Fields::from_iter)
}

prop_compose! {
    fn record()(
        ended in option::of((time(), time())),
        secret in secret(),
        previous in option::of((secret(), time(), time())),
        times in [time(), time(), time(), time(), time()],
        principal in option::of(".{0,12}"),
        fields in fields(),
        applied in vec((any::<u128>(), time()), 0..4),
    ) -> Record {
        let [rotated, reissued, created, idle_deadline, absolute_deadline] = times;
        Record {
            life: ended.map_or(Life::Live, |(at, until)| Life::Ended { at, until }),
            previous: previous.map(|(secret, grace_until, reissued_since)| PreviousSecret { secret, grace_until, reissued_since }),
            principal: principal.map(Arc::from),
            applied: applied.into_iter().map(|(op, deadline)| (OpId::from_u128(op), deadline)).collect(),
            secret, rotated, reissued, created, idle_deadline, absolute_deadline, fields,
        }
    }
}

/// Deltas of fields whose names start with `prefix`.
fn change(prefix: &'static str) -> impl Strategy<Value = Change> {
    let delta =
        option::of(vec(any::<u8>(), 0..20)).prop_map(|value| value.map_or(FieldChange::Remove, |value| FieldChange::Set(value.into())));
    vec((0..6_u8, delta), 0..6).prop_map(move |deltas| {
        let mut change = Change::new();
        for (n, delta) in deltas {
            change.put(format!("{prefix}{n}").into(), delta);
        }
        change
    })
}

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

fn presented(secret: u8) -> Presented {
    Presented { secret: SecretHash::from_bytes([secret; 16]), issued: NOW, idle_deadline: NOW + HOUR }
}

fn session(fields: Fields) -> Record {
    let (idle_deadline, absolute_deadline) = (NOW + HOUR, NOW + HOUR * 24);
    Record::new(NewRecord { secret: presented(1).secret, principal: None, created: NOW, idle_deadline, absolute_deadline, fields })
}

fn op(number: u128) -> OpCtx {
    OpCtx { now: NOW, deadline: NOW + Duration::from_secs(2), op_id: OpId::from_u128(number) }
}

fn starting_fields() -> impl Strategy<Value = Fields> {
    vec(("[abs][0-5]".prop_map(Arc::<str>::from), field()), 0..10).prop_map(Fields::from_iter)
}

proptest! {
    #[test]
    fn records_survive_their_bytes(record in record()) {
        prop_assert_eq!(decode_record(encode_record(&record)).unwrap(), record);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..300), ours in any::<bool>()) {
        let bytes: Vec<u8> = if ours { b"uS\x01".iter().copied().chain(bytes).collect() } else { bytes };
        if let Err(error) = decode_record(bytes.into()) {
            prop_assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::UnknownFormat));
        }
    }

    /// Lengths and flags that lie must neither panic nor make the reader ask for more memory than there are bytes.
    #[test]
    fn mutated_records_are_read_or_refused(record in record(), changes in vec((any::<Index>(), any::<u8>()), 1..6)) {
        let mut bytes = encode_record(&record).to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(read) = decode_record(bytes.into()) {
            prop_assert_eq!(decode_record(encode_record(&read)).unwrap(), read);
        }
    }

    #[test]
    fn changes_of_different_fields_commute(before in starting_fields(), one in change("a"), two in change("b")) {
        let in_order = |changes: [(&Change, u128); 2]| {
            let mut record = session(before.clone());
            for (change, number) in changes {
                assert!(record.apply(&op(number), &presented(1), change).is_done());
            }
            record.fields
        };
        prop_assert_eq!(in_order([(&one, 1), (&two, 2)]), in_order([(&two, 2), (&one, 1)]));
    }

    #[test]
    fn applying_twice_is_applying_once(before in starting_fields(), mine in change("a"), theirs in change("a")) {
        let mut once = session(before);
        once.apply(&op(1), &presented(1), &mine);
        once.apply(&op(2), &presented(1), &theirs);
        let mut twice = once.clone();
        prop_assert!(twice.apply(&op(1), &presented(1), &mine).is_done());
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn a_refused_change_changes_nothing(before in starting_fields(), change in change("a"), version in 1..1_u64 << 53) {
        let mut record = session(before);
        let untouched = record.clone();
        let refused = change.expect("never there", FieldVersion::from_u64(version));
        prop_assert_eq!(record.apply(&op(1), &presented(1), &refused), Applied::Conflict(untouched.fields.clone()));
        prop_assert_eq!(record, untouched);
    }

    #[test]
    fn ended_stays_ended(record in record(), at in time(), until in time(), steps in vec((any::<u8>(), time(), any::<u8>()), 0..12)) {
        let mut record = record;
        record.end(at, until);
        let Life::Ended { at: first, .. } = record.life else { panic!("not ended") };
        let mut longest = until;
        for (step, now, secret) in steps {
            let op = OpCtx { now, ..op(u128::from(step)) };
            let rotation = Rotation {
                secret: presented(9).secret, grace_until: None, principal: Some("eve".into()),
                idle_deadline: now + HOUR, overlap_since: Timestamp::ZERO,
            };
            let renewing = Change { renewal: Some(Renewal { idle_deadline: now + HOUR, issued: now }), ..Change::new().set("a", "1") };
            match step % 3 {
                0 => prop_assert_eq!(record.apply(&op, &presented(secret), &renewing), Applied::Ended { at: first }),
                1 => {
                    let rotated = record.rotate(&op, &presented(secret), &rotation, &renewing);
                    prop_assert_eq!(rotated, Rotated::Refused(Applied::Ended { at: first }));
                }
                _ => {
                    longest = longest.max(now);
                    record.end(now, now);
                }
            }
            prop_assert_eq!(record.standing(&presented(secret), now), Standing::Ended { at: first });
        }
        let Life::Ended { until, .. } = record.life else { panic!("revived") };
        prop_assert!(until >= longest);
        prop_assert!(record.fields.is_empty() && record.principal.is_none());
    }

    /// Once a deadline has passed for a caller, it has passed for every later one, whatever is tried.
    #[test]
    fn expired_stays_expired(wait in 0..100_000_u64, tries in vec(0..100_000_u64, 1..6)) {
        let mut record = session(Fields::default());
        let mut now = record.idle_deadline + Duration::from_millis(wait);
        for (number, later) in tries.into_iter().enumerate() {
            now = now + Duration::from_millis(later);
            let renewal = Some(Renewal { idle_deadline: now + HOUR, issued: now });
            let applied = record.apply(&OpCtx { now, ..op(number as u128) }, &presented(1), &Change { renewal, ..Change::new() });
            prop_assert_eq!(applied, Applied::Expired);
            prop_assert_eq!(record.standing(&presented(1), now), Standing::Expired);
        }
    }

    /// A replaced id goes from grace to superseded and never back.
    #[test]
    fn a_replaced_id_only_declines(grace in 0..60_000_u64, mut at in vec(0..3_000_000_u64, 1..10)) {
        let mut record = session(Fields::default());
        let grace_until = NOW + Duration::from_millis(grace);
        let rotation = Rotation {
            secret: presented(2).secret, grace_until: Some(grace_until), principal: None, idle_deadline: NOW + HOUR, overlap_since: NOW,
        };
        let rotated = matches!(record.rotate(&op(1), &presented(1), &rotation, &Change::new()), Rotated::Done { rotated: true, .. });
        prop_assert!(rotated);
        at.sort_unstable();
        for now in at.into_iter().map(|millis| NOW + Duration::from_millis(millis)) {
            let should = if now < grace_until { Standing::Live(Proof::Grace) } else { Standing::Superseded { at: NOW } };
            prop_assert_eq!(record.standing(&presented(1), now), should);
            prop_assert_eq!(record.standing(&presented(2), now), Standing::Live(Proof::Current));
        }
    }

    #[test]
    fn deadlines_never_pass_the_absolute_one(renewals in vec(time(), 0..8)) {
        let mut record = session(Fields::default());
        let mut before = record.idle_deadline;
        for (number, idle_deadline) in renewals.into_iter().enumerate() {
            let renewal = Some(Renewal { idle_deadline, issued: NOW });
            record.apply(&op(number as u128), &presented(1), &Change { renewal, ..Change::new() });
            prop_assert!(record.idle_deadline >= before && record.idle_deadline <= record.absolute_deadline);
            before = record.idle_deadline;
        }
    }

    #[test]
    fn lifetimes_are_plain_arithmetic(idle in 1..100_000_u64, more in 0..100_000_u64, after in 0..300_000_u64) {
        let (idle, absolute) = (Duration::from_secs(idle), Duration::from_secs(idle + more));
        let lifetimes = Lifetimes::new().idle(idle).absolute(absolute).grace(Duration::ZERO).check().unwrap();
        let (end, now) = (lifetimes.absolute_deadline(NOW), NOW + Duration::from_secs(after));
        let deadline = lifetimes.idle_deadline(now, end);
        prop_assert_eq!(deadline, (now + idle).min(end));
        prop_assert!(lifetimes.tombstone_until(now, deadline) >= deadline + lifetimes.tolerated_skew(), "a tombstone outlives every credential");
        if now < end && deadline < end {
            prop_assert!(!lifetimes.is_renewal_due(now, now, deadline, end), "not at once");
            prop_assert!(lifetimes.is_renewal_due(now + idle / 2, now, deadline, end), "but after half of it");
        }
        prop_assert!(!lifetimes.is_renewal_due(now + idle, now, end, end), "nothing to gain");
    }

    /// What is computed in milliseconds is what the durations say.
    #[test]
    fn renewal_is_due_after_half_of_the_time([now, issued, idle, absolute] in [time(), time(), time(), time()]) {
        let due = idle < absolute && now.since(issued) >= idle.since(issued) / 2;
        prop_assert_eq!(Lifetimes::new().is_renewal_due(now, issued, idle, absolute), due);
    }

    #[test]
    fn no_flipped_bit_is_authentic(at in 0..SEALED_LEN, bit in 0..8_u8) {
        let sealer = KeyRing::new(Key::from_bytes([7; 32]).unwrap()).for_purpose("cookie:__Host-id");
        let credential = Credential::issue(NOW, NOW + HOUR, NOW + HOUR * 2).unwrap();
        let mut text = sealer.seal(&credential).into_bytes();
        text[at] ^= 1 << bit;
        prop_assert!(!matches!(sealer.open(&text), Verdict::Authentic(_)));
    }

    #[test]
    fn any_text_is_judged(text in vec(any::<u8>(), 0..200)) {
        let sealer = KeyRing::new(Key::from_bytes([7; 32]).unwrap()).for_purpose("cookie:__Host-id");
        prop_assert!(!matches!(sealer.open(&text), Verdict::Authentic(_)));
    }
}

/// All of them once, not only those that chance picks.
#[test]
fn every_flipped_bit_of_a_credential_is_refused() {
    let sealer = KeyRing::new(Key::from_bytes([7; 32]).unwrap()).for_purpose("cookie:__Host-id");
    let text = sealer.seal(&Credential::issue(NOW, NOW + HOUR, NOW + HOUR * 2).unwrap()).into_bytes();
    assert_eq!(text.len(), SEALED_LEN);
    assert!(matches!(sealer.open(&text), Verdict::Authentic(_)));
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut flipped = text.clone();
            flipped[at] ^= 1 << bit;
            assert!(!matches!(sealer.open(&flipped), Verdict::Authentic(_)), "bit {bit} of character {at}");
        }
    }
    for length in 0..text.len() {
        assert!(matches!(sealer.open(&text[..length]), Verdict::Malformed), "{length} characters");
    }
}

#[test]
fn bytes_of_a_value_are_shared_not_copied() {
    let value = Bytes::from(vec![1_u8; 4096]);
    let field = Field { version: FieldVersion::from_u64(1), value };
    let record = session(Fields::from_iter([(Arc::from("big"), field)]));
    let encoded = encode_record(&record);
    let read = decode_record(encoded.clone()).unwrap();
    let at = read.fields.get("big").unwrap().value.as_ptr();
    assert!(encoded.as_ptr_range().contains(&at), "points into the input");
}
