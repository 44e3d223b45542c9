//! What a client's marker says about a pin, and what to tell the client next.
//!
//! A pin that is there although its deletion was told was either *kept*: no form of deletion matched it, so the next forms are told; or
//! it went and was set *again*: the balancer writes its cookie after the application, and the form that worked is told again.

use crate::marker::{Entry, Run, State};

/// All forms are told so many times before giving up.
pub(crate) const CYCLES: u8 = 2;
/// Responses in a row by one node that are taken for a pin. By chance, one of n nodes answers so many in a row with a probability of 1 in
/// n to the 7th: 1 in 128 of the runs for two nodes, 1 in 2187 for three, 1 in 78125 for five.
pub(crate) const ROUTE_RUN: u16 = 8;

/// How it stands with a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not told yet, as far as the client remembers, or not any more.
    First,
    /// Told, and it is still there.
    Kept,
    /// It had gone, and is there.
    Again,
    /// Told, and it went.
    Gone,
}

/// What to tell a client about a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Telling {
    /// What its marker will say.
    pub(crate) state: State,
    /// The likely forms.
    pub(crate) likely: bool,
    /// Of the further forms, the first to tell.
    pub(crate) from: u16,
    /// At most so many of them.
    pub(crate) limit: u8,
}

/// About a pin that the request carries. `is_always`: it is told with every response, also after all was tried in vain.
pub(crate) fn present(entry: Option<&Entry>, is_always: bool) -> Verdict {
    match entry.map(|entry| entry.state) {
        None => Verdict::First,
        // No answer: nothing was told. One such client would outweigh all others.
        Some(State::Stopped) if !is_always => Verdict::First,
        Some(State::Told(_) | State::Stopped) => Verdict::Kept,
        Some(State::Retold | State::Gone) => Verdict::Again,
    }
}

/// About a pin that the marker knows and the request, going to `place`, does not carry. `None`: nothing new.
pub(crate) fn absent(entry: &Entry, place: u16) -> Option<Verdict> {
    let would_be_sent = entry.place == 0 || entry.place == place;
    (would_be_sent && entry.state != State::Gone).then_some(Verdict::Gone)
}

/// What to tell about a pin that the request carries and that has `further` forms beyond the likely ones.
pub(crate) fn telling(entry: Option<&Entry>, further: usize) -> Telling {
    let Some(entry) = entry else { return Telling { state: State::Told(0), likely: true, from: 0, limit: 0 } };
    let stopped = Telling { state: State::Stopped, likely: false, from: 0, limit: 0 };
    match entry.state {
        State::Stopped => stopped,
        // A late response to an earlier request may have set it, so what worked gets a second chance.
        State::Gone | State::Retold => {
            let state = if entry.state == State::Gone { State::Retold } else { State::Told(0) };
            let (from, limit) = if usize::from(entry.from) < further { (entry.from, entry.count) } else { (0, 0) };
            Telling { state, likely: true, from, limit }
        }
        State::Told(cycles) => {
            let next = entry.from.saturating_add(entry.count.into());
            let (cycles, from) = if usize::from(next) < further { (cycles, next) } else { (cycles.saturating_add(1), 0) };
            if cycles < CYCLES { Telling { state: State::Told(cycles), likely: true, from, limit: u8::MAX } } else { stopped }
        }
    }
}

/// What the marker remembers of a pin after `told` was done with `sent` further forms.
pub(crate) fn next(key: crate::marker::Key, told: Telling, sent: u8, place: u16) -> Entry {
    let (state, count) = match told.state {
        // No room for any: that must not go on forever either.
        State::Told(cycles) if told.limit == u8::MAX && sent == 0 => (State::Told(cycles.saturating_add(1)), 0),
        state if told.limit == u8::MAX => (state, sent),
        state => (state, told.limit),
    };
    Entry { key, state, from: told.from, count, place }
}

/// Where the pin's absence means something, after it was seen at `here` and before that at `before`.
pub(crate) fn seen_at(before: Option<u16>, here: u16) -> u16 {
    if before.is_none_or(|before| before == here) { here } else { 0 }
}

/// The run of responses after another one by `node`.
pub(crate) fn run(before: Option<Run>, node: u32) -> Run {
    const LONGEST: u16 = (1 << 12) - 1;
    match before {
        Some(run) if run.node == node => Run { node, length: run.length.saturating_add(1).min(LONGEST) },
        _ => Run { node, length: 1 },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{CYCLES, Verdict, absent, next, present, run, seen_at, telling};
    use crate::marker::{Entry, Key, Run, State, tests::any_entry};

    const KEY: Key = Key { label: 1, name: 2 };

    fn told(entry: Option<&Entry>, further: usize, room: u8) -> Entry {
        let told = telling(entry, further);
        let left = further.saturating_sub(told.from.into());
        let sent = told.limit.min(room).min(u8::try_from(left).unwrap());
        next(KEY, told, sent, 0)
    }

    #[test]
    fn a_pin_that_goes_and_comes_is_told_what_worked() {
        let first = told(None, 20, 5);
        assert_eq!((first.state, first.from, first.count), (State::Told(0), 0, 0));
        let second = told(Some(&first), 20, 5);
        assert_eq!((second.state, second.from, second.count), (State::Told(0), 0, 5));
        let third = told(Some(&second), 20, 5);
        assert_eq!((present(Some(&third), false), third.from, third.count), (Verdict::Kept, 5, 5));
        assert_eq!(absent(&third, 7), Some(Verdict::Gone));
        let gone = Entry { state: State::Gone, ..third };
        assert_eq!((absent(&gone, 7), present(Some(&gone), false)), (None, Verdict::Again));
        let again = told(Some(&gone), 20, 5);
        assert_eq!((again.state, again.from, again.count), (State::Retold, 5, 5));
        let once_more = told(Some(&again), 20, 5);
        assert_eq!((once_more.state, once_more.from, once_more.count), (State::Told(0), 5, 5));
        assert_eq!(told(Some(&once_more), 20, 5).from, 10);
    }

    #[test]
    fn absence_means_something_only_where_the_pin_was_seen() {
        let entry = Entry { key: KEY, state: State::Told(0), from: 0, count: 0, place: 7 };
        assert_eq!((absent(&entry, 7), absent(&entry, 8), absent(&entry, 0)), (Some(Verdict::Gone), None, None));
        assert_eq!((seen_at(None, 7), seen_at(Some(7), 7), seen_at(Some(7), 8), seen_at(Some(0), 8)), (7, 7, 0, 0));
    }

    #[test]
    fn a_run_is_as_long_as_one_node_answers() {
        let mut at = None;
        for length in 1..=9 {
            at = Some(run(at, 5));
            assert_eq!(at, Some(Run { node: 5, length }));
        }
        assert_eq!(run(at, 6), Run { node: 6, length: 1 });
        assert_eq!(run(Some(Run { node: 5, length: 4095 }), 5).length, 4095);
    }

    proptest! {
        #[test]
        fn every_form_has_its_turn_and_then_it_stops(further in 0usize..100, rooms in prop::collection::vec(1u8..7, 250)) {
            let mut times = vec![0; further];
            let mut entry = told(None, further, 0);
            for room in rooms {
                let telling = telling(Some(&entry), further);
                prop_assert!(telling.likely || telling.state == State::Stopped);
                let after = told(Some(&entry), further, room);
                if telling.limit > 0 {
                    times[usize::from(after.from)..usize::from(after.from) + usize::from(after.count)].iter_mut().for_each(|times| *times += 1);
                }
                entry = after;
            }
            prop_assert_eq!(entry.state, State::Stopped);
            prop_assert!(times.iter().all(|times| *times == CYCLES), "{:?}", times);
        }

        #[test]
        fn any_marker_ends_within_a_bound(entry in any_entry(), further in 0usize..100, room in 0u8..7) {
            let mut entry = entry;
            let mut requests = 0;
            while entry.state != State::Stopped {
                let telling = telling(Some(&entry), further);
                prop_assert!(telling.from == 0 || usize::from(telling.from) < further);
                entry = told(Some(&entry), further, room);
                requests += 1;
                prop_assert!(requests < 300, "{:?}", entry);
            }
        }
    }
}
