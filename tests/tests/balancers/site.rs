//! Nodes of a small shop, and clients that come to it through a balancer.

use std::{
    cmp::Reverse,
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread,
};

use axum::Router;
use http::{HeaderMap, HeaderValue, Request, header::COOKIE};
use tokio::{net::TcpListener, task::JoinHandle};
use unstick_affinity::{
    AffinityLayer, AffinityLayerBuilder, Balancer, Percent, catalogue,
    report::{Report, Verdict},
};
use unstick_core::Events;
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
    /// `None`: the layer is left out. Else what it is told to stand behind, if anything.
    behind: Option<Vec<Balancer>>,
    layers: Arc<Mutex<Vec<AffinityLayer>>>,
    session: &'static str,
    has_suffix: bool,
    path: &'static str,
}

impl Shop {
    /// Nothing: the layer is left out.
    pub(crate) fn off() -> Self {
        Self { behind: None, layers: Arc::default(), session: SESSION_COOKIE, has_suffix: false, path: "/" }
    }

    /// The layer, which watches the routes of all clients, and was told what stands in front, or was not.
    pub(crate) fn behind(balancers: impl IntoIterator<Item = Balancer>) -> Self {
        Self { behind: Some(balancers.into_iter().collect()), ..Self::off() }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.behind.is_some()
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
        let name = node.clone();
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
        let Some(behind) = &self.behind else { return router };
        let builder = AffinityLayer::builder().without_sessions().events(Events::new(&name)).watch_routes(Percent::of_clients(100));
        let layer = behind.iter().cloned().fold(builder, AffinityLayerBuilder::behind).build().unwrap();
        self.layers.lock().unwrap().push(layer.clone());
        router.layer(layer)
    }

    /// What the nodes say in the end, those first that have had most requests.
    pub(crate) fn reports(&self) -> Vec<Report> {
        let mut reports: Vec<Report> = self.layers.lock().unwrap().iter().map(AffinityLayer::report).collect();
        reports.sort_by_key(|report| Reverse(report.requests));
        reports
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

/// Every node says what has come of the pin.
#[track_caller]
pub(crate) fn assert_told(shop: &Shop, product: &str, verdict: Verdict) {
    for report in shop.reports() {
        let pin = report.pins.iter().find(|pin| pin.product == product).unwrap_or_else(|| panic!("{report}"));
        assert!(pin.verdict == verdict, "{report}");
    }
}

/// The pin does not end, and the node where the client stays names the product, and the setting that ends it: with the product if it was configured, or
/// else among those that pin unseen.
#[track_caller]
pub(crate) fn assert_named(shop: &Shop, product: &str, verdict: Option<Verdict>) {
    let report = &shop.reports()[0];
    let product = catalogue::product(product).unwrap();
    let setting = format!("{}: {}", product.title, product.setting);
    if let Some(verdict) = verdict {
        let pin = report.pins.iter().find(|pin| pin.product == product.name).unwrap_or_else(|| panic!("{report}"));
        assert!(pin.verdict == verdict && pin.sentence.contains(&setting), "{report}");
    } else {
        assert!(report.route_runs > 0 && report.route_settings.contains(&setting), "{report}");
    }
    assert!(report.to_string().contains(&setting), "{report}");
}
