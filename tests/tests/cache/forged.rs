//! A client that sends forged and repeated cookies by the thousands.

use std::time::Duration;

use http::Method;
use unstick_cache::NamespaceBuilder;
use unstick_core::Runtime;
use unstick_memory::MemoryHub;
use unstick_stories::{
    cache::{
        app::Settings,
        carts,
        load::{Dice, Local, Nodes},
        source::Source,
    },
    cookies, keep,
};
use unstick_testkit::client::Jar;

use crate::world::{NODES, World};

const ATTACKS: u64 = 10_000;

/// Reads every cart at every node, as somebody who has written nothing; how many were hits.
async fn others(world: &World, nodes: &Local) -> u64 {
    let before = world.counts();
    for node in 0..NODES {
        for (customer, kind) in carts() {
            let reply = nodes.ask(node, Method::GET, format!("/carts/{customer}/{kind}"), String::new()).await.unwrap();
            assert_eq!(reply.status, 200);
        }
    }
    let after = world.counts();
    assert_eq!(after.bypassed, before.bypassed);
    after.hits - before.hits
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_forges_and_repeats_cookies_harms_only_its_own_hit_rate() {
    let (hub, runtime) = (MemoryHub::new(), Runtime::tokio());
    let join = async |builder: NamespaceBuilder| builder.runtime(runtime.clone()).bus(hub.bus(&runtime));
    attack(&World::new(Source::memory(), Settings::default(), join).await, "with a bus").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_it_where_cookies_are_all_that_nodes_hear() {
    let join = async |builder: NamespaceBuilder| builder.clamp(Duration::from_secs(60));
    let world = World::new(Source::memory(), Settings::default(), join).await;
    assert!(attack(&world, "without a bus").await > 0, "real marks are applied");
}

/// How many marks were applied.
async fn attack(world: &World, with: &str) -> u64 {
    let nodes = Local(world.nodes.clone());
    others(world, &nodes).await;
    let all = others(world, &nodes).await;
    assert_eq!(all, 32 * NODES as u64, "everything is cached everywhere");

    // real ones, of writes to a cart of its own
    let (mut jar, mut real) = (Jar::default(), Vec::new());
    for _ in 0..20 {
        let reply = nodes.ask(0, Method::PUT, "/carts/7/3".to_owned(), cookies(&jar)).await.unwrap();
        keep(&mut jar, &reply.headers);
        real.push(cookies(&jar));
    }
    others(world, &nodes).await;
    let before = world.counts();

    let mut dice = Dice(7);
    let (mut hits, mut rounds) = (0, 0);
    for attack in 0..ATTACKS {
        let one = &real[usize::try_from(dice.below(real.len() as u64)).unwrap()];
        let cookie = match attack % 5 {
            0 => one.clone(),
            // a character of it changed
            1 => {
                let mut forged = one.clone().into_bytes();
                let at = forged.len() - 1 - usize::try_from(dice.below(20)).unwrap();
                forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
                String::from_utf8(forged).unwrap()
            }
            // under another name
            2 => one.replacen("__Host-us-w-", "__Host-us-w-0", 1),
            // made up, and many of them
            3 => (0..30).map(|number| format!("__Host-us-w-{number:x}={:032x}", dice.below(u64::MAX))).collect::<Vec<_>>().join("; "),
            // all of the real ones together
            _ => real.join("; "),
        };
        let node = usize::try_from(dice.below(NODES as u64)).unwrap();
        let reply = nodes.ask(node, Method::GET, "/carts/7/3".to_owned(), cookie).await.unwrap();
        assert_eq!(reply.status, 200);
        if attack % 500 == 499 {
            hits += others(world, &nodes).await;
            rounds += 1;
        }
    }
    let after = world.counts();
    let (bypassed, marks, repeated) =
        (after.bypassed - before.bypassed, after.marks - before.marks, after.marks_repeated - before.marks_repeated);
    println!(
        "{ATTACKS} attacks {with}: {bypassed} past the cache, {marks} marks applied, {repeated} known; others' hits {hits} of {}",
        all * rounds
    );
    assert!(bypassed > 0 && repeated > 0, "its own requests are dear");
    // each of its real marks is applied once per node at most, and each costs one cart of its own
    assert!(marks <= real.len() as u64 * NODES as u64, "{marks}");
    assert!(all * rounds - hits <= marks, "{hits} of {}", all * rounds);
    marks
}
