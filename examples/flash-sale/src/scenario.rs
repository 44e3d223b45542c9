//! The script of the sale: what people click and when, and what happens to the fleet meanwhile. Pure: the same options make the same script.

use std::time::Duration;

use crate::{
    cli::{Mode, Options},
    rng::Rng,
};

/// How many clicks everybody makes.
pub(crate) const CLICKS: usize = 16;

/// How often a note is read after it was written: often enough to meet a node that remembers it.
const READS: usize = 3;

/// How many nodes a deploy replaces while people shop: a fifth of all.
pub(crate) fn rolled([_, _, most]: [usize; 3]) -> usize {
    (most / 5).max(2)
}

/// One click.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Click {
    LogIn,
    /// Looks at the sale.
    Look,
    /// Puts an article into the cart.
    Add(u8),
    /// Changes the delivery note, which every node keeps in a cache. Always followed by reading it three times.
    WriteNote,
    /// Reads it again.
    ReadNote,
    CheckOut,
}

impl Click {
    /// Notes belong to a customer's number, which people have in their heads.
    pub(crate) const fn needs_login(self) -> bool {
        matches!(self, Self::Look | Self::Add(_) | Self::CheckOut)
    }
}

/// Somebody's clicks, each with its time since the doors opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Journey(pub(crate) Vec<(Duration, Click)>);

/// What happens to the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The nodes begin to un-pin.
    Unpin,
    /// The nodes are asked how many requests are still pinned.
    Ask,
    /// More nodes, to this number.
    ScaleTo(usize),
    /// A node, by the seed, or the process that it lives in, goes without a word.
    Kill,
    /// A deploy: so many nodes, by the seed, are replaced, in one batch, and drained.
    Roll(usize),
}

/// When it happens: after so many thousandths of all clicks have been answered. By clicks and not by the clock, so that a slow machine holds the
/// same sale.
pub(crate) fn changes(options: &Options, mode: Mode) -> Vec<(usize, Change)> {
    let [_, more, most] = options.nodes;
    let mut all = vec![
        (80, Change::Unpin),
        (95, Change::Ask),
        (115, Change::Ask),
        (140, Change::Ask),
        (170, Change::Ask),
        (200, Change::ScaleTo(more)),
        (380, Change::Kill),
        (420, Change::ScaleTo(most)),
        (780, Change::Kill),
        (840, Change::Roll(rolled(options.nodes))),
    ];
    all.retain(|(_, change)| !matches!(change, Change::Unpin | Change::Ask) || mode == Mode::Unstick);
    all
}

/// Everybody's clicks. Half of the people come within the first tenth of the time, as they do when a sale was announced; the others come evenly until
/// four fifths of it are over, so that a share meets each size of the fleet. All stay to the end: who comes late is in a hurry.
pub(crate) fn journeys(options: &Options) -> Vec<Journey> {
    let mut rng = Rng::new(options.seed);
    let whole = options.seconds * 1000;
    let arrival = |rng: &mut Rng| match rng.below(2) {
        0 => rng.below(whole / 10),
        _ => whole / 10 + rng.below(whole * 7 / 10),
    };
    let journey = |rng: &mut Rng| {
        let arrival = arrival(rng);
        journey(rng, arrival, whole)
    };
    (0..options.shoppers).map(|_| journey(&mut rng)).collect()
}

/// People who come after all others: so many that whatever is still to come has somebody to happen to.
pub(crate) fn latecomers(options: &Options, after: usize, now: Duration) -> Vec<Journey> {
    let mut rng = Rng::new(options.seed ^ u64::try_from(after).unwrap_or(0));
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    (0..options.shoppers.div_ceil(10)).map(|_| journey(&mut rng, now, now.saturating_add(options.seconds * 1000 / 4))).collect()
}

/// The clicks of one person, spread over the time from one millisecond to another.
fn journey(rng: &mut Rng, from: u64, to: u64) -> Journey {
    let clicks = clicks(rng);
    let step = (to - from) / u64::try_from(clicks.len()).unwrap_or(1).max(1);
    let mut at = from;
    let timed = clicks.into_iter().map(|click| {
        let due = at + rng.below(step / 2);
        at += step;
        (Duration::from_millis(due), click)
    });
    Journey(timed.collect())
}

/// Logs in, fills two carts in some order, writes a note meanwhile, looks whether it is there, and pays for both.
fn clicks(rng: &mut Rng) -> Vec<Click> {
    let article = |rng: &mut Rng| Click::Add(u8::try_from(rng.below(20)).unwrap_or(0));
    let mut all = vec![Click::LogIn];
    for rest in [2, 1] {
        all.push(article(rng));
        all.push(Click::WriteNote);
        all.extend([Click::ReadNote; READS]);
        all.extend((0..rest).map(|_| match rng.below(6) {
            0 => Click::Look,
            1 => Click::ReadNote,
            _ => article(rng),
        }));
        all.push(Click::CheckOut);
    }
    debug_assert_eq!(all.len(), CLICKS);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_people() {
        let options = Options::default();
        assert_eq!(journeys(&options), journeys(&options));
        assert_ne!(journeys(&options), journeys(&Options { seed: 2, ..options }));
    }

    #[test]
    fn everybody_logs_in_first_pays_last_and_clicks_in_order() {
        let options = Options::default();
        for Journey(clicks) in journeys(&options) {
            assert_eq!(clicks.len(), CLICKS);
            assert_eq!((clicks[0].1, clicks[CLICKS - 1].1), (Click::LogIn, Click::CheckOut));
            assert!(clicks.is_sorted_by_key(|(due, _)| *due));
            assert!(clicks.iter().all(|(due, _)| due.as_secs() < options.seconds));
            let mut lines = 0;
            for (_, click) in clicks {
                match click {
                    Click::Add(_) => lines += 1,
                    Click::CheckOut => assert_ne!(std::mem::take(&mut lines), 0, "nobody pays for nothing"),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn a_share_of_the_people_meets_each_size_of_the_fleet() {
        for options in [Options::default(), Options { nodes: [3, 6, 9], shoppers: 60, seconds: 5, ..Options::default() }] {
            let journeys = journeys(&options);
            let mut due: Vec<Duration> = journeys.iter().flat_map(|Journey(clicks)| clicks.iter().map(|(due, _)| *due)).collect();
            due.sort_unstable();
            let scaled = changes(&options, Mode::Sticky).into_iter().filter(|(_, change)| matches!(change, Change::ScaleTo(_)));
            let mut ends: Vec<Duration> = scaled.map(|(thousandth, _)| due[due.len() * thousandth / 1000]).collect();
            ends.push(Duration::MAX);
            let mut met = [0; 3];
            for Journey(clicks) in &journeys {
                met[ends.iter().position(|end| clicks[0].0 < *end).unwrap()] += 1;
            }
            assert!(met.iter().all(|people| people * 10 >= options.shoppers), "{met:?} of {}", options.shoppers);
        }
    }

    #[test]
    fn what_is_written_is_read_and_latecomers_come_late() {
        let options = Options::default();
        let late = latecomers(&options, 7, Duration::from_secs(30));
        assert_eq!(late.len(), 30);
        assert!(late.iter().all(|Journey(clicks)| clicks[0].0 >= Duration::from_secs(30)));
        for Journey(clicks) in journeys(&options).into_iter().chain(late) {
            let clicks: Vec<Click> = clicks.into_iter().map(|(_, click)| click).collect();
            let written = clicks.iter().enumerate().filter(|(_, click)| **click == Click::WriteNote).map(|(at, _)| at);
            assert_eq!(written.clone().count(), 2);
            written.for_each(|at| assert_eq!(clicks[at + 1..=at + READS], [Click::ReadNote; READS]));
        }
    }

    #[test]
    fn there_are_enough_clicks_for_a_full_window_after_each_scale_out() {
        for line in [Options::default(), Options { nodes: [3, 6, 9], shoppers: 60, seconds: 5, ..Options::default() }] {
            let clicks = line.shoppers * CLICKS;
            let all = changes(&line, Mode::Unstick);
            for pair in all.windows(2) {
                if let Change::ScaleTo(nodes) = pair[0].1 {
                    assert!(clicks * (pair[1].0 - pair[0].0) / 1000 >= nodes * crate::measure::PER_NODE, "{nodes}");
                }
            }
        }
    }
}
