//! Random operations on the store and on the core's reference record: the same answer to each, and the same session afterwards.
use std::{sync::Arc, time::Duration};

use unstick_core::*;

use crate::common::{SECOND, Session};

/// A small generator, so that a seed names a schedule.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()].clone()
    }
}

const NAMES: [&str; 6] = ["a", "quote\"d", "back\\slash", "$.a[0]", "\u{e9}\u{1f980}", "null"];

fn value(dice: &mut Dice) -> Vec<u8> {
    let pool: [&[u8]; 8] = [
        b"1",
        b"{\"a\":{\"b\":null}}",
        b"",
        b"null",
        &[0xff, 0x00, 0xfe],
        b"nul\0inside",
        b"\"\\\"\n\t",
        "\u{2028}long long long text".as_bytes(),
    ];
    dice.pick(&pool).to_vec()
}

fn change(dice: &mut Dice, record: &Record, now: Timestamp) -> Change {
    let mut change = Change { clear: dice.one_in(8), ..Change::new() };
    for _ in 0..dice.below(4) {
        let name = dice.pick(&NAMES);
        change = if dice.one_in(3) { change.remove(name) } else { change.set(name, value(dice)) };
    }
    for _ in 0..dice.below(3) {
        let name = dice.pick(&NAMES);
        let version = if dice.one_in(3) { FieldVersion::ABSENT } else { record.fields.version(name) };
        change = change.expect(name, version);
    }
    if dice.one_in(3) {
        change.renewal = Some(Renewal { idle_deadline: now + SECOND * u32::try_from(dice.below(90)).unwrap(), issued: now });
    }
    if dice.one_in(3) {
        change.max_size = usize::try_from(dice.below(120)).unwrap();
    }
    change
}

#[derive(Default)]
struct Seen {
    done: u32,
    conflict: u32,
    too_large: u32,
    superseded: u32,
    expired: u32,
    ended: u32,
    grace: u32,
    reordered: u32,
    repeated: u32,
    kept: u32,
}

impl Seen {
    fn note(&mut self, applied: &Applied) {
        match applied {
            Applied::Done { proof: Proof::Grace, .. } => self.grace += 1,
            Applied::Done { proof: Proof::Reordered, .. } => self.reordered += 1,
            Applied::Done { .. } => self.done += 1,
            Applied::Conflict(_) => self.conflict += 1,
            Applied::TooLarge => self.too_large += 1,
            Applied::Superseded { .. } => self.superseded += 1,
            Applied::Expired => self.expired += 1,
            Applied::Ended { .. } => self.ended += 1,
            other => panic!("{other:?}"),
        }
    }
}

async fn schedule(store: &impl Store, seed: u64, seen: &mut Seen) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    // far from the system's time: a session's deadlines are judged by the operation's
    let mut now = Timestamp::from_millis(4_000_000_000_000);
    let first = Session::from(Credential::issue(now, now + 60 * SECOND, now + 300 * SECOND).unwrap());
    let key = first.key;
    let new = first.record(dice.one_in(2).then_some("ann"), Fields::default());
    let mut ops = 0_u64;
    let mut op = |now| {
        ops += 1;
        OpCtx { now, deadline: now + 10 * SECOND, op_id: OpId::from_u128(u128::from(seed) << 64 | u128::from(ops)) }
    };
    assert_eq!(store.create(op(now), key, &new).await.unwrap(), Created::Done);
    let mut record = Record::new(new);
    let mut presented = vec![first.presented];
    let mut last: Option<(OpCtx, Presented, Change)> = None;

    for step in 0..40 {
        let say = format!("seed {seed} step {step}");
        now = now + Duration::from_millis(dice.below(4000));
        let by = if dice.one_in(2) { *presented.last().unwrap() } else { dice.pick(&presented) };
        let op = op(now);
        match dice.below(20) {
            0..=8 => {
                let change = change(&mut dice, &record, now);
                let (ours, theirs) = (record.apply(&op, &by, &change), store.apply(op, key, by, &change).await.unwrap());
                assert_eq!(theirs, ours, "{say} {change:?}");
                seen.note(&ours);
                if ours.is_done() {
                    if let Some(renewal) = change.renewal
                        && dice.one_in(2)
                    {
                        presented.push(Presented { issued: renewal.issued, ..by });
                    }
                    last = Some((op, by, change));
                }
            }
            9 => {
                // the same delivery again, a little later and before its deadline
                if let Some((op, by, change)) = &last
                    && now < op.deadline
                {
                    let (ours, theirs) = (record.apply(op, by, change), store.apply(*op, key, *by, change).await.unwrap());
                    assert_eq!(theirs, ours, "{say} repeated");
                    seen.repeated += 1;
                }
            }
            10..=13 => {
                let mut secret = [0; 16];
                secret[..8].copy_from_slice(&dice.next().to_be_bytes());
                let rotation = Rotation {
                    secret: SecretHash::from_bytes(secret),
                    grace_until: (!dice.one_in(3)).then(|| now + Duration::from_millis(dice.below(9000))),
                    principal: dice.one_in(2).then(|| Arc::from("bob")),
                    idle_deadline: now + 60 * SECOND,
                    overlap_since: now - 10 * SECOND,
                };
                let change = change(&mut dice, &record, now);
                let ours = record.rotate(&op, &by, &rotation, &change);
                assert_eq!(store.rotate(op, key, by, &rotation, &change).await.unwrap(), ours, "{say}");
                match ours {
                    Rotated::Done { rotated: true, .. } => presented.push(Presented { secret: rotation.secret, issued: now, ..by }),
                    Rotated::Done { rotated: false, .. } => seen.kept += 1,
                    Rotated::Refused(applied) => seen.note(&applied),
                    _ => unreachable!(),
                }
            }
            14..=16 => {
                let renewal = dice.one_in(2).then(|| Renewal { idle_deadline: now + 45 * SECOND, issued: now });
                if let Some(renewal) = renewal {
                    record.apply(&op, &by, &Change { renewal: Some(renewal), ..Change::new() });
                    if dice.one_in(2) {
                        presented.push(Presented { issued: now, ..by });
                    }
                }
                assert_eq!(store.load(op, key, by, renewal).await.unwrap(), Loaded::judge(&record, &by, now), "{say}");
            }
            17 => {
                let change = change(&mut dice, &record, now);
                let ours = record.apply(&op, &by, &change);
                let theirs = store.update_locked(op, key, by, &mut |_: &Fields| Ok(change.clone())).await.unwrap();
                assert_eq!(theirs, Some(ours), "{say}");
            }
            18 => now = now + SECOND * u32::try_from(dice.below(40)).unwrap(),
            _ if step > 25 => {
                let (presented, until) = ((!dice.one_in(3)).then_some(by), now + 500 * SECOND);
                let ours = end_in_place(&mut record, now, presented.as_ref(), until);
                assert_eq!(store.end(op, key, presented, until).await.unwrap(), ours, "{say}");
            }
            _ => {}
        }
        for by in &presented {
            let op = OpCtx { now, ..op };
            assert_eq!(store.load(op, key, *by, None).await.unwrap(), Loaded::judge(&record, by, now), "{say} afterwards");
        }
    }
}

/// Plays schedules on an empty store.
pub(crate) async fn every_answer_is_the_reference_records(store: &impl Store) {
    let mut seen = Seen::default();
    for seed in 1..=150 {
        schedule(store, seed, &mut seen).await;
    }
    let Seen { done, conflict, too_large, superseded, expired, ended, grace, reordered, repeated, kept } = seen;
    for (what, count) in [
        ("done", done),
        ("conflict", conflict),
        ("too large", too_large),
        ("superseded", superseded),
        ("expired", expired),
        ("ended", ended),
        ("grace", grace),
        ("reordered", reordered),
        ("repeated", repeated),
        ("rotation kept from a previous id", kept),
    ] {
        assert!(count >= 3, "{what} came up {count} times only: the schedules prove nothing about it");
    }
}
