//! What the nodes themselves say of un-pinning, summed over the fleet. Asked now and then, so that nodes that are gone are in it, too.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{Failure, table::Route, wire::Wire};

/// What an affinity layer reported, or many of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Requests since un-pinning was switched on, and those of them with a pin.
    pub(crate) requests: u64,
    pub(crate) pinned: u64,
    /// Responses that deleted the pin.
    pub(crate) told: u64,
    /// Requests after that, by what had become of it.
    pub(crate) gone: u64,
    pub(crate) kept: u64,
    pub(crate) again: u64,
}

/// One question to all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Asked {
    /// Since the doors opened.
    pub(crate) at_s: f64,
    /// Of the requests since the question before.
    pub(crate) pinned_percent: f64,
}

/// The answers so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Unpinned {
    /// Nodes that were ever asked.
    pub(crate) nodes: usize,
    /// Their last answers, summed.
    pub(crate) sum: Counts,
    /// How the share of pinned requests went down.
    pub(crate) asked: Vec<Asked>,
    #[serde(skip)]
    latest: BTreeMap<usize, Counts>,
}

impl Unpinned {
    /// Asks these nodes, all at once.
    pub(crate) async fn ask(&mut self, routes: Vec<Route>, now: Duration) -> Result<(), Failure> {
        let mut asked = JoinSet::new();
        for Route { number, addr } in routes {
            asked.spawn(async move { Ok::<_, Failure>((number, Counts::asked(addr).await?)) });
        }
        let mut answers = Vec::new();
        while let Some(answer) = asked.join_next().await {
            answers.push(answer??);
        }
        self.learn(answers, now);
        Ok(())
    }

    fn learn(&mut self, answers: Vec<(usize, Counts)>, now: Duration) {
        let before = self.sum;
        self.latest.extend(answers);
        self.nodes = self.latest.len();
        self.sum = self.latest.values().fold(Counts::default(), Counts::plus);
        let requests = self.sum.requests - before.requests;
        if requests > 0 {
            let pinned_percent = (self.sum.pinned - before.pinned) as f64 * 100.0 / requests as f64;
            self.asked.push(Asked { at_s: now.as_secs_f64(), pinned_percent });
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let Counts { requests, pinned, gone, kept, again, .. } = self.sum;
        let shares: Vec<String> = self.asked.iter().map(|asked| format!("{:.0} %", asked.pinned_percent)).collect();
        format!(
            "{} nodes report: {pinned} of {requests} requests were pinned, from one question to the next {}; told to forget, the pin was gone {gone} times, kept {kept} times, set again {again} times",
            self.nodes,
            shares.join(", "),
        )
    }
}

impl Counts {
    async fn asked(addr: SocketAddr) -> Result<Self, Failure> {
        let request = Request::get("/internal/report").header(header::HOST, "node").header(header::ACCEPT, "application/json");
        let answer = Wire::default().send(addr, request.body(Full::new(Bytes::new()))?).await.map_err(|_| "a node does not report")?;
        Ok(Self::of(&serde_json::from_slice(answer.body())?))
    }

    fn of(report: &Value) -> Self {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let mut counts = Self { requests: number(&report["requests"]), pinned: number(&report["pinned"]), ..Self::default() };
        for pin in report["pins"].as_array().into_iter().flatten() {
            let pin = &pin["counts"];
            counts.told += number(&pin["told"]);
            counts.gone += number(&pin["gone"]);
            counts.kept += number(&pin["kept"]);
            counts.again += number(&pin["again"]);
        }
        counts
    }

    const fn plus(self, other: &Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            pinned: self.pinned + other.pinned,
            told: self.told + other.told,
            gone: self.gone + other.gone,
            kept: self.kept + other.kept,
            again: self.again + other.again,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_answers_add_up_and_the_share_is_since_the_question_before() {
        let counts = |requests: u64, pinned: u64| {
            let pin = json!({ "counts": { "seen": 3, "told": 9, "gone": 2, "kept": 1, "again": 0 } });
            Counts::of(&json!({ "requests": requests, "pinned": pinned, "pins": [pin, pin] }))
        };
        let mut all = Unpinned::default();
        all.learn(vec![(1, counts(10, 10)), (2, counts(10, 5))], Duration::from_secs(1));
        all.learn(vec![(1, counts(10, 10))], Duration::from_secs(2));
        all.learn(vec![(1, counts(40, 12)), (3, counts(10, 2))], Duration::from_secs(3));
        assert_eq!((all.nodes, all.sum.requests, all.sum.pinned, all.sum.told, all.sum.gone, all.sum.kept), (3, 60, 19, 54, 12, 6));
        let shares: Vec<f64> = all.asked.iter().map(|asked| asked.pinned_percent).collect();
        assert_eq!(shares, [75.0, 10.0]);
    }
}
