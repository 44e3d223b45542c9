//! The script of the sale: what people click and when, and what happens to the fleet meanwhile. Pure: the same options make the same script.

use std::time::Duration;

use crate::{
    cli::{Mode, Options},
    rng::Rng,
};

/// How many clicks everybody makes.
pub(crate) const CLICKS: usize = 12;

/// One click.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Click {
    LogIn,
    /// Looks at the sale.
    Look,
    /// Puts an article into the cart.
    Add(u8),
    /// Changes the delivery note, which every node keeps in a cache.
    WriteNote,
    /// Reads it again.
    ReadNote,
    CheckOut,
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
    /// A node, or a process of nodes, goes without a word.
    Kill,
    /// A deploy: so many nodes are replaced, one after the other, and drained.
    Roll(usize),
}

/// When it happens: after so many thousandths of all clicks have been answered. By clicks and not by the clock, so that a slow machine holds the
/// same sale.
pub(crate) fn changes(options: &Options, mode: Mode) -> Vec<(usize, Change)> {
    let [_, more, most] = options.nodes;
    let mut all = vec![
        (80, Change::Unpin),
        (100, Change::Ask),
        (130, Change::Ask),
        (170, Change::Ask),
        (220, Change::Ask),
        (260, Change::ScaleTo(more)),
        (480, Change::Kill),
        (520, Change::ScaleTo(most)),
        (860, Change::Kill),
        (900, Change::Roll(2)),
    ];
    all.retain(|(_, change)| !matches!(change, Change::Unpin | Change::Ask) || mode == Mode::Unstick);
    all
}

/// Everybody's clicks. Most come before the doors open, as people do who wait for a sale, and so are there before the new nodes are; one in
/// twenty comes later.
pub(crate) fn journeys(options: &Options) -> Vec<Journey> {
    let mut rng = Rng::new(options.seed);
    let whole = options.seconds * 1000;
    let spread = |rng: &mut Rng| {
        let arrival = if rng.below(20) == 0 { whole * 12 / 100 + rng.below(whole * 40 / 100) } else { rng.below(whole * 12 / 100) };
        let clicks = clicks(rng);
        let step = (whole - arrival) / u64::try_from(clicks.len()).unwrap_or(1).max(1);
        let mut at = arrival;
        let timed = clicks.into_iter().map(|click| {
            let due = at + rng.below(step / 2);
            at += step;
            (Duration::from_millis(due), click)
        });
        Journey(timed.collect())
    };
    (0..options.shoppers).map(|_| spread(&mut rng)).collect()
}

/// Logs in, fills two carts in some order and pays for both.
fn clicks(rng: &mut Rng) -> Vec<Click> {
    let article = |rng: &mut Rng| Click::Add(u8::try_from(rng.below(20)).unwrap_or(0));
    let mut all = vec![Click::LogIn, article(rng)];
    for rest in [3, 4] {
        let mut some: Vec<Click> = (0..rest)
            .map(|_| match rng.below(6) {
                0 => Click::Look,
                1 => Click::WriteNote,
                2 => Click::ReadNote,
                _ => article(rng),
            })
            .collect();
        // Something to read again, and something to pay for, in every half.
        some[0] = if rng.below(2) == 0 { Click::WriteNote } else { some[0] };
        all.append(&mut some);
        all.push(Click::CheckOut);
        if rest == 3 {
            all.push(article(rng));
        }
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
