//! What the report says of balancers that pin in ways known of real ones: each verdict from traffic.

use std::convert::Infallible;

use http::{HeaderValue, Request, Response, Uri, header::SET_COOKIE};
use tower::{Layer, ServiceExt, service_fn};
use unstick_affinity::{
    AffinityLayer, AffinityLayerBuilder, Balancer, Percent,
    report::{PinReport, Verdict},
};
use unstick_core::{Events, Scope, cookie};
use unstick_testkit::client::Jar;

const NODES: usize = 3;
const CLIENTS: usize = 30;

/// How a balancer pins.
#[derive(Debug, Clone, Copy)]
enum Pins {
    /// By a cookie before the application's lines, unless the request has it.
    Before,
    /// By one after them, unless the request has it.
    After,
    /// By one after them, with every response.
    Always,
    /// By something that the application never sees.
    Unseen,
}

/// Clients that come with a pin from before the layer was there, and send so many requests each. What every node says in the end.
async fn play(balancer: Option<Balancer>, pin: &str, pins: Pins, requests: usize) -> Vec<AffinityLayer> {
    let node = |node: usize| {
        let builder = AffinityLayer::builder().sessions(Scope::Shared).events(Events::new(&format!("n{node}")));
        let builder = builder.watch_routes(Percent::of_clients(100));
        balancer.iter().cloned().fold(builder, AffinityLayerBuilder::behind).build().unwrap()
    };
    let nodes: Vec<_> = (0..NODES).map(node).collect();
    let uri = Uri::from_static("https://shop.example.com/cart");
    let mut turn = 0;
    for client in 0..CLIENTS {
        let mut jar = Jar::new();
        if !matches!(pins, Pins::Unseen) {
            jar.set(&uri, format!("{pin}={}; Path=/", client % NODES)).unwrap();
        }
        for _ in 0..requests {
            let mut request = Request::get(&uri).body(()).unwrap();
            jar.attach(&mut request);
            let pinned = cookie::candidates(request.headers(), pin).find_map(|value| str::from_utf8(value).ok()?.parse::<usize>().ok());
            turn += 1;
            let at = if matches!(pins, Pins::Unseen) { client % NODES } else { pinned.unwrap_or(turn % NODES) };
            let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) });
            let response = nodes[at].layer(handler).oneshot(request).await.unwrap();
            let mut lines: Vec<HeaderValue> = response.headers().get_all(SET_COOKIE).iter().cloned().collect();
            let own = HeaderValue::try_from(format!("{pin}={at}; Path=/")).unwrap();
            match pins {
                Pins::Before if pinned.is_none() => lines.insert(0, own),
                Pins::After if pinned.is_none() => lines.push(own),
                Pins::Always => lines.push(own),
                Pins::Before | Pins::After | Pins::Unseen => {}
            }
            for line in &lines {
                jar.set(&uri, line).unwrap();
            }
        }
    }
    nodes
}

fn pins(nodes: &[AffinityLayer], product: &str) -> Vec<PinReport> {
    let of = |node: &AffinityLayer| node.report().pins.into_iter().find(|pin| pin.product == product).unwrap();
    nodes.iter().map(of).collect()
}

fn judged(nodes: &[AffinityLayer], product: &str) -> Vec<Verdict> {
    pins(nodes, product).iter().map(|pin| pin.verdict).collect()
}

#[tokio::test]
async fn a_balancer_that_writes_first_is_told_and_it_works() {
    let nodes = play(Some(Balancer::traefik("_srv").unwrap()), "_srv", Pins::Before, 7).await;
    assert_eq!(judged(&nodes, "traefik"), [Verdict::Works; NODES]);
    let gone: u64 = pins(&nodes, "traefik").iter().map(|pin| pin.counts.gone).sum();
    assert_eq!(gone, u64::try_from(CLIENTS).unwrap(), "each client told one node");
    assert!(nodes.iter().all(|node| node.report().pinned_ratio < 0.5 && node.report().pinned == 10));
}

#[tokio::test]
async fn a_balancer_that_writes_last_pins_every_second_request() {
    let nodes = play(Some(Balancer::apache("ROUTEID").unwrap()), "ROUTEID", Pins::After, 12).await;
    assert_eq!(judged(&nodes, "apache"), [Verdict::EverySecondRequest; NODES]);
}

#[tokio::test]
async fn a_cookie_that_is_set_with_every_response_stays_and_the_exact_setting_is_named() {
    let nodes = play(Some(Balancer::apache("ROUTEID").unwrap()), "ROUTEID", Pins::Always, 6).await;
    assert_eq!(judged(&nodes, "apache"), [Verdict::NoEffect; NODES]);
    assert!(pins(&nodes, "apache").iter().all(|pin| pin.sentence.contains("remove `stickysession=")));

    let nodes = play(None, "AWSALB", Pins::Always, 6).await;
    for pin in pins(&nodes, "aws-alb") {
        assert_eq!(pin.verdict, Verdict::ConfigurationOnly, "{pin}");
        let exact = "AWS ALB target group: set stickiness.enabled=false; the application can't end this pin.";
        assert!(pin.sentence.ends_with(exact), "{}", pin.sentence);
    }
}

#[tokio::test]
async fn a_pin_that_is_not_seen_is_noticed_by_the_route_watch() {
    let nodes = play(Some(Balancer::haproxy("SRV").unwrap()), "SRV", Pins::Unseen, 12).await;
    assert_eq!(judged(&nodes, "haproxy"), [Verdict::Hidden; NODES]);
    for node in &nodes {
        let report = node.report();
        assert_eq!((report.pinned, report.route_runs), (0, 10), "ten clients of each node");
        assert!(report.pins[0].sentence.contains("add `preserve`"), "{}", report.pins[0]);
        let sentence = report.route_sentence.as_deref().unwrap_or_default();
        assert!(sentence.contains("connections rather than requests"), "eight requests on one connection are no pin: {sentence}");
        assert!(report.route_settings.iter().any(|setting| setting == "Kubernetes Service: set sessionAffinity: None in the Service"));
    }
}

#[tokio::test]
async fn a_balancer_that_hides_nothing_is_not_blamed_for_a_pin_of_another() {
    // The deletion of nginx's cookie works, so that it is never seen; clients stay for their address.
    let nodes = play(Some(Balancer::nginx("route").unwrap()), "route", Pins::Unseen, 12).await;
    for pin in pins(&nodes, "nginx") {
        assert!(pin.sentence.contains("or the deletion works and clients stay for another reason"), "{pin}");
    }
}

#[tokio::test]
async fn too_few_answers_say_nothing() {
    let nodes = play(Some(Balancer::traefik("_srv").unwrap()), "_srv", Pins::Before, 1).await;
    assert_eq!(judged(&nodes, "traefik"), [Verdict::TooEarly; NODES]);
}
