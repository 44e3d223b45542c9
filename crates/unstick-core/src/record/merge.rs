//! Merging a change into a record: the reference behaviour of every store.

use std::time::Duration;

use super::{Change, Field, FieldChange, FieldVersion, Life, PreviousSecret, Proof, Record, Rotation, Standing};
use crate::{Applied, OpCtx, Presented, Rotated, Timestamp};

impl Record {
    fn remember(&mut self, op: &OpCtx) {
        self.applied.retain(|(_, deadline)| *deadline > op.now);
        self.applied.push((op.op_id, op.deadline));
    }

    fn was_applied(&self, op: &OpCtx) -> bool {
        self.applied.iter().any(|(id, _)| *id == op.op_id)
    }

    /// Applies a change as one step, exactly as [`Store::apply`](crate::Store::apply) promises.
    pub fn apply(&mut self, op: &OpCtx, presented: &Presented, change: &Change) -> Applied {
        let proof = match self.standing(presented, op.now) {
            Standing::Live(proof) => proof,
            Standing::Superseded { at } => return Applied::Superseded { at },
            Standing::Ended { at } => return Applied::Ended { at },
            Standing::Expired => return Applied::Expired,
        };
        if !self.was_applied(op) {
            if let Err(refused) = self.merge(op, change) {
                return refused;
            }
            self.remember(op);
        }
        Applied::Done { proof, idle_deadline: self.idle_deadline }
    }

    fn merge(&mut self, op: &OpCtx, change: &Change) -> Result<(), Applied> {
        let holds = |expected: &super::Precondition| self.fields.version(&expected.name) == expected.version;
        if !change.preconditions.iter().all(holds) {
            return Err(Applied::Conflict(self.fields.clone()));
        }
        if change.max_size > 0 {
            // Counted first, so that the fields are then changed in place: a second handle to them would copy them all.
            let (before, after) = (self.fields.size(), change.size_after(&self.fields));
            if after > change.max_size && after > before {
                return Err(Applied::TooLarge);
            }
        }
        change.merge_into(&mut self.fields, op.op_id.field_version());
        if let Some(renewal) = change.renewal {
            self.idle_deadline = self.idle_deadline.max(renewal.idle_deadline).min(self.absolute_deadline);
            self.reissued = self.reissued.max(renewal.issued);
        }
        Ok(())
    }

    /// Replaces the secret and applies a change as one step, exactly as [`Store::rotate`](crate::Store::rotate) promises.
    pub fn rotate(&mut self, op: &OpCtx, presented: &Presented, rotation: &Rotation, change: &Change) -> Rotated {
        if self.was_applied(op) && matches!(self.life, Life::Live) {
            let rotated = self.secret == rotation.secret;
            return Rotated::Done { rotated, idle_deadline: self.idle_deadline };
        }
        let proof = match self.standing(presented, op.now) {
            Standing::Live(proof) => proof,
            Standing::Superseded { at } => return Rotated::Refused(Applied::Superseded { at }),
            Standing::Ended { at } => return Rotated::Refused(Applied::Ended { at }),
            Standing::Expired => return Rotated::Refused(Applied::Expired),
        };
        if proof == Proof::Grace && rotation.grace_until.is_none() {
            return Rotated::Refused(Applied::Superseded { at: self.rotated });
        }
        if let Err(refused) = self.merge(op, change) {
            return Rotated::Refused(refused);
        }
        self.remember(op);
        if proof == Proof::Grace {
            return Rotated::Done { rotated: false, idle_deadline: self.idle_deadline };
        }
        self.previous = rotation.grace_until.map(|grace_until| PreviousSecret {
            secret: self.secret,
            grace_until,
            reissued_since: if self.reissued >= rotation.overlap_since {
                rotation.overlap_since.max(self.rotated + Duration::from_millis(1))
            } else {
                Timestamp::ZERO
            },
        });
        self.secret = rotation.secret;
        self.rotated = op.now;
        self.reissued = Timestamp::ZERO;
        self.idle_deadline = self.idle_deadline.max(rotation.idle_deadline).min(self.absolute_deadline);
        if let Some(principal) = &rotation.principal {
            self.principal = Some(principal.clone());
        }
        Rotated::Done { rotated: true, idle_deadline: self.idle_deadline }
    }

    /// Turns the record into a tombstone kept until `until`. Data, principal and secrets are dropped.
    pub fn end(&mut self, at: Timestamp, until: Timestamp) {
        *self = match self.life {
            Life::Live => Self::tombstone(at, until),
            Life::Ended { at: first, until: before } => Self::tombstone(first, until.max(before)),
        };
    }
}

impl Change {
    /// What [`Fields::size`](super::Fields::size) will be after [`merge_into`](Self::merge_into).
    fn size_after(&self, fields: &super::Fields) -> usize {
        // The last delta of a name counts, as it does when they are applied one after another.
        let last = |at: usize, name: &str| self.fields[at + 1..].iter().all(|(later, _)| **later != *name);
        let deltas = self.fields.iter().enumerate().filter(|(at, (name, _))| last(*at, name));
        let mut size = if self.clear { 0 } else { fields.size() };
        for (_, (name, change)) in deltas {
            if !self.clear
                && let Some(old) = fields.get(name)
            {
                size -= name.len() + old.value.len();
            }
            if let FieldChange::Set(value) = change {
                size += name.len() + value.len();
            }
        }
        size
    }

    /// Applies the deltas to `fields`, writing `version` to each field that is set.
    pub fn merge_into(&self, fields: &mut super::Fields, version: FieldVersion) {
        if self.clear {
            fields.clear();
        }
        for (name, change) in &self.fields {
            match change {
                FieldChange::Set(value) => fields.set(name.clone(), Field { version, value: value.clone() }),
                FieldChange::Remove => {
                    fields.remove(name);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::Fields;

    proptest! {
        #[test]
        fn the_size_is_known_before_the_change_is_applied(
            fields in proptest::collection::vec(("[a-d]", 0usize..9), 0..4),
            deltas in proptest::collection::vec(("[a-d]", proptest::option::of(0usize..9)), 0..6),
            clear in any::<bool>(),
        ) {
            let version = FieldVersion::from_u64(1);
            let field = |(name, length): (String, usize)| (name.into(), Field { version, value: Bytes::from(vec![0; length]) });
            let mut fields: Fields = fields.into_iter().map(field).collect();
            // Pushed without `put`, so that a name may come twice.
            let delta = |length: Option<usize>| length.map_or(FieldChange::Remove, |length| FieldChange::Set(Bytes::from(vec![1; length])));
            let deltas = deltas.into_iter().map(|(name, length)| (name.into(), delta(length))).collect();
            let change = Change { clear, fields: deltas, ..Change::new() };
            let expected = change.size_after(&fields);
            change.merge_into(&mut fields, version);
            prop_assert_eq!(fields.size(), expected);
        }
    }
}
