//! nginx reads a response's head into one page, 4 KB, and answers 502 when it is longer: all layers together stay below that.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Query, State},
    response::AppendHeaders,
    routing::get,
};
use http::{Uri, header::SET_COOKIE};
use unstick_affinity::{AffinityLayer, PinCookie};
use unstick_cache::{Cache, Namespace, ReadYourWritesLayer};
use unstick_core::{EventKind, Events, Key, KeyRing, Scope};
use unstick_session::{Session, SessionError, SessionLayer, cookie::CookieConfig};
use unstick_testkit::{
    client::{Browser, Page},
    observe::EventLog,
    servers::balancer::{BalancerServer, Nginx},
};
use unstick_token::{Sealing, Token, TokenKeys};

use crate::site::{Nodes, start};

const CLIENTS_HOST: &str = "a-shop-with-a-rather-long-name.eu-west-1.localhost";
/// Cookies of balancers, as they may lie about in a browser; deleting all in all their forms would take some 5 KB.
const PINS: [&str; 12] = [
    "ARRAffinity",
    "ARRAffinitySameSite",
    "ApplicationGatewayAffinity",
    "ApplicationGatewayAffinityCORS",
    "AWSALB",
    "AWSALBCORS",
    "AWSALBAPP-0",
    "AWSALBTG",
    "AWSELB",
    "GCLB",
    "GAESA",
    "__cflb",
];
/// The operator's own.
const CONFIGURED: [&str; 3] = ["a-route-with-a-long-name-of-the-operators", "SRV", "ROUTEID"];

/// Everything at once, at its defaults: sessions that travel whole in the cookie, the client's own writes, and pins.
async fn everything(pieces: u8, log: &Arc<EventLog>) -> Router {
    let keys = KeyRing::new(Key::from_bytes([5; 32]).unwrap());
    let events = Events::new("node").observer(log.clone());
    let shop = Namespace::builder("shop").clamp(Duration::from_secs(10)).build().await.unwrap();
    let mut token = Token::builder(TokenKeys::from_ring(&keys, Sealing::Encrypted).unwrap());
    if pieces > 1 {
        // Each piece is a line, which the budget must have room for.
        token = token.max_token(2500);
    }
    let session = SessionLayer::backend(token.build().unwrap())
        .cookie(CookieConfig::default().chunks(pieces))
        .deadline(Duration::from_secs(60))
        .events(events.clone());
    let writes = ReadYourWritesLayer::new(&shop, keys).build().unwrap();
    let affinity = CONFIGURED.iter().fold(AffinityLayer::builder().sessions(Scope::Client).events(events), |builder, name| {
        builder.expire(PinCookie::new(name).unwrap())
    });
    Router::new()
        .route("/work", get(work))
        .with_state(shop.cache::<u64, u64>("prices").build().unwrap())
        .layer(session.build().unwrap())
        .layer(writes)
        .layer(affinity.build().unwrap())
}

/// Puts so many characters into the session, invalidates so many keys, and may log in.
async fn work(
    State(prices): State<Cache<u64, u64>>,
    Query(wanted): Query<HashMap<String, u64>>,
    session: Session,
) -> Result<&'static str, SessionError> {
    let of = |name| wanted.get(name).copied().unwrap_or_default();
    if let Ok(characters @ 1..) = usize::try_from(of("characters")) {
        session.insert("kept", &"x".repeat(characters))?;
    }
    if of("login") > 0 {
        session.promote("ann").await?;
    }
    for key in 0..of("keys") {
        prices.invalidate(&(of("from") + key)).await;
    }
    Ok("done")
}

/// What was seen in the responses of a story.
#[derive(Debug, Default)]
struct Seen {
    longest: usize,
    answered: usize,
    too_large: usize,
    all_three: usize,
    pieces: usize,
}

impl Seen {
    fn add(&mut self, page: &Page) {
        let line = |line: (&http::HeaderName, &http::HeaderValue)| line.0.as_str().len() + line.1.len() + 4;
        let lines: Vec<&[u8]> = page.headers.get_all(SET_COOKIE).iter().map(http::HeaderValue::as_bytes).collect();
        let has = |start: &str| lines.iter().any(|line| line.starts_with(start.as_bytes()));
        self.longest = self.longest.max(page.headers.iter().map(line).sum());
        self.answered += usize::from(page.status == 200);
        self.too_large += usize::from(page.status == 413);
        self.pieces += usize::from(has("__Host-id.3=; "));
        self.all_three += usize::from(has("__Host-id=") && has("__Host-us-w-") && CONFIGURED.iter().any(|pin| has(pin)));
    }
}

/// A browser that has nothing, or pins of many products and the pieces of a session that nobody remembers.
fn browser(nginx: &BalancerServer, is_full: bool) -> Browser {
    let mut browser = Browser::new(nginx.address()).host(CLIENTS_HOST);
    let site: Uri = format!("http://{CLIENTS_HOST}/").parse().unwrap();
    let pieces = ["__Host-id.1", "__Host-id.2", "__Host-id.3"];
    for name in PINS.iter().chain(&CONFIGURED).chain(&pieces).filter(|_| is_full) {
        browser.jar_mut().set(&site, format!("{name}=0123456789abcdef; Path=/; Secure")).unwrap();
    }
    browser
}

/// Whatever a client has, does and has done, on each of three nodes in turn.
async fn no_response_is_too_long_for_nginx(pieces: u8) {
    let log = Arc::new(EventLog::default());
    let mut routers = Vec::new();
    for _ in 0..3 {
        routers.push(everything(pieces, &log).await);
    }
    let nodes = Nodes::start(|_| routers.pop().unwrap()).await;
    let Some(nginx) = start(&nodes.behind(Nginx::RoundRobin)) else { return };
    let mut seen = Seen::default();
    for characters in [0, 1, 300, 900, 1300, 1400, 1500, 1600, 1650, 1700, 1800, 2500] {
        for keys in [0, 1, 25, 80, 400] {
            for is_full in [false, true] {
                let mut browser = browser(&nginx, is_full);
                // The third writes what the second wrote: slots are merged. The last only reads.
                for (step, login) in [(0, 0), (1, 1), (1, 0), (2, 0)] {
                    let keys = if step == 2 { 0 } else { keys };
                    let path = format!("/work?characters={characters}&login={login}&keys={keys}&from={}", step * 1000);
                    let page = browser.get(&path).await.unwrap();
                    assert!([200, 413].contains(&page.status.as_u16()), "{path} {is_full}: {page:?}");
                    seen.add(&page);
                }
            }
        }
    }
    assert!(seen.answered > 200 && seen.too_large > 0 && seen.all_three > 100 && (pieces == 1 || seen.pieces > 20), "{seen:?}");
    // Or this has shown nothing.
    assert!(seen.longest > 3000 && seen.longest < 4096, "{seen:?}");
    assert!(log.count(EventKind::PinDropped) > 0, "room was short: pin lines went first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_writes_and_pins_together_fit_into_nginx() {
    no_response_is_too_long_for_nginx(1).await;
}

/// What is left of a session in several cookies is taken away, a line for each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_they_do_where_sessions_may_take_several_cookies() {
    no_response_is_too_long_for_nginx(4).await;
}

/// Without a budget: what a handler might send that deletes every pin it has heard of.
#[tokio::test]
async fn sixty_lines_are_too_long_for_nginx_unless_its_buffer_is_raised() {
    let lines: Vec<_> =
        (0..60).map(|n| (SET_COOKIE, format!("a-cookie-of-a-balancer-{n:02}=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"))).collect();
    let router = Router::new().route("/", get(async || (AppendHeaders(lines), "done")));
    let nodes = Nodes::start(|_| router.clone()).await;
    let spec = nodes.behind(Nginx::RoundRobin);
    let Some(nginx) = start(&spec) else { return };
    assert_eq!(Browser::new(nginx.address()).get("/").await.unwrap().status, 502);
    let Some(nginx) = start(&spec.line("proxy_buffer_size 16k;").line("proxy_buffers 8 16k;")) else { return };
    let page = Browser::new(nginx.address()).get("/").await.unwrap();
    assert_eq!((page.status.as_u16(), page.headers.get_all(SET_COOKIE).iter().count()), (200, 60));
}
