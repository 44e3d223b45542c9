use std::collections::BTreeMap;

/// Which nodes answered one client, in what pattern.
///
/// ```
/// use unstick_testkit::client::Spread;
///
/// let spread = Spread::of([("a", false), ("b", true), ("b", false), ("a", false)]);
/// assert_eq!((spread.total(), spread.longest_run, spread.pinned), (4, 2, 1));
/// assert!(spread.is_even(2, 0) && !spread.is_on_one());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spread {
    /// How many requests each node answered.
    pub counts: BTreeMap<String, usize>,
    /// The most requests in a row that one node answered.
    pub longest_run: usize,
    /// How many requests carried a pin.
    pub pinned: usize,
}

impl Spread {
    /// Of the node that answered and whether the request was pinned, request by request in their order.
    pub fn of<'a>(visits: impl IntoIterator<Item = (&'a str, bool)>) -> Self {
        let (mut spread, mut run, mut last) = (Self::default(), 0, None);
        for (node, is_pinned) in visits {
            *spread.counts.entry(node.to_owned()).or_default() += 1;
            run = if last == Some(node) { run + 1 } else { 1 };
            last = Some(node);
            spread.longest_run = spread.longest_run.max(run);
            spread.pinned += usize::from(is_pinned);
        }
        spread
    }

    /// How many requests there were.
    #[must_use]
    pub fn total(&self) -> usize {
        self.counts.values().sum()
    }

    /// Whether one node answered all of them.
    #[must_use]
    pub fn is_on_one(&self) -> bool {
        self.counts.len() == 1
    }

    /// Whether each of so many nodes answered its share, give or take `tolerance` requests.
    #[must_use]
    pub fn is_even(&self, nodes: usize, tolerance: usize) -> bool {
        let is_close = |count: &usize| (count * nodes).abs_diff(self.total()) <= tolerance * nodes;
        self.counts.len() == nodes && self.counts.values().all(is_close)
    }

    /// Both clients' counts together; runs and pins are each client's own, so the longest run of either, and the sum of pins.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for (node, count) in &other.counts {
            *self.counts.entry(node.clone()).or_default() += count;
        }
        self.longest_run = self.longest_run.max(other.longest_run);
        self.pinned += other.pinned;
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Spread;

    #[test]
    fn nobody_has_no_pattern() {
        let none = Spread::of([]);
        assert_eq!(none, Spread::default());
        assert!(!none.is_on_one() && !none.is_even(3, 3));
    }

    #[test]
    fn even_counts_every_node_and_the_tolerance_is_inclusive() {
        let spread = |counts: [usize; 3]| Spread::of(["a", "b", "c"].into_iter().zip(counts).flat_map(|(node, n)| vec![(node, false); n]));
        assert!(spread([20, 20, 20]).is_even(3, 0) && spread([17, 23, 20]).is_even(3, 3));
        assert!(!spread([16, 24, 20]).is_even(3, 3) && !spread([30, 30, 0]).is_even(3, 10));
        assert!(spread([60, 0, 0]).is_on_one() && !spread([60, 0, 0]).is_even(3, 3) && spread([60, 0, 0]).longest_run == 60);
    }

    proptest! {
        #[test]
        fn as_counted_by_hand(visits in prop::collection::vec((0_u8..3, any::<bool>()), 0..60), cut in 0_usize..60) {
            let visits: Vec<(String, bool)> = visits.into_iter().map(|(node, pinned)| (format!("n{node}"), pinned)).collect();
            let of = |visits: &[(String, bool)]| Spread::of(visits.iter().map(|(node, pinned)| (node.as_str(), *pinned)));
            let spread = of(&visits);
            prop_assert_eq!(spread.total(), visits.len());
            prop_assert_eq!(spread.pinned, visits.iter().filter(|(_, pinned)| *pinned).count());
            let longest = (1..=visits.len()).rev().find(|n| visits.windows(*n).any(|run| run.iter().all(|(node, _)| *node == run[0].0)));
            prop_assert_eq!(spread.longest_run, longest.unwrap_or(0));
            let (one, other) = visits.split_at(cut.min(visits.len()));
            let both = of(one).and(&of(other));
            prop_assert_eq!(both.counts, spread.counts);
            prop_assert!(both.longest_run <= spread.longest_run);
        }
    }
}
