//! What was seen.

use std::{collections::HashMap, time::Duration};

use super::{Rules, Verdict, judge};

/// An acknowledged write: a new version of a key, and its invalidation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// Who.
    pub client: u64,
    /// What.
    pub key: u64,
    /// By which node.
    pub node: usize,
    /// The version that was written: from 1, growing in the order of commits. 0 was there before.
    pub version: u64,
    /// When the client sent the request.
    pub sent: Duration,
    /// When the invalidation had returned on the node; when that is not known, when the answer was received.
    pub settled: Duration,
    /// When the client had the headers of the answer.
    pub received: Duration,
}

/// An answered read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// Who.
    pub client: u64,
    /// What.
    pub key: u64,
    /// From which node.
    pub node: usize,
    /// What the client got.
    pub version: u64,
    /// When it sent the request, before it looked into its jar.
    pub sent: Duration,
    /// When it had the answer.
    pub received: Duration,
}

/// Everything that was seen, in any order.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    pub(super) writes: Vec<Write>,
    pub(super) reads: Vec<Read>,
    /// Per key, writes of which nobody knows whether they were made.
    pub(super) unanswered: HashMap<u64, u64>,
}

impl Ledger {
    /// An acknowledged write.
    pub fn wrote(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// A write without an answer: its version may turn up.
    pub fn wrote_perhaps(&mut self, key: u64) {
        *self.unanswered.entry(key).or_default() += 1;
    }

    /// An answered read.
    pub fn read(&mut self, read: Read) {
        self.reads.push(read);
    }

    /// Whether every write of the key was answered.
    #[must_use]
    pub fn is_certain(&self, key: u64) -> bool {
        !self.unanswered.contains_key(&key)
    }

    /// Adds another client's.
    pub fn append(&mut self, other: Self) {
        self.writes.extend(other.writes);
        self.reads.extend(other.reads);
        for (key, count) in other.unanswered {
            *self.unanswered.entry(key).or_default() += count;
        }
    }

    /// The writes that were acknowledged.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// The reads.
    #[must_use]
    pub fn reads(&self) -> &[Read] {
        &self.reads
    }

    /// Who was served something that was too old.
    #[must_use]
    pub fn judge(&self, rules: &Rules) -> Verdict {
        judge::judge(self, rules)
    }
}
