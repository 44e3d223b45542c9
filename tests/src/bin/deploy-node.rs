//! One node as a process of its own, which a deploy ends with SIGTERM: serves until its drain is over. It ends with success if nothing was cut.

use std::{
    error::Error,
    io::Write,
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, Instant},
};

use tokio::net::TcpListener;
use unstick_affinity::{
    Balancer,
    drain::{Drain, serve},
};
use unstick_core::Events;
use unstick_stories::deploy::Site;
use unstick_testkit::servers::balancer::route_of;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(generation), Ok(sessions)) = (arguments.next(), arguments.next(), std::env::var("SESSIONS")) else {
        return Err("usage: SESSIONS=URL deploy-node ADDRESS GENERATION".into());
    };
    let listener = bind(address.parse()?).await?;
    let address = listener.local_addr()?;
    let instance = format!("{}.{generation}", route_of(address));
    let events = Events::new(&instance);
    // The window is left out once the parent has seen the balancer turn away, however long that takes on a busy machine.
    let drain = Drain::builder()
        .readiness_window(Duration::from_secs(300))
        .deadline(Duration::from_secs(60))
        .grace_period(Duration::from_secs(400))
        .events(events.clone())
        .build()?;
    drain.on_signals()?;
    let site = Site::open(&instance, &sessions, Some(Balancer::haproxy("SRV")?), &drain, events).await;
    println!("{address}");
    std::io::stdout().flush()?;
    let parent = drain.clone();
    // A thread of its own: the runtime would wait for the line that is being read.
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if line == "close" {
                parent.close_now();
            }
        }
        // The test is gone, and so is this process.
        std::process::exit(2);
    });
    let drained = serve(listener, site.router(), &drain).await?;
    Ok(if drained.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Takes the address of the one before.
async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let began = Instant::now();
    loop {
        match TcpListener::bind(address).await {
            Err(_) if began.elapsed() < Duration::from_secs(60) => tokio::time::sleep(Duration::from_millis(5)).await,
            bound => return bound,
        }
    }
}
