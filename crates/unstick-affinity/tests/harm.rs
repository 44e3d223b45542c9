//! Deletions that would do harm: of the application's own cookies, and in responses that others get too.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{
    HeaderName, Request, Response,
    header::{CACHE_CONTROL, COOKIE, EXPIRES, HOST, SET_COOKIE},
};
use tower::{Layer, Service, ServiceExt, service_fn};
use unstick_affinity::{AffinityLayer, AffinityLayerBuilder, Audit, Balancer, Head, Percent, PinCookie, catalogue};
use unstick_core::{Event, EventKind, Events, Observer, Scope};

fn pin(name: &str) -> PinCookie {
    PinCookie::new(name).unwrap()
}

fn builder() -> AffinityLayerBuilder {
    AffinityLayer::builder().sessions(Scope::Shared)
}

fn refusal(builder: AffinityLayerBuilder) -> String {
    builder.build().expect_err("must be refused").to_string()
}

async fn lines(layer: &AffinityLayer, cookies: &str, answer: &[(HeaderName, &'static str)]) -> Vec<String> {
    let answer = answer.to_vec();
    let service = service_fn(move |_: Request<()>| {
        let response = answer.iter().fold(Response::builder(), |response, (name, value)| response.header(name, *value)).body(());
        async move { Ok::<_, Infallible>(response.unwrap()) }
    });
    let request = Request::get("/").header(HOST, "shop.example.com").header(COOKIE, cookies).body(()).unwrap();
    let response = layer.layer(service).oneshot(request).await.unwrap();
    response.headers().get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap().to_owned()).collect()
}

#[test]
fn a_cookie_that_the_application_sets_itself_is_refused_where_its_product_pins_by_such() {
    for product in ["haproxy-session-cookie", "nginx-session-cookie", "apache-session-cookie", "aws-alb-application", "oci-application"] {
        let error = refusal(builder().behind(Balancer::of(product, [pin("JSESSIONID")])));
        assert!(error.contains("`JSESSIONID`") && error.contains(product) && error.contains("ends every session"), "{error}");
        assert!(builder().behind(Balancer::of(product, [])).build().is_ok(), "{product}");
    }
    assert!(builder().behind(Balancer::of("aws-alb-application", [pin("AWSALBAPP-0")])).build().is_ok(), "the balancer's own");
    for product in catalogue::products().iter().filter(|product| product.attributes.is_empty()).map(|product| product.name) {
        let error = refusal(builder().behind(Balancer::of(product, [pin("x")])));
        assert!(error.contains("`x`") && error.contains(product), "{error}");
    }
}

#[test]
fn cookies_that_are_known_to_be_no_pins_are_refused() {
    for name in ["unstick-pins", "unstick-bucket", "__Host-id"] {
        assert!(refusal(builder().expire(pin(name))).contains(name));
        assert!(refusal(builder().behind(Balancer::haproxy(name).unwrap())).contains(name));
    }
    let audit = Audit::builder("sid").also_called("oldsid").build().unwrap();
    for name in ["sid", "oldsid"] {
        let error = refusal(builder().audit(&audit).expire(pin(name)));
        assert!(error.contains(name) && error.contains("session"), "{error}");
        assert!(builder().expire(pin(name)).build().is_ok(), "nobody said that it is the session's");
    }
}

#[test]
fn a_cookie_named_twice_is_refused_rather_than_half_forgotten() {
    let at = |domain: &str| pin("SRV").domain(domain).unwrap();
    for twice in [
        builder().expire(at("example.com")).expire(at("example.org")),
        builder().behind(Balancer::haproxy("SRV").unwrap()).expire(at("example.org")),
        builder().behind(Balancer::haproxy("SRV").unwrap()).behind(Balancer::nginx("SRV").unwrap()),
    ] {
        let error = refusal(twice);
        assert!(error.contains("`SRV`") && error.contains("twice"), "{error}");
    }
}

#[test]
fn deletions_that_never_fit_are_refused() {
    let many = (0..9).fold(builder(), |builder, n| builder.expire(pin(&format!("SRV{n}"))));
    assert!(refusal(many).contains("at most 8 lines"), "the ninth would never be sent");
    let paths =
        ["/a", "/b", "/c", "/d", "/e"].into_iter().fold(pin("SRV").domain("example.com").unwrap(), |pin, path| pin.path(path).unwrap());
    assert!(refusal(builder().expire(paths)).contains("10 lines"), "five paths, with and without the domain");
    let long = pin("SRV").path(&format!("/{}", "x".repeat(1000))).unwrap();
    assert!(refusal(builder().expire(long)).contains("1024 bytes"));
    assert!((0..8).fold(builder(), |builder, n| builder.expire(pin(&format!("SRV{n}")))).build().is_ok());
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<(EventKind, String)>>);

impl Observer for Log {
    fn on_event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push((event.kind, event.detail.to_owned()));
    }
}

#[tokio::test]
async fn a_named_cookie_that_the_application_sets_is_left_alone_from_then_on_and_told() {
    let log = Arc::new(Log::default());
    let layer = builder().events(Events::new("n1").observer(log.clone())).expire(pin("sid")).expire(pin("SRV")).build().unwrap();
    let removal = lines(&layer, "", &[(SET_COOKIE, "sid=; Path=/; Max-Age=0")]).await;
    assert_eq!(removal[1..], ["SRV=; Path=/; Max-Age=0", "SRV=; Path=/; Max-Age=0; Domain=shop.example.com"]);
    assert!(lines(&layer, "", &[]).await.iter().any(|line| line.starts_with("sid=;")), "a removal says nothing");

    for cache in ["private", "public"] {
        lines(&layer, "", &[(SET_COOKIE, "sid=4f2a; Path=/"), (CACHE_CONTROL, cache)]).await;
    }
    for cookies in ["", "sid=4f2a"] {
        let after = lines(&layer, cookies, &[]).await;
        assert!(!after.iter().any(|line| line.starts_with("sid=")) && after[0].starts_with("SRV=;"), "{after:?}");
    }
    let told: Vec<_> = log.0.lock().unwrap().iter().filter(|(kind, _)| *kind == EventKind::CookieMisconfigured).cloned().collect();
    assert_eq!(told.len(), 1, "once: {told:?}");
    assert!(told[0].1.contains("sid") && !told[0].1.contains("4f2a"), "{told:?}");
    let report = layer.report();
    let of = |label: &str| report.pins.iter().find(|pin| pin.product == label).unwrap().sentence.clone();
    assert!(of("sid").contains("sets this cookie itself, so that it is left alone") && !of("SRV").contains("itself"), "{report}");
}

#[tokio::test]
async fn what_a_shared_cache_may_keep_carries_no_cookie_of_ours() {
    let layer = builder().expire(pin("SRV")).switch(Percent::of_clients(99)).watch_routes(Percent::of_clients(100));
    let layer = layer.events(Events::new("n1")).build().unwrap();
    let shared: [&[(HeaderName, &str)]; 6] = [
        &[(CACHE_CONTROL, "max-age=60")],
        &[(CACHE_CONTROL, "must-revalidate, Max-Age = \"60\"")],
        &[(CACHE_CONTROL, "max-age=60, immutable")],
        &[(CACHE_CONTROL, "public")],
        &[(EXPIRES, "Tue, 01 Jan 2999 00:00:00 GMT")],
        &[(CACHE_CONTROL, "must-revalidate"), (EXPIRES, "Tue, 01 Jan 2999 00:00:00 GMT")],
    ];
    for answer in shared {
        for cookies in ["", "GCLB=1; unstick-bucket=7", "unstick-bucket=7; unstick-pins=1000503"] {
            assert!(lines(&layer, cookies, answer).await.is_empty(), "{answer:?} {cookies}");
        }
    }
    let private: [&[(HeaderName, &str)]; 8] = [
        &[],
        &[(CACHE_CONTROL, "private, max-age=60")],
        &[(CACHE_CONTROL, "max-age=0, must-revalidate")],
        &[(CACHE_CONTROL, "no-cache, max-age=60")],
        &[(CACHE_CONTROL, "no-store"), (EXPIRES, "Tue, 01 Jan 2999 00:00:00 GMT")],
        &[(EXPIRES, "0")],
        &[(EXPIRES, "-1")],
        &[(EXPIRES, "Thu, 19 Nov 1981 08:52:00 GMT")],
    ];
    for answer in private {
        assert!(!lines(&layer, "unstick-bucket=7", answer).await.is_empty(), "{answer:?}");
    }
}

#[test]
fn debug_output_has_no_cookie_and_no_path() {
    let request = || Request::get("/reset/t0ken?key=k3y").header(COOKIE, "__Host-id=s3cret; AWSALB=p1n").body(()).unwrap();
    let one = request();
    let head = format!("{:?}", Head::new(one.method(), one.uri(), one.headers()));
    let handler = service_fn(|_: Request<()>| std::future::ready(Ok::<_, Infallible>(Response::new(()))));
    let future = format!("{:?}", builder().build().unwrap().layer(handler).call(request()));
    for secret in ["s3cret", "p1n", "t0ken", "k3y"] {
        assert!(!head.contains(secret) && !future.contains(secret), "{secret} in {head} {future}");
    }
}
