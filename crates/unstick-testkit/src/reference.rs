//! Random operations on a store, and on the core's reference record beside it: the same answer to each, and the same session afterwards.
//!
//! ```
//! use unstick_testkit::{mutants::{BrokenStore, Defect}, reference};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! reference::compare(&BrokenStore::new(Defect::None)).await;
//!
//! let broken = BrokenStore::new(Defect::GraceNeverEnds);
//! let caught = tokio::spawn(async move { reference::compare(&broken).await }).await;
//! assert!(caught.unwrap_err().is_panic());
//! # });
//! ```

use std::{sync::Arc, time::Duration};

use unstick_core::{
    Applied, Change, Created, Credential, FieldVersion, Fields, Loaded, OpCtx, OpId, Presented, Proof, Record, RecordKey, Renewal, Rotated,
    Rotation, SecretHash, Store, Timestamp, end_in_place,
};

use crate::{
    contract::{SECOND, Subject},
    rng::Rng,
};

const SCHEDULES: u64 = 150;
const STEPS: usize = 40;

/// Names and values that formats, quoting and paths of stores may stumble over.
const NAMES: [&str; 6] = ["a", "quote\"d", "back\\slash", "$.a[0]", "\u{e9}\u{1f980}", "null"];
const VALUES: [&[u8]; 8] = [
    b"1",
    b"{\"a\":{\"b\":null}}",
    b"",
    b"null",
    &[0xff, 0x00, 0xfe],
    b"nul\0inside",
    b"\"\\\"\n\t",
    "\u{2028}long long long text".as_bytes(),
];

/// Plays 150 seeded schedules, each on a session of its own. The store must be empty, so that no other session is in the way.
///
/// # Panics
/// When the store answers anything but what the record does, and names the seed; also when some outcome came up too rarely to prove anything.
pub async fn compare(store: &impl Store) {
    let mut seen = Seen::default();
    for seed in 1..=SCHEDULES {
        let mut schedule = Schedule::begin(store, seed, &mut seen).await;
        for step in 0..STEPS {
            schedule.step(step > STEPS * 2 / 3).await;
            schedule.look().await;
        }
    }
    seen.check();
}

/// What came up how often.
#[derive(Debug, Default)]
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
        let count = match applied {
            Applied::Done { proof: Proof::Grace, .. } => &mut self.grace,
            Applied::Done { proof: Proof::Reordered, .. } => &mut self.reordered,
            Applied::Done { .. } => &mut self.done,
            Applied::Conflict(_) => &mut self.conflict,
            Applied::TooLarge => &mut self.too_large,
            Applied::Superseded { .. } => &mut self.superseded,
            Applied::Expired => &mut self.expired,
            Applied::Ended { .. } => &mut self.ended,
            other => panic!("the record answers {other:?}"),
        };
        *count += 1;
    }

    fn check(&self) {
        let Self { done, conflict, too_large, superseded, expired, ended, grace, reordered, repeated, kept } = *self;
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
}

/// One session, in the store and beside it.
struct Schedule<'a, S> {
    store: &'a S,
    seen: &'a mut Seen,
    seed: u64,
    rng: Rng,
    ops: u64,
    now: Timestamp,
    key: RecordKey,
    record: Record,
    /// Every credential that was ever the client's.
    presented: Vec<Presented>,
    /// What was done, to be delivered again.
    last: Option<(OpCtx, Presented, Change)>,
}

impl<'a, S: Store> Schedule<'a, S> {
    async fn begin(store: &'a S, seed: u64, seen: &'a mut Seen) -> Self {
        let mut rng = Rng::new(seed);
        // Far from the system's time: a session's deadlines are judged by the operation's.
        let now = Timestamp::from_millis(4_000_000_000_000);
        let credential = Credential::issue(now, now + 60 * SECOND, now + 150 * SECOND).expect("randomness");
        let subject = Subject::from(credential);
        let new = subject.new_record(rng.once_in(2).then_some("ann"), Fields::default());
        let (key, presented, record) = (subject.key, vec![subject.presented], Record::new(new.clone()));
        let mut schedule = Self { store, seen, seed, rng, ops: 0, now, key, record, presented, last: None };
        let op = schedule.op();
        assert_eq!(store.create(op, key, &new).await.expect("create"), Created::Done, "{}", schedule.place());
        schedule
    }

    fn op(&mut self) -> OpCtx {
        self.ops += 1;
        let op_id = OpId::from_u128(u128::from(self.seed) << 64 | u128::from(self.ops));
        OpCtx { now: self.now, deadline: self.now + 10 * SECOND, op_id }
    }

    /// For messages.
    fn place(&self) -> String {
        format!("seed {}, operation {}", self.seed, self.ops)
    }

    /// A time of whole units, fewer than `bound`.
    fn some(&mut self, unit: Duration, bound: usize) -> Duration {
        unit * u32::try_from(self.rng.below(bound)).unwrap_or_default()
    }

    fn change(&mut self) -> Change {
        let mut change = Change { clear: self.rng.once_in(8), ..Change::new() };
        for _ in 0..self.rng.below(4) {
            let name = *self.rng.pick(&NAMES);
            change = if self.rng.once_in(3) { change.remove(name) } else { change.set(name, *self.rng.pick(&VALUES)) };
        }
        for _ in 0..self.rng.below(3) {
            let name = *self.rng.pick(&NAMES);
            let version = if self.rng.once_in(3) { FieldVersion::ABSENT } else { self.record.fields.version(name) };
            change = change.expect(name, version);
        }
        if self.rng.once_in(3) {
            change.renewal = Some(Renewal { idle_deadline: self.now + self.some(SECOND, 90), issued: self.now });
        }
        if self.rng.once_in(3) {
            change.max_size = self.rng.below(120);
        }
        change
    }

    async fn step(&mut self, may_end: bool) {
        self.now = self.now + self.some(Duration::from_millis(1), 4000);
        let by = if self.rng.once_in(2) { self.presented.last() } else { Some(self.rng.pick(&self.presented)) };
        let Some(by) = by.copied() else { return };
        let op = self.op();
        match self.rng.below(20) {
            0..=8 => self.apply(op, by).await,
            9 => self.deliver_again().await,
            10..=13 => self.rotate(op, by).await,
            14..=16 => self.load(op, by).await,
            17 => self.update_locked(op, by).await,
            18 => self.now = self.now + self.some(SECOND, 40),
            _ if may_end => self.end(op, by).await,
            _ => {}
        }
    }

    async fn apply(&mut self, op: OpCtx, by: Presented) {
        let change = self.change();
        let ours = self.record.apply(&op, &by, &change);
        let theirs = self.store.apply(op, self.key, by, &change).await.expect("apply");
        assert_eq!(theirs, ours, "{}: {change:?}", self.place());
        self.seen.note(&ours);
        if ours.is_done() {
            if let Some(renewal) = change.renewal
                && self.rng.once_in(2)
            {
                self.presented.push(Presented { issued: renewal.issued, ..by });
            }
            self.last = Some((op, by, change));
        }
    }

    /// The same once more, a little later and before its deadline.
    async fn deliver_again(&mut self) {
        let Some((op, by, change)) = &self.last else { return };
        if self.now < op.deadline {
            let ours = self.record.apply(op, by, change);
            let theirs = self.store.apply(*op, self.key, *by, change).await.expect("apply");
            assert_eq!(theirs, ours, "{}: delivered again", self.place());
            self.seen.repeated += 1;
        }
    }

    async fn rotate(&mut self, op: OpCtx, by: Presented) {
        let mut secret = [0; 16];
        secret[..8].copy_from_slice(&self.rng.next().to_be_bytes());
        let has_grace = !self.rng.once_in(3);
        let grace = self.some(Duration::from_millis(1), 9000);
        let rotation = Rotation {
            secret: SecretHash::from_bytes(secret),
            grace_until: has_grace.then(|| self.now + grace),
            principal: self.rng.once_in(2).then(|| Arc::from("bob")),
            idle_deadline: self.now + 60 * SECOND,
            overlap_since: self.now - 10 * SECOND,
        };
        let change = self.change();
        let ours = self.record.rotate(&op, &by, &rotation, &change);
        let theirs = self.store.rotate(op, self.key, by, &rotation, &change).await.expect("rotate");
        assert_eq!(theirs, ours, "{}", self.place());
        match ours {
            Rotated::Done { rotated: true, .. } => {
                self.presented.push(Presented { secret: rotation.secret, issued: self.now, ..by });
            }
            Rotated::Done { .. } => self.seen.kept += 1,
            Rotated::Refused(applied) => self.seen.note(&applied),
            other => panic!("the record answers {other:?}"),
        }
    }

    async fn load(&mut self, op: OpCtx, by: Presented) {
        let renewal = self.rng.once_in(2).then(|| Renewal { idle_deadline: self.now + 45 * SECOND, issued: self.now });
        if renewal.is_some() {
            self.record.apply(&op, &by, &Change { renewal, ..Change::new() });
            if self.rng.once_in(2) {
                self.presented.push(Presented { issued: self.now, ..by });
            }
        }
        let theirs = self.store.load(op, self.key, by, renewal).await.expect("load");
        assert_eq!(theirs, Loaded::judge(&self.record, &by, self.now), "{}", self.place());
    }

    /// Where the engine has locks.
    async fn update_locked(&mut self, op: OpCtx, by: Presented) {
        let change = self.change();
        let theirs = self.store.update_locked(op, self.key, by, &mut |_: &Fields| Ok(change.clone())).await.expect("update_locked");
        if let Some(theirs) = theirs {
            assert_eq!(theirs, self.record.apply(&op, &by, &change), "{}: {change:?}", self.place());
        }
    }

    async fn end(&mut self, op: OpCtx, by: Presented) {
        let (by, until) = ((!self.rng.once_in(3)).then_some(by), self.now + 500 * SECOND);
        let ours = end_in_place(&mut self.record, self.now, by.as_ref(), until);
        assert_eq!(self.store.end(op, self.key, by, until).await.expect("end"), ours, "{}", self.place());
    }

    /// What each credential finds now.
    async fn look(&mut self) {
        for by in self.presented.clone() {
            let op = self.op();
            let theirs = self.store.load(op, self.key, by, None).await.expect("load");
            assert_eq!(theirs, Loaded::judge(&self.record, &by, self.now), "{}: afterwards", self.place());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::compare;
    use crate::mutants::{BrokenStore, Defect};

    #[tokio::test]
    async fn what_answers_otherwise_is_caught() {
        let defects = [
            Defect::NoTombstone,
            Defect::NotIdempotent,
            Defect::RevivesExpired,
            Defect::RenewalMovesBack,
            Defect::AbsoluteMoves,
            Defect::GraceNeverEnds,
            Defect::PromoteKeepsOld,
            Defect::GraceRotates,
            Defect::SupersededEnds,
            Defect::IgnoresPreconditions,
        ];
        let mut unnoticed = Vec::new();
        for defect in defects {
            let caught = tokio::spawn(async move { compare(&BrokenStore::new(defect)).await }).await;
            if !caught.is_err_and(|error| error.is_panic()) {
                unnoticed.push(defect);
            }
        }
        assert_eq!(unnoticed, []);
    }
}
