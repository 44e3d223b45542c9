//! Two nodes of a shop with the session layer, something in front of them, and a browser.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use tower::{Layer, ServiceExt, service_fn, util::BoxCloneService};
use unstick_affinity::audit::{Audit, FindingKind};
use unstick_core::{Events, Key, KeyRing, Runtime};
use unstick_memory::MemoryStore;
use unstick_session::{Session, SessionLayer, cookie::CookieConfig};
use unstick_testkit::{
    client::{Jar, SameSite},
    clock::{ManualClock, TestClock},
    observe::EventLog,
};

const NAME: &str = "__Host-session";
const VISITS: &str = "x-visits";

type Shop = BoxCloneService<Request<()>, Response<()>, Infallible>;

/// What may differ between two nodes.
#[derive(Clone)]
pub(crate) struct Release {
    pub(crate) cookie: CookieConfig,
    pub(crate) key: u8,
    pub(crate) store: MemoryStore,
    pub(crate) runtime: Runtime,
    /// What a filter between session layer and audit makes of a `Set-Cookie`.
    pub(crate) filter: fn(&str) -> String,
}

pub(crate) struct Node {
    pub(crate) audit: Audit,
    pub(crate) log: Arc<EventLog>,
    shop: Shop,
}

/// What stands in front of the nodes.
#[derive(Clone, Copy)]
pub(crate) struct Front {
    pub(crate) scheme: &'static str,
    pub(crate) host: &'static str,
    /// What the nodes see as `Host`.
    pub(crate) backend_host: &'static str,
    pub(crate) strips_cookies: bool,
}

pub(crate) const HTTPS: Front =
    Front { scheme: "https", host: "shop.example.com", backend_host: "shop.example.com", strips_cookies: false };

/// How a browser comes to a page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The address bar, or a bookmark.
    Hand,
    /// A page of the shop.
    Page,
    /// A link of another site.
    Link,
    /// A form of another site.
    Form,
}

pub(crate) struct Site {
    pub(crate) nodes: Vec<Node>,
    pub(crate) clock: ManualClock,
    pub(crate) front: Front,
}

pub(crate) struct Browser {
    pub(crate) jar: Jar,
    requests: usize,
}

impl Release {
    pub(crate) fn new(clock: &ManualClock) -> Self {
        let cookie = CookieConfig::new(NAME).unwrap();
        Self { cookie, key: 7, store: MemoryStore::new(), runtime: clock.runtime(), filter: str::to_owned }
    }

    pub(crate) fn node(&self) -> Node {
        let log = Arc::new(EventLog::default());
        let audit = Audit::builder(self.cookie.name())
            .runtime(self.runtime.clone())
            .events(Events::new("n").observer(log.clone()))
            .build()
            .unwrap();
        let sessions = SessionLayer::new(self.store.clone(), KeyRing::new(Key::from_bytes([self.key; 32]).unwrap()))
            .cookie(self.cookie.clone())
            .runtime(self.runtime.clone())
            .events(Events::new("n").observer(Arc::new(audit.clone())))
            .build()
            .unwrap();
        let filter = self.filter;
        let shop = sessions.layer(service_fn(visit)).map_response(move |response| {
            let mut response = response.map(drop);
            for line in set_cookies(response.headers()) {
                response.headers_mut().insert(header::SET_COOKIE, filter(&line).parse().unwrap());
            }
            response
        });
        Node { shop: BoxCloneService::new(audit.layer().layer(shop)), audit, log }
    }
}

fn set_cookies(headers: &HeaderMap) -> Vec<String> {
    headers.get_all(header::SET_COOKIE).iter().map(|line| line.to_str().unwrap().to_owned()).collect()
}

async fn visit(request: Request<()>) -> Result<Response<()>, Infallible> {
    let session = request.extensions().get::<Session>().unwrap().clone();
    if request.uri().path() == "/logout" {
        session.end().unwrap();
        return Ok(Response::new(()));
    }
    let visits = session.update("visits", |visits: Option<u64>| Some(visits.unwrap_or(0) + 1)).await.unwrap();
    let visits = HeaderValue::from(visits.unwrap());
    Ok(Response::builder().header(VISITS, visits).body(()).unwrap())
}

impl Site {
    /// Two nodes of one release.
    pub(crate) fn healthy() -> Self {
        Self::of(HTTPS, |_| {})
    }

    /// Two nodes of one release that `change` has been at.
    pub(crate) fn of(front: Front, change: impl FnOnce(&mut Release)) -> Self {
        let clock = ManualClock::default();
        let mut release = Release::new(&clock);
        change(&mut release);
        Self { nodes: vec![release.node(), release.node()], clock, front }
    }

    /// Two nodes of which `change` has been at the second.
    pub(crate) fn differing(change: impl FnOnce(&mut Release, &ManualClock)) -> Self {
        let clock = ManualClock::default();
        let release = Release::new(&clock);
        let mut other = release.clone();
        change(&mut other, &clock);
        Self { nodes: vec![release.node(), other.node()], clock, front: HTTPS }
    }

    /// What any node's audit found.
    pub(crate) fn findings(&self) -> Vec<FindingKind> {
        let mut kinds: Vec<_> = self.nodes.iter().flat_map(|node| node.audit.findings()).map(|finding| finding.kind).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    }

    pub(crate) fn browser(&self) -> Browser {
        let mut jar = Jar::with_clock(TestClock::Manual(self.clock.clone()));
        jar.set(&self.uri("/"), "theme=dark; Path=/; SameSite=Lax").unwrap();
        Browser { jar, requests: 0 }
    }

    fn uri(&self, path: &str) -> Uri {
        format!("{}://{}{path}", self.front.scheme, self.front.host).parse().unwrap()
    }

    /// A request of a program that keeps no cookies.
    pub(crate) async fn bot(&self, method: Method, path: &str) {
        let request = self.request(method, path, None);
        let response = self.nodes[0].shop.clone().oneshot(request).await.unwrap();
        assert!(response.status().is_success());
    }

    fn request(&self, method: Method, path: &str, cookies: Option<HeaderValue>) -> Request<()> {
        let mut request = Request::builder().method(method).uri(path).body(()).unwrap();
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_static(self.front.backend_host));
        headers.insert("x-forwarded-host", HeaderValue::from_static(self.front.host));
        headers.insert("x-forwarded-proto", HeaderValue::from_static(self.front.scheme));
        headers.extend(cookies.filter(|_| !self.front.strips_cookies).map(|cookies| (header::COOKIE, cookies)));
        request
    }
}

impl Browser {
    /// Visits a page; how many visits its session has counted.
    pub(crate) async fn visit(&mut self, site: &Site, path: &str, by: By) -> u64 {
        let node = &site.nodes[self.requests % site.nodes.len()];
        self.requests += 1;
        let uri = site.uri(path);
        let method = if by == By::Form { Method::POST } else { Method::GET };
        let mut request = site.request(method, path, self.cookies(&uri, by));
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("de"));
        if by == By::Page {
            headers.insert(header::REFERER, site.uri("/").to_string().parse().unwrap());
        }
        // Browsers say more to origins that they trust.
        if site.front.scheme == "https" {
            let from = match by {
                By::Hand => "none",
                By::Page => "same-origin",
                By::Link | By::Form => "cross-site",
            };
            for (name, value) in [("sec-fetch-site", from), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")] {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
        }
        let response = node.shop.clone().oneshot(request).await.unwrap();
        self.jar.receive(&uri, response.headers());
        response.headers().get(VISITS).map_or(0, |visits| visits.to_str().unwrap().parse().unwrap())
    }

    /// The jar's cookies, less those that `SameSite` holds back.
    fn cookies(&self, uri: &Uri, by: By) -> Option<HeaderValue> {
        let all = self.jar.header(uri)?;
        let is_sent = |pair: &&str| {
            let cookie = self.jar.get(pair.split('=').next().unwrap()).unwrap();
            match by {
                By::Hand | By::Page => true,
                By::Link => cookie.same_site() != SameSite::Strict,
                By::Form => cookie.same_site() == SameSite::None,
            }
        };
        let sent: Vec<&str> = all.to_str().unwrap().split("; ").filter(is_sent).collect();
        if sent.is_empty() { None } else { Some(sent.join("; ").parse().unwrap()) }
    }

    /// Visits a page so many times, from pages of the shop after the first.
    pub(crate) async fn visits(&mut self, site: &Site, path: &str, times: usize) -> Vec<u64> {
        let mut counted = Vec::new();
        for time in 0..times {
            site.clock.advance(Duration::from_secs(10));
            counted.push(self.visit(site, path, if time == 0 { By::Hand } else { By::Page }).await);
        }
        counted
    }
}
