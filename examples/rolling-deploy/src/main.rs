//! Three nodes are replaced one after the other under load, and nobody notices. See the README beside this file.

mod balancer;
mod clients;
mod node;

use std::{error::Error, net::SocketAddr};

use unstick::{Key, KeyRing};

use crate::{
    balancer::Balancer,
    clients::{CLIENTS, Clients, reaches_newcomers},
    node::{Node, listen},
};

const NODES: usize = 3;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let with_haproxy = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--balancer", "haproxy"] => true,
        _ => return Err("the only option is `--balancer haproxy`".into()),
    };
    let dir = tempfile::tempdir()?;
    let sessions = format!("sqlite:{}", dir.path().join("sessions.sqlite").display());
    let keys = KeyRing::new(Key::generate()?);

    let mut nodes: Vec<(SocketAddr, Node)> = Vec::new();
    for number in 1..=NODES {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?;
        let node = Node::start(&format!("node-{number}/v1"), listener, &sessions, keys.clone()).await?;
        nodes.push((address, node));
    }
    let addresses: Vec<SocketAddr> = nodes.iter().map(|(address, _)| *address).collect();
    let (balancer, kind) = if with_haproxy {
        (Balancer::haproxy(&addresses)?, "HAProxy that pins by its cookie SRV")
    } else {
        (Balancer::round_robin(&addresses).await?, "round robin")
    };
    println!("{NODES} nodes of v1 behind a {kind}, {CLIENTS} clients");

    let clients = Clients::start(balancer.address);
    served(&clients).await?;
    println!("{} of {CLIENTS} clients have stayed on one node", CLIENTS - clients.moved().await);
    for (index, (address, old)) in nodes.into_iter().enumerate() {
        let name = format!("node-{}", index + 1);
        let drained = old.stop().await?;
        Node::start(&format!("{name}/v2"), listen(address).await?, &sessions, keys.clone()).await?;
        if !reaches_newcomers(balancer.address, &format!("{name}/v2")).await {
            return Err(format!("the balancer does not find {name} again").into());
        }
        served(&clients).await?;
        println!("{name}: v1 has stopped, {drained}; v2 serves");
    }

    let moved = clients.moved().await;
    let outcome = clients.finish().await;
    println!("requests       {}", outcome.requests);
    println!("failures       {}", outcome.failures.len());
    println!("sessions lost  {}", outcome.lost);
    println!("clients moved  {moved} of {CLIENTS}");
    match outcome.failures.first() {
        Some(first) => Err(format!("the first failure: {first}").into()),
        None if outcome.lost > 0 => Err("sessions were lost".into()),
        None => Ok(()),
    }
}

/// Every client has been here a few times.
async fn served(clients: &Clients) -> Result<(), Box<dyn Error>> {
    if clients.are_served(4 * CLIENTS).await { Ok(()) } else { Err("clients are not served".into()) }
}
