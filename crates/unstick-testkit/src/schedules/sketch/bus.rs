use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use unstick_core::Timestamp;

use super::{Aim, Setup, node::Node};
use crate::sim::Handle;

/// Carries notices in order, late, and loses some when asked to; the loss is noticed seconds later.
pub(super) struct Wire {
    at: Handle,
    loses: bool,
    to: Vec<mpsc::UnboundedSender<Message>>,
}

#[derive(Clone, Copy)]
enum Message {
    Notice(Aim, Timestamp),
    Gap,
}

impl Wire {
    pub(super) fn new(at: &Handle, setup: &Setup, nodes: &[Arc<Node>]) -> Self {
        let connect = |(number, node): (usize, &Arc<Node>)| {
            let (to, mut from) = mpsc::unbounded_channel();
            let (at, node, history) = (at.clone(), node.clone(), setup.history.clone());
            drop(at.clone().spawn(async move {
                while let Some(message) = from.recv().await {
                    at.yield_some(8).await;
                    match message {
                        Message::Notice(aim, wall) => {
                            node.notice(aim, wall);
                            history.notice_applied(number, aim);
                        }
                        Message::Gap => node.gap(),
                    }
                }
            }));
            to
        };
        Self { at: at.clone(), loses: setup.loses_notices, to: nodes.iter().enumerate().map(connect).collect() }
    }

    pub(super) fn publish(&self, from: usize, aim: Aim, wall: Timestamp) {
        for (node, to) in self.to.iter().enumerate().filter(|(node, _)| *node != from) {
            debug_assert_ne!(node, from);
            if self.loses && self.at.once_in(2) {
                let (at, to) = (self.at.clone(), to.clone());
                drop(self.at.spawn(async move {
                    at.sleep(Duration::from_secs(1)).await;
                    let _ = to.send(Message::Gap); // the simulation is over: fine
                }));
            } else {
                let _ = to.send(Message::Notice(aim, wall));
            }
        }
    }
}
