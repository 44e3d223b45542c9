//! Sixty requests of one cookie-keeping client over three nodes, behind balancers that pin in the ways known of real ones.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{HeaderValue, Request, Response, header::SET_COOKIE};
use tower::{Layer, ServiceExt, service_fn};
use unstick_affinity::{AffinityLayer, Balancer, PinCookie};
use unstick_core::{Event, EventKind, Events, Observer, Scope};
use unstick_testkit::client::Jar;

const NODES: usize = 3;

#[derive(Debug, Default)]
struct Log(Mutex<Vec<EventKind>>);

impl Observer for Log {
    fn on_event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(event.kind);
    }
}

impl Log {
    fn count(&self, kind: EventKind) -> usize {
        self.0.lock().unwrap().iter().filter(|one| **one == kind).count()
    }
}

/// When a balancer writes its cookie, and where in the response.
#[derive(Clone, Copy)]
enum Writes {
    /// Unless the request had a pin, before the application's lines.
    Before,
    /// Unless the request had a pin, after the application's lines.
    After,
    /// With every response, after the application's lines.
    Always,
}

struct Story {
    nodes: Vec<AffinityLayer>,
    log: Arc<Log>,
    jar: Jar,
    turn: usize,
    /// The nodes that answered.
    answered: Vec<usize>,
    lines: Vec<usize>,
}

impl Story {
    fn new(balancers: &[Balancer]) -> Self {
        let log = Arc::new(Log::default());
        let node = |name: usize| {
            let events = Events::new(&format!("node-{name}")).observer(log.clone());
            let builder = AffinityLayer::builder().sessions(Scope::Shared).events(events);
            balancers.iter().cloned().fold(builder, unstick_affinity::AffinityLayerBuilder::behind).build().unwrap()
        };
        Self { nodes: (0..NODES).map(node).collect(), log: log.clone(), jar: Jar::new(), turn: 0, answered: Vec::new(), lines: Vec::new() }
    }

    /// One request through a balancer that pins by the cookie `pin`, written as `attributes` say.
    async fn request(&mut self, url: &str, pin: &str, attributes: &str, writes: Writes) {
        let mut request = Request::get(url).body(()).unwrap();
        self.jar.attach(&mut request);
        let carried =
            unstick_core::cookie::candidates(request.headers(), pin).next().map(|value| String::from_utf8_lossy(value).into_owned());
        let pinned = carried.as_ref().and_then(|node| node.parse::<usize>().ok()).filter(|node| *node < NODES);
        let node = pinned.unwrap_or_else(|| {
            self.turn += 1;
            self.turn % NODES
        });
        let uri = request.uri().clone();
        let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) });
        let response = self.nodes[node].layer(handler).oneshot(request).await.unwrap();
        let mut lines: Vec<HeaderValue> = response.headers().get_all(SET_COOKIE).iter().cloned().collect();
        self.lines.push(lines.len());
        let own = HeaderValue::try_from(format!("{pin}={node}{attributes}")).unwrap();
        match writes {
            Writes::Before if pinned.is_none() => lines.insert(0, own),
            Writes::After if pinned.is_none() => lines.push(own),
            Writes::Always => lines.push(own),
            Writes::Before | Writes::After => {}
        }
        for line in &lines {
            self.jar.set(&uri, line).unwrap();
        }
        self.answered.push(node);
    }

    async fn sixty(&mut self, pin: &str, attributes: &str, writes: Writes) {
        for _ in 0..60 {
            self.request("https://a.shop.example.com/x/cart", pin, attributes, writes).await;
        }
        assert!(self.lines.iter().all(|lines| *lines <= 8));
    }

    fn longest_run(&self) -> usize {
        self.answered.chunk_by(|one, other| one == other).map(<[usize]>::len).max().unwrap_or_default()
    }

    fn count(&self, kind: EventKind) -> usize {
        self.log.count(kind)
    }
}

#[tokio::test]
async fn a_named_cookie_written_before_ours_never_arrives() {
    for attributes in ["; Path=/", "; Path=/; Domain=a.shop.example.com"] {
        let mut story = Story::new(&[Balancer::nginx("route").unwrap()]);
        story.sixty("route", attributes, Writes::Before).await;
        assert_eq!((story.longest_run(), story.count(EventKind::PinSeen)), (1, 0), "{attributes}");
        assert!(story.jar.is_empty(), "not even a marker");
    }
}

#[tokio::test]
async fn a_cookie_written_after_ours_pins_every_second_request_and_is_known_to_come_back() {
    let mut story = Story::new(&[Balancer::apache("ROUTEID").unwrap()]);
    story.sixty("ROUTEID", "; Path=/", Writes::After).await;
    assert_eq!((story.longest_run(), story.count(EventKind::PinSeen)), (2, 30));
    assert_eq!((story.count(EventKind::PinGone), story.count(EventKind::PinCameBack)), (29, 29));
}

#[tokio::test]
async fn a_cookie_of_a_parent_domain_or_of_a_path_is_found_by_trying() {
    for attributes in
        ["; Path=/; Domain=shop.example.com", "; Path=/; Domain=.example.com", "; Path=/x", "; Path=/x/", "; Path=/x; Domain=example.com"]
    {
        let mut story = Story::new(&[]);
        story.sixty("GCLB", attributes, Writes::Before).await;
        let last = &story.answered[20..];
        let longest = last.chunk_by(|one, other| one == other).map(<[usize]>::len).max();
        assert_eq!(longest, Some(2), "{attributes}: {:?}", story.answered);
        assert!(story.count(EventKind::PinGone) > 15, "{attributes}");
    }
}

#[tokio::test]
async fn a_cookie_written_with_every_response_is_tried_and_then_left() {
    let mut story = Story::new(&[]);
    story.sixty("AWSALB", "; Path=/", Writes::Always).await;
    assert_eq!((story.longest_run(), story.count(EventKind::PinGone)), (60, 0));
    let told = story.lines.iter().filter(|lines| **lines > 1).count();
    assert_eq!(story.count(EventKind::PinCameBack), told, "one answer to each deletion: {:?}", story.lines);
    assert_eq!(
        story.nodes.iter().flat_map(|node| node.report().pins).map(|pin| pin.counts.told).sum::<u64>(),
        u64::try_from(told).unwrap()
    );
    assert_eq!(story.lines[59], 0, "nothing is told any more: {:?}", story.lines);
    assert!(story.lines.iter().filter(|lines| **lines > 0).count() < 20);
}

#[tokio::test]
async fn a_cookie_of_one_path_is_not_taken_for_gone_elsewhere() {
    let mut story = Story::new(&[Balancer::of("nginx", [PinCookie::new("route").unwrap()])]);
    for _ in 0..4 {
        story.request("https://example.com/shop/cart", "route", "; Path=/shop", Writes::Always).await;
        story.request("https://example.com/help", "other", "; Path=/help", Writes::Before).await;
    }
    assert_eq!(story.count(EventKind::PinGone), 0);
    assert!(story.count(EventKind::PinCameBack) > 0);
}

#[tokio::test]
async fn every_cookie_that_can_be_named_is_deleted_in_one_response() {
    let pin = |name: &str| PinCookie::new(name).unwrap();
    let cases = [
        (pin("SRV"), "SRV=1; Path=/; Secure; HttpOnly; SameSite=Strict"),
        (pin("SRV"), "SRV=1; Path=/; Domain=a.shop.example.com"),
        (pin("SRV").domain("Shop.Example.com").unwrap(), "SRV=1; Path=/; Domain=.shop.example.com"),
        (pin("SRV").domain("A.shop.example.com").unwrap(), "SRV=1; Path=/; Domain=a.shop.example.com"),
        (pin("SRV").path("/x").unwrap(), "SRV=1; Path=/x"),
        (pin("SRV").path("/x/").unwrap().cross_site(), "SRV=1; Path=/x/; Secure; SameSite=None"),
        (pin("SRV").cross_site().partitioned(), "SRV=1; Path=/; Secure; SameSite=None; Partitioned"),
        (pin("__Secure-SRV"), "__Secure-SRV=1; Path=/; Secure"),
        (pin("__Host-SRV").partitioned(), "__Host-SRV=1; Path=/; Secure; Partitioned"),
        (pin("__Http-SRV"), "__Http-SRV=1; Path=/; Secure; HttpOnly"),
        (pin("__host-http-SRV"), "__host-http-SRV=1; Path=/; Secure; HttpOnly"),
    ];
    for (pin, line) in cases {
        let layer = AffinityLayer::builder().without_sessions().expire(pin).build().unwrap();
        let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) });
        let mut jar = Jar::new();
        let uri = http::Uri::from_static("https://a.shop.example.com/x/cart");
        jar.set(&uri, line).unwrap();
        let mut request = Request::get(&uri).body(()).unwrap();
        jar.attach(&mut request);
        let response = layer.layer(handler).oneshot(request).await.unwrap();
        let refused = jar.receive(&uri, response.headers());
        let left: Vec<_> = jar.iter().map(unstick_testkit::client::Cookie::name).filter(|name| name != "unstick-pins").collect();
        assert!(left.is_empty() && refused.is_empty(), "{line}: {left:?} {refused:?}");
    }
}

#[tokio::test]
async fn a_cookie_without_a_path_below_the_root_pins_every_second_request_at_worst() {
    let mut story = Story::new(&[Balancer::nginx("route").unwrap()]);
    story.sixty("route", "", Writes::Before).await;
    assert_eq!(story.longest_run(), 3, "once, before the path is found: {:?}", story.answered);
    assert!(story.answered[3..].chunk_by(|one, other| one == other).all(|run| run.len() <= 2));
}

#[tokio::test]
async fn a_domain_that_a_proxy_in_front_was_asked_for_is_found() {
    for (name, value) in [("x-forwarded-host", "a.shop.example.com, edge.example"), ("x-original-host", "a.shop.example.com:443")] {
        for attributes in ["; Domain=a.shop.example.com", "; Domain=example.com"] {
            let layer = AffinityLayer::new(Scope::Shared, [Balancer::azure_app_service()]).unwrap();
            let uri = http::Uri::from_static("https://a.shop.example.com/cart");
            let mut jar = Jar::new();
            jar.set(&uri, format!("ARRAffinity=1; Path=/{attributes}")).unwrap();
            for _ in 0..10 {
                let mut request = Request::get("/cart").header("host", "app-7.azurewebsites.net").header(name, value).body(()).unwrap();
                request.headers_mut().extend(jar.header(&uri).map(|line| (http::header::COOKIE, line)));
                let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) });
                let response = layer.layer(handler).oneshot(request).await.unwrap();
                jar.receive(&uri, response.headers());
            }
            assert!(jar.get("ARRAffinity").is_none(), "{name} {attributes}");
        }
    }
}

#[tokio::test]
async fn responses_that_overlap_tell_the_same_in_either_order() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let log = Arc::new(Log::default());
        let layer = AffinityLayer::builder().without_sessions().events(Events::new("n").observer(log.clone())).build().unwrap();
        let uri = http::Uri::from_static("https://a.shop.example.com/x");
        let mut jar = Jar::new();
        jar.set(&uri, "GCLB=1; Path=/").unwrap();
        let ask = async |jar: &Jar| {
            let mut request = Request::get(&uri).body(()).unwrap();
            jar.attach(&mut request);
            let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) });
            layer.layer(handler).oneshot(request).await.unwrap()
        };
        // Two tabs with the pin, and one that is slow.
        let late = [ask(&jar).await, ask(&jar).await, ask(&jar).await];
        for at in order {
            assert!(jar.receive(&uri, late[at].headers()).is_empty());
        }
        for _ in 0..3 {
            let response = ask(&jar).await;
            assert!(jar.receive(&uri, response.headers()).is_empty());
        }
        assert_eq!((log.count(EventKind::PinGone), log.count(EventKind::PinCameBack)), (1, 0), "{order:?}");
        // What comes long after tells of itself: gone, and never kept.
        assert!(jar.receive(&uri, late[0].headers()).is_empty());
        ask(&jar).await;
        assert_eq!((log.count(EventKind::PinGone), log.count(EventKind::PinCameBack)), (2, 0), "{order:?}");
    }
}
