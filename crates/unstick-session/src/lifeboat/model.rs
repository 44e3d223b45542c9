//! Histories of outages, judged: what is merged, how often, and over what. The merge as it is passes every history; merges
//! that are broken on purpose are caught.

use std::{collections::HashMap, time::Duration};

use proptest::{prelude::*, test_runner::TestCaseError};
use unstick_core::{
    Applied, Change, Credential, FieldChange, FieldVersion, Life, Loaded, NewRecord, OpCtx, OpId, Precondition, Presented, Record,
    Timestamp,
};

use super::{
    manifest::{Manifest, Voyage},
    merge::{Decision, MARKER, Merge, merge},
};

const NAMES: [&str; 2] = ["cart", "wish"];
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is wrong with a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    None,
    /// Does not remember what it has merged, and relies on versions alone.
    MergesTwice,
    /// Puts what was carried into a new session when the old one has ended.
    MergesOntoEnded,
    /// Does not look at the version that the change started from.
    IgnoresVersions,
    /// Takes along who is logged in.
    CarriesPrincipal,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// The client changes a field, with the backend up.
    Write(usize, bool),
    /// Another device does.
    Other(usize, bool),
    /// The client changes a field in an outage.
    Local(usize, bool),
    /// The backend is back, and the client's lifeboat is merged; whether the answer arrives.
    Recover(bool),
    /// A copy of a lifeboat is presented.
    Replay(usize),
    End,
}

/// One change of one field in one lifeboat.
type Identity = ([u8; 16], usize, u16, Option<Vec<u8>>);

struct Sea {
    defect: Defect,
    record: Record,
    presented: Presented,
    now: Timestamp,
    next: u64,
    carried: Manifest,
    copies: Vec<(Manifest, OpId)>,
    /// How often a field was changed by anybody but the voyages, when a lifeboat was last clean and now.
    writes: [u64; 2],
    known: HashMap<[u8; 16], [u64; 2]>,
    /// Which voyage wrote a field last, if nobody has since.
    by: [Option<[u8; 16]>; 2],
    merged: Vec<Identity>,
    /// Voyages that were merged in part, and fields that a voyage has removed.
    in_parts: Vec<[u8; 16]>,
    removed: Vec<([u8; 16], usize)>,
}

impl Sea {
    fn new(defect: Defect) -> Self {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let credential = Credential::issue(now, now + DAY, now + DAY).unwrap();
        let presented = Presented::from(&credential);
        let record = Record::new(NewRecord {
            secret: presented.secret,
            principal: Some("ann".into()),
            created: now,
            idle_deadline: now + DAY,
            absolute_deadline: now + DAY,
            fields: unstick_core::Fields::default(),
        });
        let carried = Manifest::unknown(now, now + DAY);
        let mut sea = Self {
            defect,
            record,
            presented,
            now,
            next: 1,
            carried,
            copies: Vec::new(),
            writes: [0; 2],
            known: HashMap::new(),
            by: [None; 2],
            merged: Vec::new(),
            in_parts: Vec::new(),
            removed: Vec::new(),
        };
        sea.carried = sea.clean();
        sea
    }

    fn clean(&self) -> Manifest {
        let mut fields = self.record.fields.clone();
        let mut names: Vec<std::sync::Arc<str>> = NAMES.iter().map(|name| (*name).into()).collect();
        if self.defect == Defect::CarriesPrincipal
            && let Some(principal) = &self.record.principal
        {
            fields.set("principal".into(), unstick_core::Field { version: FieldVersion::from_u64(1), value: principal.to_string().into() });
            names.push("principal".into());
        }
        Manifest::of(names.iter(), &fields, self.now, self.now + DAY)
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.now = self.now + Duration::from_secs(3); // longer than operations are remembered for
        self.next
    }

    fn op(&mut self, id: OpId) -> OpCtx {
        OpCtx { now: self.now, deadline: self.now + Duration::from_secs(2), op_id: id }
    }

    fn delta(at: usize, sets: bool, value: u64) -> Change {
        if sets { Change::new().set(NAMES[at], value.to_string()) } else { Change::new().remove(NAMES[at]) }
    }

    fn step(&mut self, step: Step) -> Result<(), String> {
        let number = self.fresh();
        match step {
            Step::Write(at, sets) | Step::Other(at, sets) => {
                let (change, id) = (Self::delta(at, sets, number), OpId::from_u128(u128::from(number)));
                let op = self.op(id);
                // The client's own requests merge first.
                let own = matches!(step, Step::Write(..));
                if own && self.carried.voyage.is_some() {
                    self.step(Step::Recover(true))?;
                }
                if self.record.apply(&op, &self.presented, &change).is_done() {
                    self.writes[at] += 1;
                    self.by[at] = None;
                    if own {
                        self.carried.confirm(&change, id.field_version(), |_| true);
                    }
                }
            }
            Step::Local(at, sets) => {
                let voyage =
                    self.carried.voyage.map_or(Voyage { id: u128::from(number).to_be_bytes(), started: self.now, step: 1 }, |voyage| {
                        Voyage { step: voyage.step + 1, ..voyage }
                    });
                let known = self.carried.voyage.is_none().then_some(self.writes);
                if !self.carried.change(&Self::delta(at, sets, number), FieldVersion::ABSENT, voyage) {
                    return Err("a known field could not be changed".to_owned());
                }
                if let Some(known) = known {
                    // A lifeboat may be older than the session: then it knows as much as its versions.
                    let up_to_date =
                        |at: usize| self.carried.get(NAMES[at]).is_some_and(|entry| entry.base == self.record.fields.version(NAMES[at]));
                    self.known.insert(voyage.id, [0, 1].map(|at| if up_to_date(at) { known[at] } else { u64::MAX }));
                }
                if !sets {
                    self.removed.push((voyage.id, at));
                }
                self.copies.push((self.carried.clone(), OpId::from_u128(u128::from(number) << 64)));
            }
            Step::Recover(arrives) => {
                let Some((boat, id)) = self.copies.last().cloned().filter(|(boat, _)| *boat == self.carried) else { return Ok(()) };
                let alone = boat.voyage.is_some_and(|voyage| self.known.get(&voyage.id) == Some(&self.writes));
                let in_parts = boat.voyage.is_some_and(|voyage| self.in_parts.contains(&voyage.id));
                self.merge(&boat, id)?;
                let kept = |entry: &super::manifest::Entry| {
                    let at = NAMES.iter().position(|name| **name == *entry.name).unwrap_or(0);
                    let removed = boat.voyage.is_some_and(|voyage| self.removed.contains(&(voyage.id, at)));
                    let stored = self.record.fields.get(&entry.name).map(|field| &field.value);
                    entry.local.is_none() || stored == entry.value.as_ref() || (in_parts && removed)
                };
                if alone && matches!(self.record.life, Life::Live) && !boat.entries.iter().all(kept) {
                    return Err("a local change was lost although nobody else was there".to_owned());
                }
                if arrives {
                    self.carried = self.clean();
                }
            }
            Step::Replay(which) => {
                if !self.copies.is_empty() {
                    let (boat, id) = self.copies[which % self.copies.len()].clone();
                    self.merge(&boat, id)?;
                }
            }
            Step::End => self.record.end(self.now, self.now + DAY),
        }
        self.check()
    }

    /// One request with a lifeboat, from load to merge, with the defect in it.
    fn merge(&mut self, boat: &Manifest, id: OpId) -> Result<(), String> {
        let mut boat = boat.clone();
        let Loaded::Live(live) = Loaded::judge(&self.record, &self.presented, self.now) else {
            if self.defect == Defect::MergesOntoEnded {
                self.record.life = Life::Live;
                self.record.fields = boat.fields();
            }
            return Ok(());
        };
        let mut fields = live.fields;
        if self.defect == Defect::MergesTwice {
            fields.remove(MARKER);
        }
        if self.defect == Defect::IgnoresVersions {
            boat.entries.iter_mut().for_each(|entry| entry.base = fields.version(&entry.name));
        }
        let Merge::Apply { mut change, .. } = merge(&boat, &fields, id.field_version(), self.now, Duration::ZERO, |_| Decision::KeepStored)
        else {
            return Ok(());
        };
        if self.defect == Defect::MergesTwice {
            change.preconditions.retain(|Precondition { name, .. }| **name != *MARKER);
        }
        let voyage = boat.voyage.map_or([0; 16], |voyage| voyage.id);
        for (name, delta) in &change.fields {
            let Some(at) = NAMES.iter().position(|known| *known == &**name) else { continue };
            let last = boat.get(name).and_then(|entry| entry.local).map_or(0, |local| local.last);
            let value = match delta {
                FieldChange::Set(value) => Some(value.to_vec()),
                FieldChange::Remove => None,
            };
            let identity = (voyage, at, last, value);
            if self.merged.contains(&identity) {
                return Err("a change was merged twice".to_owned());
            }
            self.merged.push(identity);
            let touched_before = self.merged.iter().filter(|merged| merged.0 == voyage && merged.1 == at).count() > 1;
            let absent = self.record.fields.get(name).is_none() && !touched_before;
            let known = self.known.get(&voyage).is_some_and(|known| known[at] == self.writes[at]);
            if !(known || self.by[at] == Some(voyage) || absent) {
                return Err("a newer value was overwritten".to_owned());
            }
            self.by[at] = Some(voyage);
        }
        self.in_parts.push(voyage);
        let op = self.op(id);
        match self.record.apply(&op, &self.presented, &change) {
            Applied::Done { .. } => Ok(()),
            refused => Err(format!("a merge that was just decided was refused: {refused:?}")),
        }
    }

    fn check(&self) -> Result<(), String> {
        let stranger = |boat: &Manifest| boat.entries.iter().any(|entry| !NAMES.contains(&&*entry.name));
        if stranger(&self.carried) || self.copies.iter().any(|(boat, _)| stranger(boat)) {
            return Err("something is aboard that was not chosen".to_owned());
        }
        Ok(())
    }
}

/// Plays a history; why it is wrong, if it is.
fn judge(defect: Defect, steps: &[Step]) -> Result<(), String> {
    let mut sea = Sea::new(defect);
    let mut ended = false;
    for (at, step) in steps.iter().enumerate() {
        ended |= matches!(step, Step::End);
        sea.step(*step).map_err(|wrong| format!("{wrong}, at step {at}: {step:?}"))?;
        if ended && matches!(sea.record.life, Life::Live) {
            return Err(format!("an ended session was revived, at step {at}: {step:?}"));
        }
    }
    Ok(())
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let change = || (0..2_usize, any::<bool>());
    proptest::collection::vec(
        prop_oneof![
            3 => change().prop_map(|(at, sets)| Step::Write(at, sets)),
            2 => change().prop_map(|(at, sets)| Step::Other(at, sets)),
            4 => change().prop_map(|(at, sets)| Step::Local(at, sets)),
            3 => any::<bool>().prop_map(Step::Recover),
            4 => (0..16_usize).prop_map(Step::Replay),
            1 => Just(Step::End),
        ],
        1..40,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn every_history_is_merged_once_over_nothing_newer_and_never_revives(steps in steps()) {
        judge(Defect::None, &steps).map_err(TestCaseError::fail)?;
    }
}

/// A history on which the merge as it is does right, and a broken one does the wrong that is named.
fn caught(defect: Defect, steps: &[Step], wrong: &str) {
    assert_eq!(judge(Defect::None, steps), Ok(()));
    let told = judge(defect, steps);
    assert!(told.as_ref().is_err_and(|told| told.contains(wrong)), "{told:?}");
}

/// Merged, then taken out; a copy would put it back, as "absent" is what it started from.
#[test]
fn broken_merges_that_merge_twice_are_caught() {
    let steps = [Step::Local(0, true), Step::Recover(true), Step::Write(0, false), Step::Replay(0)];
    caught(Defect::MergesTwice, &steps, "merged twice");
}

#[test]
fn broken_merges_that_merge_onto_an_ended_session_are_caught() {
    let steps = [Step::Write(0, true), Step::Local(0, true), Step::End, Step::Recover(true)];
    caught(Defect::MergesOntoEnded, &steps, "revived");
}

#[test]
fn broken_merges_that_ignore_the_base_version_are_caught() {
    let steps = [Step::Write(0, true), Step::Local(0, true), Step::Other(0, true), Step::Recover(true)];
    caught(Defect::IgnoresVersions, &steps, "a newer value was overwritten");
}

#[test]
fn broken_merges_that_carry_the_principal_are_caught() {
    caught(Defect::CarriesPrincipal, &[Step::Recover(true), Step::Write(0, true)], "not chosen");
}
