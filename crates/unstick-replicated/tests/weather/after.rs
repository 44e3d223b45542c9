//! When the weather is over, and long after it.

use std::{sync::Arc, time::Duration};

use unstick_core::{Loaded, Store};
use unstick_testkit::{
    contract::{IDLE, Subject},
    sim::Handle,
};

use crate::{
    road::{NODES, World},
    story::{Any, Client, Plan, Sky, on},
};

/// All is well again: nodes agree, what was missed is copied, and either store alone, with the witness, knows everything.
pub(crate) async fn settle(at: &Handle, world: &Arc<World>, plan: Plan, nodes: &[Any], mut last: Client) {
    let ledger = last.ledger.clone();
    for _ in 0..100 {
        at.sleep(Duration::from_secs(5)).await;
        if nodes.iter().all(|node| node.missed() == 0) {
            break;
        }
    }
    if nodes.iter().any(|node| node.missed() > 0) {
        ledger.fail("what a store has missed was not copied".to_owned());
    }
    let mut seen = None;
    for node in nodes {
        last.node = node.clone();
        // Calls are still lost in the wild.
        for _ in 0..100 {
            if let Some(loaded) = last.load().await {
                let ended = matches!(loaded, Loaded::Ended { .. });
                if *seen.get_or_insert(ended) != ended {
                    ledger.fail("nodes do not agree".to_owned());
                }
                break;
            }
        }
    }
    if matches!(plan.sky, Sky::One | Sky::Amnesia) {
        for lost in [0, 1] {
            (0..NODES).for_each(|node| world.set_cut(node, lost, true));
            last.node = Any::new(world, plan, 0, last.clocks.clone());
            if last.load().await.is_none() {
                ledger.fail("what one store has is not enough".to_owned());
            }
            world.heal();
        }
    }
}

/// Deadlines pass, tombstones too, and are swept, while one store is away or returns with what it had at any time.
pub(crate) async fn aftermath(world: &Arc<World>, plan: Plan, subject: Subject, mut clients: Vec<Client>) {
    let at = &world.at;
    for round in 0..16 {
        at.sleep(IDLE / 3).await;
        if plan.sky == Sky::Returns && at.once_in(2) {
            world.rewind(world.only).await;
        }
        let away = at.once_in(2);
        (0..NODES).for_each(|node| world.set_cut(node, world.only, away));
        let client = &mut clients[round % NODES];
        client.sweep().await;
        let (op, told) = (client.op(), client.ledger.told().clone());
        let loaded = on!(&client.node, store => store.load(op, subject.key, subject.presented, None).await);
        let is_dead = told.ended || told.seen_ended && plan.witness;
        let is_over = op.now >= subject.presented.idle_deadline + Duration::from_secs(10);
        match loaded {
            Ok(Loaded::Live(_)) if is_dead || is_over => client.ledger.fail(format!("alive after its time, in round {round}")),
            Ok(Loaded::Ended { .. }) if !told.ending => client.ledger.fail("ended by nobody, long after".to_owned()),
            Ok(Loaded::Missing | Loaded::Expired) if op.now < subject.presented.idle_deadline && plan.sky != Sky::Wild => {
                client.ledger.fail(format!("gone before its time, in round {round}"));
            }
            Err(_) if plan.witness && plan.sky == Sky::One => client.ledger.fail("not known, long after".to_owned()),
            _ => {}
        }
    }
    world.heal();
}
