//! Writes at a steady rate, whether or not the last was answered.

use std::{collections::BTreeMap, time::Instant};

use unstick_core::ErrorKind;

use super::*;

const EVERY: Duration = Duration::from_millis(10);

struct Call {
    sent: Duration,
    took: Duration,
    failed: Option<ErrorKind>,
    key: usize,
}

/// What became of a load during which a fault was made.
pub(super) struct Outcome {
    calls: Vec<Call>,
    fault: Duration,
    deadline: Duration,
}

impl Outcome {
    /// From the fault until the first of the calls on the keys that were hit that was answered with success and after which a second long none failed.
    fn recovered(&self, keys: &[usize]) -> Option<Duration> {
        let hit = |call: &&Call| keys.contains(&call.key) && call.sent >= self.fault;
        let last_failure = self.calls.iter().filter(hit).filter(|call| call.failed.is_some()).map(|call| call.sent).max();
        let first = self.calls.iter().filter(hit).filter(|call| call.failed.is_none() && Some(call.sent) > last_failure);
        first.map(|call| call.sent + call.took).min().map(|at| at.saturating_sub(self.fault))
    }

    pub(super) fn assert_no_failure(&self, what: &str) {
        let failed = self.calls.iter().filter_map(|call| call.failed).count();
        let longest = self.calls.iter().map(|call| call.took).max().unwrap_or_default();
        println!("{what}: {} calls, {failed} failed, the longest took {longest:?}", self.calls.len());
        assert_eq!(failed, 0, "{what}");
    }

    pub(super) fn assert_recovered(&self, what: &str, keys: &[usize], within: Duration) {
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for call in &self.calls {
            *kinds.entry(call.failed.map_or("ok", ErrorKind::as_str)).or_default() += 1;
        }
        let longest = self.calls.iter().map(|call| call.took).max().unwrap_or_default();
        let recovered = self.recovered(keys);
        println!("{what}: recovered {recovered:?} after the fault; calls {kinds:?}; the longest took {longest:?}");
        assert!(longest < self.deadline + seconds(3), "{what}: a call took {longest:?}");
        assert!(kinds.len() > 1, "{what}: the fault was not felt");
        let recovered = recovered.unwrap_or_else(|| panic!("{what}: never recovered"));
        assert!(recovered < within, "{what}: {recovered:?}");
    }
}

/// Writes to the keys in turn: a second before the fault, and `after` it.
pub(super) async fn under_load(
    client: &RedisClient,
    keys: &[String],
    deadline: Duration,
    fault: impl FnOnce(),
    after: Duration,
) -> Outcome {
    let start = Instant::now();
    let (mut calls, mut fault, mut fault_at) = (tokio::task::JoinSet::new(), Some(fault), Duration::MAX);
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    for n in 0.. {
        ticks.tick().await;
        let sent = start.elapsed();
        if sent >= seconds(1)
            && let Some(fault) = fault.take()
        {
            fault_at = start.elapsed();
            fault();
        }
        if fault.is_none() && sent > fault_at.saturating_add(after) {
            break;
        }
        let (client, key) = (client.clone(), keys[n % keys.len()].clone());
        calls.spawn(async move {
            let before = Instant::now();
            let failed = set_by(&client, op(deadline), &key, &n.to_string()).await.err().map(|error| error.kind());
            (n, sent, before.elapsed(), failed)
        });
    }
    let calls = calls.join_all().await;
    let calls = calls.into_iter().map(|(n, sent, took, failed)| Call { sent, took, failed, key: n % keys.len() }).collect();
    Outcome { calls, fault: fault_at, deadline }
}
