//! Any order of calls, requests and time, against a few lines that say what must come of it.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use proptest::{prelude::*, sample::Index};
use tower::{Layer, Service, service_fn};
use unstick_affinity::drain::Phase;
use unstick_core::EventKind;

use crate::support::{DEADLINE, Node, WINDOW, get, settle};

#[derive(Debug, Clone)]
enum Step {
    Begin,
    CloseNow,
    CutNow,
    Request,
    EndRequest(Index),
    Hold,
    EndHold(Index),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Begin),
        1 => Just(Step::CloseNow),
        1 => Just(Step::CutNow),
        5 => Just(Step::Request),
        4 => any::<Index>().prop_map(Step::EndRequest),
        2 => Just(Step::Hold),
        2 => any::<Index>().prop_map(Step::EndHold),
        4 => (0..9u64).prop_map(Step::Pass),
    ]
}

/// What must come of it.
#[derive(Default)]
struct Model {
    now: Duration,
    began: bool,
    closes: Duration,
    ends: Duration,
    is_cut: bool,
    is_done: bool,
    /// Requests, holds and ended requests when time was over.
    left: Option<(usize, usize, u64)>,
    ended: u64,
}

impl Model {
    fn begin(&mut self) {
        if !self.began {
            (self.began, self.closes) = (true, self.now + WINDOW);
            self.ends = self.closes + DEADLINE;
        }
    }

    fn settle(&mut self, requests: usize, holds: usize) {
        if self.began && self.now >= self.closes && requests + holds == 0 {
            self.is_done = true;
        }
        if self.is_over() && !self.is_done && self.left.is_none() {
            self.left = Some((requests, holds, self.ended));
        }
    }

    fn is_over(&self) -> bool {
        self.began && (self.is_cut || self.now >= self.ends)
    }

    fn phase(&self) -> Phase {
        match self.began {
            false => Phase::Serving,
            true if self.is_done || self.is_over() => Phase::Ended,
            true if self.now >= self.closes => Phase::Closing,
            true => Phase::Turning,
        }
    }
}

async fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (node, mut model) = (Node::new(), Model::default());
    let mut service = node.drain.layer().layer(service_fn(|_: Request<()>| std::future::pending::<Result<Response<()>, Infallible>>()));
    let (mut requests, mut holds) = (Vec::new(), Vec::new());
    let drain = node.drain.clone();
    let waiting = tokio::spawn(async move { drain.finished().await });
    settle().await;
    for step in steps.into_iter().chain([Step::Begin, Step::Pass(25)]) {
        match step {
            Step::Begin => {
                node.drain.begin();
                model.begin();
            }
            Step::CloseNow => {
                node.drain.close_now();
                model.begin();
                if model.now < model.closes {
                    (model.closes, model.ends) = (model.now, model.now + DEADLINE);
                }
            }
            Step::CutNow => {
                node.drain.cut_now();
                model.begin();
                model.is_cut = true;
            }
            Step::Request => requests.push(service.call(get("/"))),
            Step::EndRequest(index) if !requests.is_empty() => {
                drop(requests.swap_remove(index.index(requests.len())));
                model.ended += u64::from(model.began);
            }
            Step::Hold => holds.push(node.drain.hold()),
            Step::EndHold(index) if !holds.is_empty() => drop(holds.swap_remove(index.index(holds.len()))),
            Step::Pass(seconds) => {
                model.now += Duration::from_secs(seconds);
                node.pass(seconds).await;
            }
            Step::EndRequest(_) | Step::EndHold(_) => {}
        }
        settle().await;
        model.settle(requests.len(), holds.len());
        prop_assert_eq!(node.drain.phase(), model.phase());
        prop_assert_eq!((node.drain.in_flight_count(), node.drain.pending()), (requests.len(), holds.len()));
        prop_assert_eq!(node.drain.in_flight().len(), requests.len());
        prop_assert_eq!(waiting.is_finished(), model.is_done || model.is_over());
    }
    let drained = waiting.await.map_err(|error| TestCaseError::fail(error.to_string()))?;
    let (cut, pending_left, _) = model.left.unwrap_or_default();
    prop_assert_eq!((drained.cut.len(), drained.pending_left), (cut, pending_left));
    if let Some((_, _, ended)) = model.left {
        prop_assert_eq!(drained.finished, ended);
    }
    prop_assert_eq!(node.log.count(EventKind::DrainBegan), 1);
    prop_assert_eq!(node.log.count(EventKind::DrainEnded), 1);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_order_ends_as_it_must(steps in prop::collection::vec(step(), 0..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(run(steps))?;
    }
}
