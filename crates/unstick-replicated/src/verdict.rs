//! What the stores' answers amount to: a plain function.

use std::{sync::Arc, time::Duration};

use unstick_core::Timestamp;

use crate::{entry::Entry, replica::Held};

/// How long an expired record is kept, so that late writers find it expired rather than missing.
pub(crate) const SLACK: Duration = Duration::from_secs(300);

/// For how long a store's own tombstone is copied: it does not say until when it stands. Whoever uses the session copies it again.
const GRAVE: Duration = Duration::from_secs(30 * 24 * 3600);

/// One of the stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    A,
    B,
    Witness,
}

impl Slot {
    pub(crate) const ALL: [Self; 3] = [Self::A, Self::B, Self::Witness];
    pub(crate) const DATA: [Self; 2] = [Self::A, Self::B];
}

/// What is known of a store.
#[derive(Debug, Clone, Default)]
pub(crate) enum Answer {
    #[default]
    NotAsked,
    /// It failed to answer, or to take what it was sent.
    Failed,
    Holds(Held),
}

/// What is known of all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers([Answer; 3]);

impl Answers {
    pub(crate) fn set(&mut self, slot: Slot, answer: Answer) {
        self.0[slot as usize] = answer;
    }

    pub(crate) fn get(&self, slot: Slot) -> &Answer {
        &self.0[slot as usize]
    }

    pub(crate) fn held(&self, slot: Slot) -> Option<&Held> {
        match self.get(slot) {
            Answer::Holds(held) => Some(held),
            _ => None,
        }
    }

    pub(crate) fn entry(&self, slot: Slot) -> Option<&Arc<Entry>> {
        self.held(slot)?.entry()
    }

    pub(crate) fn count(&self) -> usize {
        Slot::ALL.into_iter().filter(|slot| self.held(*slot).is_some()).count()
    }

    fn not_asked(&self, witness: bool) -> Option<Slot> {
        let there = if witness { &Slot::ALL[..] } else { &Slot::DATA[..] };
        there.iter().copied().find(|slot| matches!(self.get(*slot), Answer::NotAsked))
    }
}

/// The state that two stores agree on.
#[derive(Debug, Clone)]
pub(crate) enum State {
    Nothing,
    /// Expired, and about to be swept.
    Spent,
    Entry(Arc<Entry>),
    /// By a store's own tombstone.
    Buried {
        at: Timestamp,
    },
}

impl State {
    pub(crate) fn version(&self) -> u64 {
        match self {
            Self::Entry(entry) => entry.version,
            _ => 0,
        }
    }
}

/// What to do about a set of answers.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// This is decided.
    Agreed(State),
    /// First let this store have this.
    Copy { to: Slot, entry: Arc<Entry> },
    /// First leave a tombstone here.
    Bury { to: Slot, at: Timestamp, until: Timestamp },
    /// First ask this one.
    Ask(Slot),
    /// Too few have answered.
    Short,
}

/// Judges. `witness` is whether there is one.
pub(crate) fn verdict(answers: &Answers, witness: bool, now: Timestamp) -> Verdict {
    let holders = || Slot::ALL.into_iter().filter_map(|slot| Some((slot, answers.held(slot)?)));
    let buried = holders().find_map(|(_, held)| match held {
        Held::Buried { at } => Some(*at),
        _ => None,
    });
    if let Some(at) = buried {
        let alive = holders().find_map(|(slot, held)| held.entry().filter(|entry| entry.ended().is_none()).map(|entry| (slot, entry)));
        if let Some((to, entry)) = alive {
            return Verdict::Bury { to, at, until: entry.record.idle_deadline + SLACK };
        }
        // Who has lost it must know it again before the other one is lost; and the witness may still have the session from an outage.
        let has_nothing = |slot: &Slot| matches!(answers.get(*slot), Answer::Holds(Held::Nothing));
        return match (Slot::DATA.into_iter().find(has_nothing), answers.not_asked(witness)) {
            (Some(_), Some(slot)) => Verdict::Ask(slot),
            (Some(to), None) => Verdict::Bury { to, at, until: now + GRAVE },
            (None, _) => Verdict::Agreed(State::Buried { at }),
        };
    }
    let Some(newest) = holders().filter_map(|(_, held)| Some(held.entry()?.version)).max() else {
        let spent = holders().any(|(_, held)| matches!(held, Held::Spent));
        return match answers.not_asked(witness) {
            _ if answers.count() >= 2 => Verdict::Agreed(if spent { State::Spent } else { State::Nothing }),
            Some(slot) => Verdict::Ask(slot),
            None => Verdict::Short,
        };
    };
    if answers.count() < 2 {
        return answers.not_asked(witness).map_or(Verdict::Short, Verdict::Ask); // another store may have a newer one
    }
    let both = (answers.held(Slot::A), answers.held(Slot::B));
    if let (Some(a), Some(b)) = both
        && !a.entry().zip(b.entry()).is_some_and(|(a, b)| a.is_same(b))
        && witness
        && matches!(answers.get(Slot::Witness), Answer::NotAsked)
    {
        // One has missed something, perhaps only this; the other one may have lost what it knew of that.
        return Verdict::Ask(Slot::Witness);
    }
    let at_newest = |slot| answers.entry(slot).filter(|entry| entry.version == newest);
    let entry = match (at_newest(Slot::A), at_newest(Slot::B), at_newest(Slot::Witness)) {
        (_, _, Some(decided)) => decided,
        (Some(a), Some(b), None) if !a.is_same(b) => match answers.get(Slot::Witness) {
            _ if !witness => b,
            // Nothing is decided, unless A has lost what it had when B was asked: writers go to A first, so B's was in both.
            Answer::Holds(held) if held.is_open() => return Verdict::Copy { to: Slot::Witness, entry: b.clone() },
            Answer::NotAsked => return Verdict::Ask(Slot::Witness),
            _ => return Verdict::Short,
        },
        (Some(one), _, None) | (None, Some(one), None) => one,
        (None, None, None) => return Verdict::Short,
    };
    if entry.record.is_collectable(now, SLACK) {
        return Verdict::Agreed(State::Entry(entry.clone()));
    }
    let has_it = |slot| answers.entry(slot).is_some_and(|held| held.is_same(entry));
    let decided = has_it(Slot::Witness) || Slot::DATA.into_iter().all(has_it);
    let behind = |slot: &Slot| answers.held(*slot).is_some_and(|held| held.is_open() && !has_it(*slot));
    if let Some(to) = Slot::DATA.into_iter().find(behind) {
        return Verdict::Copy { to, entry: entry.clone() };
    }
    if decided {
        return Verdict::Agreed(State::Entry(entry.clone()));
    }
    if witness && behind(&Slot::Witness) {
        return Verdict::Copy { to: Slot::Witness, entry: entry.clone() };
    }
    answers.not_asked(witness).map_or(Verdict::Short, Verdict::Ask)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unstick_core::Record;

    use super::*;
    use crate::replica::kept;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn entry(version: u64, proposal: u128) -> Arc<Entry> {
        let record = Record::tombstone(NOW, NOW + SLACK);
        Arc::new(Entry { version, proposal, record })
    }

    fn answer() -> impl Strategy<Value = Answer> {
        prop_oneof![
            Just(Answer::NotAsked),
            Just(Answer::Failed),
            Just(Answer::Holds(Held::Nothing)),
            Just(Answer::Holds(Held::Spent)),
            (1_u64..4, 0_u128..3).prop_map(|(version, proposal)| Answer::Holds(kept(entry(version, proposal)))),
        ]
    }

    proptest! {
        #[test]
        fn what_is_agreed_is_the_newest_and_on_two_stores(a in answer(), b in answer(), w in answer(), witness in any::<bool>()) {
            let w = if witness { w } else { Answer::NotAsked };
            let answers = Answers([a, b, w]);
            match verdict(&answers, witness, NOW) {
                Verdict::Agreed(state) => {
                    prop_assert!(answers.count() >= 2);
                    let newest = Slot::ALL.into_iter().filter_map(|slot| answers.entry(slot)).map(|entry| entry.version).max();
                    prop_assert_eq!(state.version(), newest.unwrap_or(0));
                    if let State::Entry(agreed) = state {
                        let held = Slot::ALL.into_iter().filter(|slot| answers.entry(*slot).is_some_and(|entry| entry.is_same(&agreed)));
                        prop_assert!(held.count() >= 2 || answers.entry(Slot::Witness).is_some_and(|entry| entry.is_same(&agreed)));
                    }
                }
                Verdict::Copy { to, entry } => {
                    // Never over something newer, and to the witness only what A or B has.
                    prop_assert!(answers.entry(to).is_none_or(|held| held.version <= entry.version && !held.is_same(&entry)));
                    let has_it = |slot: Slot| answers.entry(slot).is_some_and(|held| held.is_same(&entry));
                    prop_assert!(to != Slot::Witness || Slot::DATA.into_iter().any(has_it));
                    prop_assert!(answers.held(to).is_some_and(Held::is_open));
                }
                Verdict::Ask(slot) => {
                    prop_assert!(matches!(answers.get(slot), Answer::NotAsked) && (witness || slot != Slot::Witness));
                }
                Verdict::Bury { .. } => prop_assert!(false, "nothing is buried"),
                Verdict::Short => {}
            }
        }

        #[test]
        fn a_tombstone_of_a_store_is_final(other in answer(), version in 1_u64..4) {
            let live = Arc::new(Entry { record: Record { life: unstick_core::Life::Live, ..entry(version, 1).record.clone() }, ..(*entry(version, 1)).clone() });
            for held in [Held::Nothing, Held::Spent, kept(entry(version, 1)), kept(live)] {
                let ended = held.entry().is_none_or(|entry| entry.ended().is_some());
                let answers = Answers([Answer::Holds(Held::Buried { at: NOW }), Answer::Holds(held), other.clone()]);
                let nothing = matches!(answers.get(Slot::B), Answer::Holds(Held::Nothing));
                match verdict(&answers, true, NOW) {
                    Verdict::Agreed(State::Buried { at }) => prop_assert!(ended && !nothing && at == NOW),
                    Verdict::Bury { to, at, .. } => prop_assert!((!ended || nothing) && to == Slot::B && at == NOW),
                    Verdict::Ask(slot) => prop_assert!(nothing && slot == Slot::Witness),
                    other => prop_assert!(false, "{:?}", other),
                }
            }
        }
    }
}
