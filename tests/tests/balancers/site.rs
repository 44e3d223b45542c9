//! Nodes of a small shop, and clients that come to it through a balancer.

use std::{net::SocketAddr, thread};

use axum::Router;
use http::{HeaderMap, HeaderValue, Request, header::COOKIE};
use tokio::{net::TcpListener, task::JoinHandle};
use unstick_affinity::{AffinityLayer, PinCookie};
use unstick_testkit::{
    client::{Browser, Spread},
    servers::{
        Outcome,
        balancer::{BalancerServer, BalancerSpec, SESSION_COOKIE, Stick, route_of},
        skip,
    },
};

/// Requests of one client.
pub(crate) const REQUESTS: usize = 60;
/// How far from its share of 20 a node may be.
const TOLERANCE: usize = 3;

/// What the application does about pins.
#[derive(Debug, Clone)]
pub(crate) struct Shop {
    layer: Option<AffinityLayer>,
    session: &'static str,
    has_suffix: bool,
    path: &'static str,
}

impl Shop {
    /// Nothing: the layer is left out.
    pub(crate) fn off() -> Self {
        Self { layer: None, session: SESSION_COOKIE, has_suffix: false, path: "/" }
    }

    /// The layer, with the pin's name as the operator chose it.
    pub(crate) fn on(pin: &str) -> Self {
        Self::expiring(PinCookie::new(pin).unwrap())
    }

    pub(crate) fn expiring(pin: PinCookie) -> Self {
        let layer = AffinityLayer::builder().without_sessions().expire(pin).build().unwrap();
        Self { layer: Some(layer), ..Self::off() }
    }

    /// The session's cookie has a name that the balancer was not told.
    pub(crate) fn renamed(self) -> Self {
        Self { session: "cart", ..self }
    }

    /// The node's name ends the session's id, as servlet containers have it.
    pub(crate) fn with_suffix(self) -> Self {
        Self { has_suffix: true, ..self }
    }

    /// Everything happens below this path.
    pub(crate) fn below(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    fn router(&self, node: &str) -> Router {
        let (session, node) = (self.session, node.to_owned());
        let id = if self.has_suffix { format!("s1.{node}") } else { "s1".to_owned() };
        let handler = move |request: Request<axum::body::Body>| {
            let mut headers = HeaderMap::new();
            headers.insert("x-node", HeaderValue::try_from(&node).unwrap());
            if !carries(request.headers(), session) {
                headers.insert("set-cookie", HeaderValue::try_from(format!("{session}={id}; Path=/")).unwrap());
            }
            async move { (headers, "a page") }
        };
        let router = Router::new().fallback(handler);
        match &self.layer {
            Some(layer) => router.layer(layer.clone()),
            None => router,
        }
    }
}

fn carries(headers: &HeaderMap, name: &str) -> bool {
    let pairs = headers.get_all(COOKIE).into_iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.into_iter().any(|pair| pair.trim_ascii().split(|byte| *byte == b'=').next() == Some(name.as_bytes()))
}

/// Three nodes; they end with this.
#[derive(Debug)]
pub(crate) struct Nodes {
    addresses: Vec<SocketAddr>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Nodes {
    pub(crate) async fn start(mut router: impl FnMut(&str) -> Router) -> Self {
        let (mut addresses, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = axum::serve(listener, router(&route_of(address)));
            addresses.push(address);
            tasks.push(tokio::spawn(async move { server.await.unwrap() }));
        }
        Self { addresses, tasks }
    }

    pub(crate) fn behind(&self, stick: impl Into<Stick>) -> BalancerSpec {
        BalancerSpec::new(self.addresses.clone(), stick)
    }
}

/// A client of the shop behind its balancer.
pub(crate) fn client(balancer: &BalancerServer) -> Browser {
    Browser::new(balancer.address()).host("www.shop.test")
}

/// One request: the node that answered, and whether the client was pinned.
pub(crate) async fn visit(client: &mut Browser, path: &str, pin: Option<&str>) -> (String, bool) {
    let is_pinned = pin.is_some_and(|pin| client.would_send(path, pin));
    let page = client.get(path).await.unwrap();
    assert_eq!((page.status.as_u16(), page.text().as_ref(), page.refused.len()), (200, "a page", 0), "{page:?}");
    (page.header("x-node").to_owned(), is_pinned)
}

/// The spread of one client's requests; `None` where the balancer is not installed.
pub(crate) async fn walk(shop: &Shop, stick: impl Into<Stick>) -> Option<Spread> {
    walks(shop, stick, 1).await.map(|mut spreads| spreads.remove(0))
}

/// The same for several clients who take turns.
pub(crate) async fn walks(shop: &Shop, stick: impl Into<Stick>, clients: usize) -> Option<Vec<Spread>> {
    let nodes = Nodes::start(|node| shop.router(node)).await;
    let stick = stick.into();
    let balancer = start(&nodes.behind(stick.clone()))?;
    let mut clients: Vec<_> = (0..clients).map(|_| (client(&balancer), Vec::new())).collect();
    for _ in 0..REQUESTS {
        for (client, visits) in &mut clients {
            visits.push(visit(client, shop.path, stick.pin_cookie()).await);
        }
    }
    let spread = |visits: &[(String, bool)]| Spread::of(visits.iter().map(|(node, is_pinned)| (node.as_str(), *is_pinned)));
    Some(clients.iter().map(|(_, visits)| spread(visits)).collect())
}

/// The balancer, or a loud skip in the name of the test whose thread this is.
pub(crate) fn start(spec: &BalancerSpec) -> Option<BalancerServer> {
    let skipped = |reason: String| skip(&format!("balancers::{}::start", thread::current().name().unwrap_or_default()), &reason);
    spec.start().outcome().map_err(skipped).ok()
}

/// One node answered everything.
#[track_caller]
pub(crate) fn assert_pinned(spread: Option<Spread>) {
    let Some(spread) = spread else { return };
    assert!(spread.is_on_one() && spread.longest_run == REQUESTS, "{spread:?}");
}

/// All nodes answered alike, none twice in a row, and no request was pinned.
#[track_caller]
pub(crate) fn assert_free(spread: Option<Spread>) {
    let Some(spread) = spread else { return };
    assert!(spread.is_even(3, TOLERANCE) && spread.longest_run == 1 && spread.pinned == 0, "{spread:?}");
}
