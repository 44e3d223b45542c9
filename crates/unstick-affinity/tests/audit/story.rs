//! Every misconfiguration against the session layer and a jar that keeps cookies as browsers do.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Method, Request, Response, Uri, header};
use tower::{Layer, ServiceExt, service_fn};
use unstick_affinity::audit::{Audit, FindingKind};
use unstick_core::{EventKind, Lifetimes};
use unstick_memory::MemoryStore;
use unstick_session::cookie::{CookieConfig, SameSite};
use unstick_testkit::{
    client::{Jar, call},
    clock::SkewedClock,
};

use crate::site::{By, Front, HTTPS, Release, Site};

/// The shop forgets its user at every step, and the audit says this and nothing else.
async fn forgets(site: &Site, path: &str, kind: FindingKind) {
    let counted = site.browser().visits(site, path, 60).await;
    assert_eq!(counted, [1; 60], "a new session every time");
    assert_eq!(site.findings(), [kind]);
    for node in &site.nodes {
        assert!(node.log.all().iter().all(|event| event.kind == EventKind::CookieMisconfigured && event.detail == kind.as_str()));
        assert!((1..=2).contains(&node.log.count(EventKind::CookieMisconfigured)), "no flood: {:?}", node.log.all());
    }
}

fn plain(release: &mut Release) -> CookieConfig {
    release.cookie = CookieConfig::new("session").unwrap();
    release.cookie.clone()
}

#[tokio::test]
async fn a_healthy_shop_has_no_findings() {
    let site = Site::healthy();
    let mut browser = site.browser();
    assert_eq!(browser.visits(&site, "/cart", 30).await, (1..=30).collect::<Vec<_>>());
    assert_eq!(browser.visit(&site, "/back-from-the-bank", By::Link).await, 31, "Lax goes with links");
    assert_eq!(browser.visit(&site, "/logout", By::Page).await, 0);
    assert_eq!(browser.visits(&site, "/cart", 3).await, [1, 2, 3]);
    for n in 0..40 {
        site.bot(if n % 2 == 0 { Method::GET } else { Method::HEAD }, "/cart/item").await;
        assert_eq!(site.browser().visit(&site, "/landing", By::Link).await, 1, "a first visit from a search engine");
    }
    assert_eq!(site.findings(), []);
    assert!(site.nodes.iter().all(|node| node.log.all().is_empty()));
}

#[tokio::test]
async fn on_localhost_without_tls_nothing_is_amiss() {
    let site = Site::of(Front { scheme: "http", host: "localhost", backend_host: "localhost:3000", ..HTTPS }, |_| {});
    assert_eq!(site.browser().visits(&site, "/cart", 30).await, (1..=30).collect::<Vec<_>>());
    assert_eq!(site.findings(), []);
}

#[tokio::test]
async fn secure_over_http() {
    forgets(&Site::of(Front { scheme: "http", ..HTTPS }, |_| {}), "/cart", FindingKind::SecureOverHttp).await;
}

#[tokio::test]
async fn the_domain_of_the_backend() {
    let front = Front { backend_host: "shop-7.azurewebsites.net", ..HTTPS };
    let site = Site::of(front, |release| release.cookie = plain(release).domain("shop-7.azurewebsites.net"));
    forgets(&site, "/cart", FindingKind::DomainMismatch).await;
    assert!(site.nodes[0].audit.findings()[0].detail.contains("the balancer put in its place"));

    let site = Site::of(front, |release| release.cookie = plain(release).domain("example.com"));
    assert_eq!(site.browser().visits(&site, "/cart", 5).await, [1, 2, 3, 4, 5], "the public one is fine behind the same balancer");
    assert_eq!(site.findings(), []);
}

#[tokio::test]
async fn a_path_that_leaves_pages_out() {
    let narrow = |release: &mut Release| release.cookie = plain(release).path("/app");
    forgets(&Site::of(HTTPS, narrow), "/shop", FindingKind::PathMismatch).await;

    let site = Site::of(HTTPS, narrow);
    assert_eq!(site.browser().visits(&site, "/app/cart", 5).await, [1, 2, 3, 4, 5]);
    for _ in 0..10 {
        let mut browser = site.browser();
        assert_eq!(browser.visit(&site, "/login", By::Page).await, 1);
        assert_eq!(browser.visits(&site, "/app", 3).await, [2, 3, 4], "a login that sets the cookie for the application below");
    }
    assert_eq!(site.findings(), []);
}

#[tokio::test]
async fn an_attribute_that_browsers_refuse() {
    let site = Site::of(HTTPS, |release| release.filter = |line| line.replace("; Secure", ""));
    forgets(&site, "/cart", FindingKind::RefusedByBrowser).await;
}

#[tokio::test]
async fn a_proxy_that_strips_cookies() {
    forgets(&Site::of(Front { strips_cookies: true, ..HTTPS }, |_| {}), "/cart", FindingKind::NeverReturned).await;
}

async fn comes_back(same_site: SameSite, by: By) -> (Vec<u64>, Vec<FindingKind>) {
    let site = Site::of(HTTPS, |release| release.cookie = release.cookie.clone().same_site(same_site));
    let mut after = Vec::new();
    for _ in 0..8 {
        let mut browser = site.browser();
        assert_eq!(browser.visits(&site, "/cart", 4).await, [1, 2, 3, 4]);
        browser.visit(&site, "/paid", by).await;
        after.push(browser.visit(&site, "/cart", By::Page).await);
    }
    after.dedup();
    (after, site.findings())
}

#[tokio::test]
async fn same_site_loses_who_comes_back_from_the_bank() {
    let lost = (vec![2], vec![FindingKind::SameSiteLost]);
    assert_eq!(comes_back(SameSite::Strict, By::Link).await, lost);
    assert_eq!(comes_back(SameSite::Lax, By::Form).await, lost);
    let kept = (vec![6], vec![]);
    assert_eq!(comes_back(SameSite::Lax, By::Link).await, kept);
    assert_eq!(comes_back(SameSite::None, By::Form).await, kept);
}

#[tokio::test]
async fn two_nodes_with_different_keys() {
    let site = Site::differing(|other, _| other.key = 8);
    assert_eq!(site.browser().visits(&site, "/cart", 12).await, [1; 12]);
    assert_eq!(site.findings(), [FindingKind::KeyMismatch]);
}

#[tokio::test]
async fn two_nodes_with_different_stores() {
    let site = Site::differing(|other, _| other.store = MemoryStore::new());
    assert_eq!(site.browser().visits(&site, "/cart", 30).await, [1; 30]);
    assert_eq!(site.findings(), [FindingKind::StoreMismatch]);
}

#[tokio::test]
async fn what_is_lost_long_after_it_was_issued_says_nothing_of_stores() {
    let site = Site::differing(|other, _| other.store = MemoryStore::new());
    let mut browser = site.browser();
    for _ in 0..20 {
        assert_eq!(browser.visit(&site, "/cart", By::Page).await, 1);
        site.clock.advance(Duration::from_secs(61));
    }
    assert!(site.nodes.iter().all(|node| node.audit.count(FindingKind::StoreMismatch) == 0));
}

#[tokio::test]
async fn two_nodes_with_different_prefixes() {
    let site = Site::differing(|other, _| drop(plain(other)));
    for _ in 0..4 {
        let mut browser = site.browser();
        assert_eq!(browser.visits(&site, "/cart", 4).await, [1, 1, 2, 2], "two carts, by turns");
    }
    assert_eq!(site.findings(), [FindingKind::NameMismatch]);
}

#[tokio::test]
async fn two_nodes_with_different_clocks() {
    let ahead = Lifetimes::new().tolerated_skew() * 24;
    let site = Site::differing(|other, clock| other.runtime = unstick_core::Runtime::custom(SkewedClock::ahead(clock.clone(), ahead)));
    let counted = site.browser().visits(&site, "/cart", 6).await;
    assert_eq!(counted[..2], [1, 1], "the second node takes the first one's session for expired");
    assert_eq!(site.findings(), [FindingKind::ClockSkew]);
}

type Ids = Arc<Mutex<HashMap<String, u64>>>;

/// A session library as many are: the first cookie counts. Returns visits.
async fn naive(store: &Mutex<HashMap<String, u64>>, request: Request<()>, attributes: &str) -> Result<Response<()>, Infallible> {
    let ids = request.headers().get(header::COOKIE).map(|line| line.to_str().unwrap().to_owned()).unwrap_or_default();
    let id = ids.split("; ").find_map(|pair| pair.strip_prefix("session=")).unwrap_or_default();
    let mut store = store.lock().unwrap();
    let mut response = Response::builder();
    let id = if store.contains_key(id) {
        id.to_owned()
    } else {
        let id = format!("{:04}", store.len());
        response = response.header(header::SET_COOKIE, format!("session={id}; Path=/; Secure{attributes}"));
        id
    };
    let visits = store.entry(id).or_default();
    *visits += 1;
    Ok(response.header("x-visits", *visits).body(()).unwrap())
}

#[tokio::test]
async fn an_older_cookie_of_another_domain_hides_the_new_one() {
    let audit = Audit::of("session").unwrap();
    let (old, new) = (Ids::default(), Ids::default());
    let uri: Uri = "https://shop.example.com/cart".parse().unwrap();
    let request = || Request::get(&uri).header(header::HOST, "shop.example.com").body(()).unwrap();
    let of = |store: Ids, attributes: &'static str| {
        let shop = service_fn(move |request| {
            let store = store.clone();
            async move { naive(&store, request, attributes).await }
        });
        audit.layer().layer(shop).boxed_clone()
    };
    let mut jar = Jar::new();
    // The release before kept its sessions elsewhere, under ids that this one does not have.
    old.lock().unwrap().extend((0..90).map(|n| (format!("x{n}"), 0)));
    call(&mut jar, of(old, "; Domain=example.com"), request()).await.unwrap();
    let mut counted = Vec::new();
    for _ in 0..6 {
        let response = call(&mut jar, of(new.clone(), ""), request()).await.unwrap();
        counted.push(response.headers()["x-visits"].to_str().unwrap().to_owned());
    }
    assert_eq!(counted, ["1"; 6]);
    assert_eq!(audit.findings().iter().map(|finding| finding.kind).collect::<Vec<_>>(), [FindingKind::Shadowed]);
    assert_eq!(audit.count(FindingKind::NeverReturned), 0);
}
