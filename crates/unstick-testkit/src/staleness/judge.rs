//! What may be, and what was.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    time::Duration,
};

use super::{Ledger, Read, Write};

/// For how long others may be served what was invalidated.
#[derive(Debug, Clone)]
pub struct Rules {
    others: Duration,
    eras: Vec<Era>,
}

#[derive(Debug, Clone, Copy)]
struct Era {
    node: usize,
    from: Duration,
    until: Duration,
    others: Duration,
}

impl Rules {
    /// For so long after an invalidation has returned, on any other node.
    #[must_use]
    pub const fn new(others: Duration) -> Self {
        Self { others, eras: Vec::new() }
    }

    /// On this node for so long only, while it knows that notices stay away: in requests that are sent and answered between these times.
    #[must_use]
    pub fn within(mut self, node: usize, from: Duration, until: Duration, others: Duration) -> Self {
        self.eras.push(Era { node, from, until, others });
        self
    }

    fn of(&self, read: &Read) -> Duration {
        let covers = |era: &&Era| era.node == read.node && era.from <= read.sent && read.received <= era.until;
        self.eras.iter().filter(covers).map(|era| era.others).fold(self.others, Duration::min)
    }
}

/// What was found. See the [module docs](super).
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Reads.
    pub reads: usize,
    /// Writes that were acknowledged.
    pub writes: usize,
    /// Of the reads: of a key that the client had written before. Without any, nothing is proved about the writer.
    pub after_own: usize,
    /// Of those: older than the client's own write.
    pub own: Vec<(Read, u64)>,
    /// Reads that were older than what the same node had invalidated before.
    pub here: Vec<(Read, u64)>,
    /// Reads older than the rules allow, and by how much they were late.
    pub others: Vec<(Read, Duration)>,
    /// Reads of what nobody had written.
    pub invented: Vec<Read>,
    /// Versions that two writes were told.
    pub doubled: usize,
    /// Reads of what another node had invalidated before.
    pub late: usize,
    /// The longest time from an invalidation to the sending of a request that did not get the new value.
    pub longest: Duration,
    /// Of the late reads, those in times for which a rule of its own was given: how late at most.
    pub longest_within: Duration,
}

impl Verdict {
    /// Whether everything was as it may be.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.own.is_empty() && self.here.is_empty() && self.others.is_empty() && self.invented.is_empty() && self.doubled == 0
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reads, writes, after_own, own, here, others, invented, doubled, late, longest, longest_within } = self;
        write!(f, "{reads} reads, {writes} writes; {} of {after_own} stale to the writer, {} on the writing node", own.len(), here.len())?;
        write!(f, ", {late} late to others by {longest:?} at most, {longest_within:?} in times of a shorter bound")?;
        write!(f, ", {} too late; {} invented, {doubled} doubled", others.len(), invented.len())?;
        let first = own.first().map(|(read, floor)| format!("; {read:?} after its own {floor}"));
        let first = first.or_else(|| here.first().map(|(read, floor)| format!("; {read:?} after that node's {floor}")));
        let first = first.or_else(|| others.first().map(|(read, late)| format!("; {read:?} late by {late:?}")));
        f.write_str(&first.or_else(|| invented.first().map(|read| format!("; {read:?} from nowhere"))).unwrap_or_default())
    }
}

/// Versions that are known from a moment on: the newest one known at a time.
#[derive(Debug, Default)]
struct Known(BTreeMap<Duration, u64>);

impl Known {
    fn add(&mut self, from: Duration, version: u64) {
        let version = version.max(self.at(from));
        self.0.insert(from, version);
        for (_, later) in self.0.range_mut(from..) {
            *later = version.max(*later);
        }
    }

    fn at(&self, time: Duration) -> u64 {
        self.0.range(..=time).next_back().map_or(0, |(_, version)| *version)
    }
}

/// The writes of a key by version, each with the first moment at which it or a newer one was settled.
fn superseded(writes: &[&Write]) -> BTreeMap<u64, Duration> {
    let mut first: BTreeMap<u64, Duration> = BTreeMap::new();
    for write in writes {
        let settled = first.entry(write.version).or_insert(write.settled);
        *settled = write.settled.min(*settled);
    }
    let mut earliest = Duration::MAX;
    for (_, settled) in first.iter_mut().rev() {
        earliest = earliest.min(*settled);
        *settled = earliest;
    }
    first
}

pub(super) fn judge(ledger: &Ledger, rules: &Rules) -> Verdict {
    let mut verdict = Verdict { reads: ledger.reads.len(), writes: ledger.writes.len(), ..Verdict::default() };
    let mut of_key: HashMap<u64, Vec<&Write>> = HashMap::new();
    let (mut of_client, mut of_node): (HashMap<_, Known>, HashMap<_, Known>) = Default::default();
    let mut written: HashMap<(u64, u64), &Write> = HashMap::new();
    for write in &ledger.writes {
        of_key.entry(write.key).or_default().push(write);
        of_client.entry((write.client, write.key)).or_default().add(write.received, write.version);
        of_node.entry((write.node, write.key)).or_default().add(write.settled, write.version);
        verdict.doubled += usize::from(written.insert((write.key, write.version), write).is_some());
    }
    let superseded: HashMap<u64, BTreeMap<u64, Duration>> = of_key.iter().map(|(key, writes)| (*key, self::superseded(writes))).collect();
    let mut unknown: HashMap<u64, HashSet<u64>> = HashMap::new();
    for read in &ledger.reads {
        let own = of_client.get(&(read.client, read.key)).map_or(0, |known| known.at(read.sent));
        verdict.after_own += usize::from(own > 0);
        if read.version < own {
            verdict.own.push((*read, own));
        }
        let here = of_node.get(&(read.node, read.key)).map_or(0, |known| known.at(read.sent));
        if read.version < here {
            verdict.here.push((*read, here));
        }
        let newer = superseded.get(&read.key).and_then(|versions| versions.range(read.version + 1..).next());
        if let Some((_, settled)) = newer
            && read.sent > *settled
        {
            let (late, allowed) = (read.sent - *settled, rules.of(read));
            verdict.late += 1;
            verdict.longest = verdict.longest.max(late);
            if allowed < rules.others {
                verdict.longest_within = verdict.longest_within.max(late);
            }
            if late > allowed {
                verdict.others.push((*read, late));
            }
        }
        match written.get(&(read.key, read.version)) {
            Some(write) if read.received < write.sent => verdict.invented.push(*read),
            None if read.version > 0 => {
                let unknown = unknown.entry(read.key).or_default();
                let is_new = unknown.insert(read.version);
                let unanswered = ledger.unanswered.get(&read.key).copied().unwrap_or(0);
                if is_new && unknown.len() as u64 > unanswered {
                    verdict.invented.push(*read);
                }
            }
            _ => {}
        }
    }
    verdict
}
