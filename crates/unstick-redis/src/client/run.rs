//! Scripts: sent by their digest, refused by the server when they are late, tried once more when its clock was taken wrong.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use fred::types::{Resp3Frame, Value};
use unstick_core::{Error, Timestamp};

use super::{
    calls::{Client, Due, slot_of},
    failure,
    gather::{Met, Refused},
    link::Link,
    nodes::Node,
    reply::{self, Reply, error_text},
    script::Script,
    wire::Wire,
};

/// One key that a script is to work on.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) key: Bytes,
    pub(super) args: Vec<Bytes>,
    pub(super) due: Due,
}

/// What a script answered, who answered, and until when each call was to be carried out by that server's clock.
pub(super) struct Run {
    pub(super) answers: Vec<Resp3Frame>,
    pub(super) node: Arc<Node>,
    pub(super) deadlines: Vec<Timestamp>,
}

impl Client {
    /// What the script answered behind the time: a status first.
    pub(super) async fn run_until(&self, script: &Script, call: &Call, confirmed: bool) -> Result<Vec<Reply>, Error> {
        let runtime = &self.0.settings.runtime;
        let due = call.due;
        let wait = self.0.settings.wait.filter(|_| confirmed);
        let mut again = true;
        loop {
            let along = if script.gathers && wait.is_none() { self.go_along(Some(script), || call.clone()) } else { None };
            let along = match along {
                Some(outcome) => outcome.await?,
                None => None,
            };
            let met = match along {
                Some(met) => met,
                // in a box, as a read that goes alone
                None => Box::pin(self.run_alone(script, call, wait)).await?,
            };
            let Some(Refused { node, deadline }) = met.refused else {
                return Ok(match met.reply {
                    Reply::Many(answer) => answer,
                    status => vec![status],
                });
            };
            // the refusal told the server's time: is there more of it than was thought?
            let now = Timestamp::system_now();
            let left = due.left(runtime);
            let corrected = node.clock.at(now + left);
            if !again || left.is_zero() || corrected <= Some(deadline) || corrected <= node.clock.at(now) {
                return Err(failure::late());
            }
            again = false;
        }
    }

    /// Also waits for so many replicas, for so long, where that is asked for.
    async fn run_alone(&self, script: &Script, call: &Call, wait: Option<(u32, Duration)>) -> Result<Met, Error> {
        let wire = &self.0.wire();
        let _alone = script.gathers.then(|| wire.changes.alone());
        let link = if wait.is_some() { wire.waiter() } else { &wire.link };
        let run = self.evaluate(wire, link, script, std::slice::from_ref(call), call.due).await?.ok_or_else(reply::unexpected)?;
        let (mut answers, node) = (run.answers.into_iter(), run.node);
        let deadline = run.deadlines.first().copied().unwrap_or(Timestamp::ZERO);
        let reply = if script.gathers {
            answers.next().map(Reply::read).ok_or_else(reply::unexpected)??
        } else {
            Reply::Many(answers.map(Reply::read).collect::<Result<_, _>>()?)
        };
        let met = Met::new(reply, &node, deadline);
        if let (Some((replicas, time)), None) = (wait, &met.refused) {
            Box::pin(self.wait_for_replicas(wire, link, &node, slot_of(wire, &call.key), call.due, replicas, time)).await?;
        }
        Ok(met)
    }

    /// Runs the script where the keys are; `None` if that is not one place, and then nothing was done.
    pub(super) async fn evaluate(
        &self,
        wire: &Arc<Wire>,
        link: &Link,
        script: &Script,
        calls: &[Call],
        due: Due,
    ) -> Result<Option<Run>, Error> {
        let slot = calls.first().map_or(0, |call| slot_of(wire, &call.key));
        let mut by = ("EVALSHA", &script.digest);
        loop {
            let mut sent = Timestamp::ZERO;
            let mut deadlines = Vec::new();
            let mut build = |node: &Node| {
                sent = Timestamp::system_now();
                deadlines.clear();
                let runtime = &self.0.settings.runtime;
                let now = runtime.monotonic();
                let deadline = |call: &Call| node.clock.at(sent + call.due.left_at(now)).ok_or_else(failure::not_connected);
                let mut values = Vec::with_capacity(2 + calls.iter().map(|call| call.args.len() + 3).sum::<usize>());
                values.extend([Value::Bytes(by.1.clone()), integer(calls.len())]);
                values.extend(calls.iter().map(|call| Value::Bytes(call.key.clone())));
                for call in calls {
                    let deadline = deadline(call)?;
                    deadlines.push(deadline);
                    values.extend(script.gathers.then(|| integer(call.args.len() + 1)));
                    values.push(Value::Integer(deadline.as_millis()));
                    values.extend(call.args.iter().cloned().map(Value::Bytes));
                }
                Ok(values)
            };
            let (frame, node) = self.route(wire, link, (by.0, calls.len()), slot, due, &mut build).await?;
            if by.0 == "EVALSHA" && error_text(&frame).is_some_and(|text| failure::is_no_script(&text)) {
                by = ("EVAL", &script.source); // and from then on the server knows it
                continue;
            }
            if calls.len() > 1 && error_text(&frame).is_some_and(|text| failure::is_crossing(&text)) {
                return Ok(None);
            }
            let mut answers = reply::elements(frame)?;
            if answers.is_empty() {
                return Err(reply::unexpected());
            }
            let time = Reply::read(answers.remove(0))?.number().ok_or_else(reply::unexpected)?;
            node.clock.learn(sent, Timestamp::system_now(), Timestamp::from_millis(time));
            return Ok(Some(Run { answers, node, deadlines }));
        }
    }
}

fn integer(count: usize) -> Value {
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}
