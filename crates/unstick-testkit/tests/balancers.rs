//! Real load balancers start, pin, check health, retry, take other nodes while they run, and survive faults on the same port.
#![cfg(feature = "servers")]

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    time::Duration,
};

use http::{Request, Response, header::COOKIE};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};
use unstick_testkit::{
    client::{Browser, Page, Spread},
    require_server,
    servers::{
        balancer::{Apache, BalancerServer, BalancerSpec, Caddy, HaProxy, Health, Nginx, SESSION_COOKIE, Stick, route_of},
        poll,
    },
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A node: names itself, tells the cookies it was sent, starts a session where there is none.
struct Node {
    address: SocketAddr,
    health: Arc<AtomicU16>,
    has_route: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Node {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (health, has_route) = (Arc::new(AtomicU16::new(200)), Arc::new(AtomicBool::new(false)));
        let state = (health.clone(), has_route.clone());
        let task = tokio::spawn(async move {
            // Connections end with their node.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let state = state.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = answer(address, &state.0, &state.1, &request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
            }
        });
        Self { address, health, has_route, task }
    }
}

fn answer(address: SocketAddr, health: &AtomicU16, has_route: &AtomicBool, request: &Request<Incoming>) -> Response<String> {
    let node = route_of(address);
    let cookies = request.headers().get(COOKIE).map(|cookies| cookies.to_str().unwrap().to_owned()).unwrap_or_default();
    let mut response = Response::builder().header("x-node", &node);
    // HAProxy's checks have no `Host`.
    if let Some(host) = request.headers().get("host") {
        response = response.header("x-host", host);
    }
    if request.uri().path() == "/health" {
        response = response.status(health.load(Ordering::Relaxed));
    } else if !cookies.contains(SESSION_COOKIE) {
        let route = if has_route.load(Ordering::Relaxed) { format!(".{node}") } else { String::new() };
        response = response.header("set-cookie", format!("{SESSION_COOKIE}=s{}{route}; Path=/", address.port()));
    }
    response.body(cookies).unwrap()
}

async fn nodes() -> [Node; 3] {
    [Node::start().await, Node::start().await, Node::start().await]
}

fn spec(nodes: &[Node], stick: impl Into<Stick>) -> BalancerSpec {
    BalancerSpec::new(spec_nodes(nodes), stick)
}

fn spec_nodes(nodes: &[Node]) -> Vec<SocketAddr> {
    nodes.iter().map(|node| node.address).collect()
}

fn browser(balancer: &BalancerServer) -> Browser {
    Browser::new(balancer.address()).host("shop.test")
}

async fn visits(browser: &mut Browser, count: usize) -> Vec<Page> {
    let mut pages = Vec::new();
    for _ in 0..count {
        let page = browser.get("/").await.unwrap();
        assert_eq!((page.status.as_u16(), page.header("x-host")), (200, "shop.test"), "{page:?}");
        pages.push(page);
    }
    pages
}

fn spread(pages: &[Page]) -> Spread {
    Spread::of(pages.iter().map(|page| (page.header("x-node"), false)))
}

/// Every kind pins one client to one node, and without a pin the nodes take turns.
async fn pins(stick: impl Into<Stick>) {
    let (nodes, stick) = (nodes().await, stick.into());
    nodes.iter().for_each(|node| node.has_route.store(stick == Apache::SessionSuffix.into(), Ordering::Relaxed));
    let balancer = require_server!(spec(&nodes, stick.clone()).start());
    let mut client = browser(&balancer);
    let pages = visits(&mut client, 12).await;
    // Where the session's cookie decides, the first request has none.
    let spread = spread(&pages[2..]);
    assert!(spread.is_on_one(), "{stick:?}: {spread:?}\n{pages:?}\n{}", balancer.log());
    if let Some(pin) = stick.pin_cookie() {
        assert!(client.would_send("/", pin), "{stick:?}: {:?}", client.jar());
    }
}

async fn takes_turns(stick: impl Into<Stick>) {
    let nodes = nodes().await;
    let balancer = require_server!(spec(&nodes, stick).start());
    for mut client in [browser(&balancer), browser(&balancer).keep_alive()] {
        let spread = spread(&visits(&mut client, 30).await);
        assert!(spread.is_even(3, 0) && spread.longest_run == 1, "{spread:?}");
    }
}

/// Health checks take a node out and back in; a pinned client moves without an error where there are retries.
async fn heeds_health(stick: impl Into<Stick>) {
    let nodes = nodes().await;
    let balancer = require_server!(spec(&nodes, stick).health(Health::new("/health")).retries().start());
    let mut client = browser(&balancer);
    let first = client.get("/").await.unwrap().header("x-node").to_owned();
    let node = nodes.iter().find(|node| route_of(node.address) == first).unwrap();
    node.health.store(503, Ordering::Relaxed);
    await_node(&mut client, |now| now != first).await;
    node.health.store(200, Ordering::Relaxed);
    // Newcomers without a pin find it again.
    let begin = std::time::Instant::now();
    while browser(&balancer).get("/").await.unwrap().header("x-node") != first {
        assert!(begin.elapsed() < PATIENCE, "{}", balancer.log());
    }
}

async fn await_node(client: &mut Browser, is_it: impl Fn(&str) -> bool) {
    let begin = std::time::Instant::now();
    while !is_it(visits(client, 1).await[0].header("x-node")) {
        assert!(begin.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A node that is gone answers nobody: its pinned clients are served by others, without an error.
async fn survives_a_node(stick: impl Into<Stick>) {
    let nodes = nodes().await;
    let balancer = require_server!(spec(&nodes, stick).retries().start());
    let mut client = browser(&balancer);
    let first = client.get("/").await.unwrap().header("x-node").to_owned();
    nodes.iter().find(|node| route_of(node.address) == first).unwrap().task.abort();
    let pages = visits(&mut client, 6).await;
    assert!(pages.iter().all(|page| page.header("x-node") != first), "{pages:?}");
}

/// Nodes come and go while it runs; pins of those that stay are kept.
async fn reloads(stick: impl Into<Stick>) {
    let nodes = nodes().await;
    let spec = spec(&nodes[..1], stick);
    let balancer = require_server!(spec.start());
    let mut client = browser(&balancer);
    assert!(spread(&visits(&mut client, 3).await).is_on_one());
    let pid = balancer.pid();
    balancer.reload(&spec.clone().nodes(spec_nodes(&nodes))).unwrap();
    let pinned = spread(&visits(&mut client, 3).await);
    assert!(pinned.counts.contains_key(&route_of(nodes[0].address)) && pinned.is_on_one(), "{pinned:?}");
    // Which of three a newcomer is sent to is the product's business, and with Caddy chance: asked until all had their turn.
    let (mut seen, begin) = (Spread::default(), std::time::Instant::now());
    while seen.counts.len() < 3 {
        seen = seen.and(&spread(&visits(&mut browser(&balancer), 1).await));
        assert!(begin.elapsed() < PATIENCE, "{seen:?}");
    }
    balancer.reload(&spec.clone().nodes([nodes[2].address])).unwrap();
    await_node(&mut client, |now| now == route_of(nodes[2].address)).await;
    assert_eq!(balancer.pid(), pid, "one process all the time");
}

/// Clients with connections of their own and with one that they keep notice nothing of reloads. (Not so with Caddy 2.6.)
async fn reloads_unnoticed(stick: impl Into<Stick>) {
    let nodes = nodes().await;
    let spec = spec(&nodes, stick).retries();
    let balancer = Arc::new(require_server!(spec.start()));
    let is_over = Arc::new(AtomicBool::new(false));
    let mut clients = tokio::task::JoinSet::new();
    for keeps_alive in [false, false, true, true] {
        let client = browser(&balancer);
        let (mut client, is_over) = (if keeps_alive { client.keep_alive() } else { client }, is_over.clone());
        clients.spawn(async move {
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                visits(&mut client, 1).await;
                count += 1;
            }
            count
        });
    }
    let server = balancer.clone();
    let addresses = spec_nodes(&nodes);
    let reloads = tokio::task::spawn_blocking(move || {
        for count in [1, 3, 2, 3] {
            server.reload(&spec.clone().nodes(addresses[..count].to_vec())).unwrap();
        }
    });
    reloads.await.unwrap();
    is_over.store(true, Ordering::Relaxed);
    for count in clients.join_all().await {
        assert!(count > 0);
    }
}

/// HAProxy alone: a 404 keeps newcomers away, and pinned clients where they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn balancer_haproxy_stops_softly() {
    let nodes = nodes().await;
    let spec = spec(&nodes, HaProxy::InsertIndirect).health(Health::new("/health").soft_stop_on_404());
    let balancer = require_server!(spec.start());
    let mut client = browser(&balancer);
    let first = client.get("/").await.unwrap().header("x-node").to_owned();
    nodes.iter().find(|node| route_of(node.address) == first).unwrap().health.store(404, Ordering::Relaxed);
    // Newcomers take turns: of three in a row one would be sent there.
    let begin = std::time::Instant::now();
    loop {
        let mut seen = Spread::default();
        for _ in 0..6 {
            seen = seen.and(&spread(&visits(&mut browser(&balancer), 1).await));
        }
        if !seen.counts.contains_key(&first) {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "{seen:?}");
    }
    let stays = spread(&visits(&mut client, 6).await);
    assert!(stays.is_on_one() && stays.counts.contains_key(&first), "{stays:?}");
}

/// The faults that every kind of server has in common.
async fn survives_faults(stick: impl Into<Stick>) {
    let nodes = nodes().await;
    let balancer = require_server!(spec(&nodes, stick).start());
    visits(&mut browser(&balancer), 1).await;
    tokio::task::spawn_blocking(move || {
        let first = balancer.pid();
        balancer.stop();
        assert!(!balancer.is_running() && balancer.pid() == first);
        balancer.cont();
        balancer.kill();
        assert!(std::net::TcpStream::connect(balancer.address()).is_err(), "sockets go with their process");
        balancer.restart();
        balancer.terminate();
        assert!(!balancer.is_running());
        balancer.restart();
        assert!(balancer.is_running(), "{}", balancer.log());
        let address = balancer.address();
        drop(balancer);
        assert!(poll(PATIENCE, || std::net::TcpStream::connect(address).is_err().then_some(())).is_some());
    })
    .await
    .unwrap();
}

/// Of a family of processes nobody is left behind, whichever is killed first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn balancer_ends_with_its_family_when_a_test_panics() {
    let nodes = nodes().await;
    for stick in [Stick::from(Nginx::RoundRobin), Apache::RoundRobin.into(), HaProxy::RoundRobin.into()] {
        for _ in 0..4 {
            let balancer = require_server!(spec(&nodes, stick.clone()).start());
            let address = balancer.address();
            let test = std::thread::spawn(move || {
                assert!(!balancer.is_running(), "as meant: {balancer:?} is dropped by a panic");
            });
            assert!(test.join().is_err());
            let is_gone = poll(PATIENCE, || std::net::TcpStream::connect(address).is_err().then_some(()));
            assert!(is_gone.is_some(), "{stick:?} is still there");
        }
    }
}

macro_rules! on {
    ($(async fn $name:ident, $story:ident($stick:expr);)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $story($stick).await;
        }
    )*};
}

on! {
    async fn balancer_haproxy_takes_turns, takes_turns(HaProxy::RoundRobin);
    async fn balancer_haproxy_insert_pins, pins(HaProxy::Insert);
    async fn balancer_haproxy_insert_indirect_pins, pins(HaProxy::InsertIndirect);
    async fn balancer_haproxy_insert_preserve_pins, pins(HaProxy::InsertPreserve);
    async fn balancer_haproxy_insert_preserve_domain_pins, pins(HaProxy::InsertPreserveDomain("shop.test".to_owned()));
    async fn balancer_haproxy_rewrite_pins, pins(HaProxy::Rewrite);
    async fn balancer_haproxy_prefix_pins, pins(HaProxy::Prefix);
    async fn balancer_haproxy_stick_table_pins, pins(HaProxy::StickTable);
    async fn balancer_haproxy_source_pins, pins(HaProxy::Source);
    async fn balancer_haproxy_heeds_health, heeds_health(HaProxy::InsertIndirect);
    async fn balancer_haproxy_survives_a_node, survives_a_node(HaProxy::InsertIndirect);
    async fn balancer_haproxy_reloads, reloads(HaProxy::InsertIndirect);
    async fn balancer_haproxy_reloads_unnoticed, reloads_unnoticed(HaProxy::InsertIndirect);
    async fn balancer_haproxy_survives_faults, survives_faults(HaProxy::InsertIndirect);

    async fn balancer_nginx_takes_turns, takes_turns(Nginx::RoundRobin);
    async fn balancer_nginx_lua_cookie_pins, pins(Nginx::LuaCookie { path: "/".to_owned() });
    async fn balancer_nginx_ip_hash_pins, pins(Nginx::IpHash);
    async fn balancer_nginx_hash_of_the_session_pins, pins(Nginx::HashSession);
    async fn balancer_nginx_survives_a_node, survives_a_node(Nginx::LuaCookie { path: "/".to_owned() });
    async fn balancer_nginx_without_lua_survives_a_node, survives_a_node(Nginx::IpHash);
    async fn balancer_nginx_reloads, reloads(Nginx::LuaCookie { path: "/".to_owned() });
    async fn balancer_nginx_reloads_unnoticed, reloads_unnoticed(Nginx::LuaCookie { path: "/".to_owned() });
    async fn balancer_nginx_survives_faults, survives_faults(Nginx::RoundRobin);

    async fn balancer_apache_takes_turns, takes_turns(Apache::RoundRobin);
    async fn balancer_apache_header_add_pins, pins(Apache::HeaderAdd);
    async fn balancer_apache_header_set_pins, pins(Apache::HeaderSet);
    async fn balancer_apache_session_suffix_pins, pins(Apache::SessionSuffix);
    async fn balancer_apache_heeds_health, heeds_health(Apache::HeaderAdd);
    async fn balancer_apache_survives_a_node, survives_a_node(Apache::HeaderAdd);
    async fn balancer_apache_reloads, reloads(Apache::HeaderAdd);
    async fn balancer_apache_reloads_unnoticed, reloads_unnoticed(Apache::HeaderAdd);
    async fn balancer_apache_survives_faults, survives_faults(Apache::HeaderAdd);

    async fn balancer_caddy_takes_turns, takes_turns(Caddy::RoundRobin);
    async fn balancer_caddy_cookie_pins, pins(Caddy::Cookie);
    async fn balancer_caddy_ip_hash_pins, pins(Caddy::IpHash);
    async fn balancer_caddy_heeds_health, heeds_health(Caddy::Cookie);
    async fn balancer_caddy_survives_a_node, survives_a_node(Caddy::Cookie);
    async fn balancer_caddy_reloads, reloads(Caddy::Cookie);
    async fn balancer_caddy_survives_faults, survives_faults(Caddy::Cookie);
}
