//! The whole shop: nodes, balancer, banner, and an orderly end.

use std::{fmt, future::IntoFuture, io::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::TcpListener;
use unstick::affinity::drain::{Drain, serve};

use crate::{
    cli::{Mode, Options},
    error::Failure,
    fleet::Fleet,
    front,
    node::DRAIN,
    sessions::Plan,
};

/// Runs the shop until SIGTERM or Ctrl-C; a second one cuts what is in flight.
pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    let failed = |error: &dyn fmt::Display| Failure::start(format!("the balancer cannot be started: {error}."));
    // Nothing stands in front of the balancer that would ask whether it is ready.
    let drain = Drain::builder().readiness_window(Duration::ZERO).deadline(DRAIN).build().map_err(|error| failed(&error))?;
    drain.on_signals().map_err(|error| failed(&error))?;
    let listen = options.listen;
    // Before anything else is started: a busy port is the likeliest mistake.
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another program listens there".to_owned(),
            _ => error.to_string(),
        };
        Failure::start(format!("the balancer cannot listen on {listen}: {why}; choose another address with --listen."))
    })?;
    let addr = listener.local_addr().map_err(|error| Failure::start(format!("the balancer has no address: {error}.")))?;
    let (plan, _scratch) = Plan::of_shop(options)?;
    let fleet = tokio::select! {
        fleet = Fleet::start(options.nodes, plan, options.process_per_node) => fleet?,
        () = drain.began() => return Ok(()),
    };
    print_banner(&fleet, addr);

    let server = serve(listener, front::router(Arc::clone(&fleet)), &drain).into_future();
    let nodes = async {
        drain.began().await;
        say("Stopping: no new requests, those in flight are finished.");
        // A node that is being stopped from the page is left alone until it has stopped.
        tokio::select! {
            () = fleet.begin_drain() => {}
            () = drain.ended() => {}
        }
    };
    let (served, ()) = tokio::join!(server, nodes);
    let is_clean = served.map_err(|error| failed(&error))?.is_clean() && fleet.stop().await;
    say(if is_clean { "Stopped." } else { "Stopped; requests in flight were cut." });
    Ok(())
}

fn print_banner(fleet: &Fleet, addr: SocketAddr) {
    let base = format!("http://{addr}");
    let (mode, sessions, carts) = (fleet.mode(), fleet.sessions(), fleet.carts());
    let tells = match mode {
        Mode::Unstick => "one session store for all nodes, no stickiness: nothing is lost",
        Mode::Sticky if fleet.has_shared_sessions() => {
            "one session store for all nodes, and a balancer that pins until un-pinning is switched on"
        }
        Mode::Sticky => "a store in each node's memory, a balancer that pins: lost when the node stops",
        Mode::Broken => "a store in each node's memory, no pinning: lost on the next click",
    };
    let mut text = format!(
        "The shop is open: {base}\n\n  mode      {mode}: {tells}\n  sessions  {sessions}\n  carts     {carts}\n  balancer  {base}\n"
    );
    for node in fleet.nodes() {
        let process = node.pid.map_or_else(String::new, |pid| format!("  (process {pid})"));
        text += &format!("  {:<9} http://{}{process}\n", node.name, node.address.as_deref().unwrap_or("?"));
    }
    text += &format!(
        "\nTry it with a browser, or\n\
         \x20 curl -ic jar -b jar {base}/api/cart --json '{{\"sku\":\"tea\",\"qty\":2}}'\n\
         \x20 curl -ic jar -b jar {base}/api/session\n\
         \x20 curl -ic jar -b jar -X PUT '{base}/api/customers/7/carts/saved?market=se' --json '{{\"lines\":[{{\"sku\":\"tea\",\"qty\":2}}]}}'\n\
         \x20 curl -X POST -H 'x-shop-admin: 1' {base}/admin/nodes/1/stop\n\
         Ctrl-C ends it.\n"
    );
    say(&text);
}

/// Prints, whether or not anybody reads: a closed pipe is no reason to stop.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
}
