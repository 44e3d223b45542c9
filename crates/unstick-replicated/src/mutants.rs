//! Pairs that are broken on purpose.

use std::sync::Arc;

use crate::{
    entry::Entry,
    replica::Held,
    verdict::{Answers, Slot, State, Verdict},
};

/// What is wrong with a pair. Each is a way in which pairs of stores have lost or revived data.
///
/// ```
/// assert!(unstick_replicated::Defect::ALL.contains(&unstick_replicated::Defect::GoesOnAlone));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Defect {
    /// A change is acknowledged when one store has it.
    AcknowledgesOneCopy,
    /// An end is acknowledged when one store has it.
    EndsOnOneStore,
    /// What A has is copied over what B has, be it newer or not.
    RepairsFromA,
    /// A node that reaches one store goes on with that one: nobody decides who may.
    GoesOnAlone,
    /// What is found in the newest version is taken for decided, and is not completed.
    BelievesOneStore,
    /// What a lone store does not have is taken for missing.
    AbsenceFromOne,
    /// Where A and B differ A is right, whatever the witness says.
    IgnoresTheWitness,
    /// A store's own tombstone is not copied to a store that has lost it.
    LosesTombstones,
}

impl Defect {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::AcknowledgesOneCopy,
        Self::EndsOnOneStore,
        Self::RepairsFromA,
        Self::GoesOnAlone,
        Self::BelievesOneStore,
        Self::AbsenceFromOne,
        Self::IgnoresTheWitness,
        Self::LosesTombstones,
    ];
}

/// A broken judgement, where the defect shows; else none.
pub(crate) fn judge(defect: Option<Defect>, answers: &Answers) -> Option<Verdict> {
    let agreed = |entry: &Arc<Entry>| Some(Verdict::Agreed(State::Entry(entry.clone())));
    let (a, b) = (answers.entry(Slot::A), answers.entry(Slot::B));
    match defect? {
        Defect::RepairsFromA => match (a, b) {
            (Some(a), Some(b)) if !a.is_same(b) => Some(Verdict::Copy { to: Slot::B, entry: a.clone() }),
            _ => None,
        },
        Defect::GoesOnAlone if answers.count() == 1 => {
            let entry = Slot::ALL.into_iter().find_map(|slot| answers.entry(slot));
            entry.map_or(Some(Verdict::Agreed(State::Nothing)), agreed)
        }
        Defect::BelievesOneStore => {
            let newest = Slot::ALL.into_iter().filter_map(|slot| answers.entry(slot)).max_by_key(|entry| entry.version);
            newest.filter(|_| answers.count() >= 2).and_then(agreed)
        }
        Defect::IgnoresTheWitness => match (a, b) {
            (Some(a), Some(b)) if a.version == b.version && !a.is_same(b) => Some(Verdict::Copy { to: Slot::B, entry: a.clone() }),
            _ => None,
        },
        Defect::LosesTombstones => {
            let mut held = Slot::ALL.into_iter().filter_map(|slot| answers.held(slot));
            let at = held.find_map(|held| if let Held::Buried { at } = held { Some(*at) } else { None })?;
            let is_alive = |slot| answers.entry(slot).is_some_and(|entry| entry.ended().is_none());
            (!Slot::ALL.into_iter().any(is_alive)).then_some(Verdict::Agreed(State::Buried { at }))
        }
        _ => None,
    }
}
