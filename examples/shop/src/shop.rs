//! The whole shop: nodes, balancer, banner, and an orderly end.

use std::{io::Write as _, net::SocketAddr, sync::Arc, time::Instant};

use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    cli::{Mode, Options},
    error::Failure,
    fleet::Fleet,
    front,
    node::DRAIN,
    sessions::Plan,
    signal,
};

/// Runs the shop until SIGTERM or Ctrl-C.
pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    let mut signals = signal::terminate()?;
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
        () = signals.recv() => return Ok(()),
    };
    print_banner(&fleet, addr);

    let (stop, stopped) = oneshot::channel::<()>();
    let service = front::router(Arc::clone(&fleet)).into_make_service_with_connect_info::<SocketAddr>();
    let mut server = tokio::spawn(async move {
        // A dropped sender means the same as a message: the owner is gone.
        axum::serve(listener, service).with_graceful_shutdown(async { drop(stopped.await) }).await
    });
    signals.recv().await;

    say("Stopping: no new requests, those in flight are finished.");
    let deadline = Instant::now() + DRAIN;
    // An error means that the server has ended by itself, which is what is asked for.
    let _ = stop.send(());
    let drained = async {
        // A node that is being stopped from the page answers when it has stopped: both together may take no longer than one.
        let _ = tokio::time::timeout_at(deadline.into(), fleet.set_draining()).await;
        let finished = tokio::time::timeout_at(deadline.into(), &mut server).await.is_ok();
        fleet.stop(deadline.saturating_duration_since(Instant::now())).await;
        finished
    };
    let finished = tokio::select! {
        finished = drained => finished,
        () = signals.recv() => false,
    };
    say(if finished { "Stopped." } else { "Stopped; requests in flight were cut." });
    Ok(())
}

fn print_banner(fleet: &Fleet, addr: SocketAddr) {
    let base = format!("http://{addr}");
    let (mode, sessions, carts) = (fleet.mode(), fleet.sessions(), fleet.carts());
    let tells = match mode {
        Mode::Unstick => "one session store for all nodes, no stickiness: nothing is lost",
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
