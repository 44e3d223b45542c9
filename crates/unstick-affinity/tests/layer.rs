//! The layer from outside, around a bare `service_fn`.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{CACHE_CONTROL, COOKIE, HOST, SET_COOKIE},
};
use tower::{Layer, Service, ServiceExt, service_fn};
use unstick_affinity::{AffinityLayer, AffinityLayerBuilder, Balancer, Head, PinCookie, per_request};
use unstick_core::{AffinityRan, Event, EventKind, Events, HeaderBudget, Observer, Scope};

const ARR: &str = "arr-disable-session-affinity";

#[derive(Debug, Default)]
struct Log(Mutex<Vec<(EventKind, String)>>);

impl Observer for Log {
    fn on_event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push((event.kind, event.detail.to_owned()));
    }
}

impl Log {
    fn take(&self) -> Vec<(EventKind, String)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn logged() -> (Arc<Log>, AffinityLayerBuilder) {
    let log = Arc::new(Log::default());
    (log.clone(), AffinityLayer::builder().sessions(Scope::Shared).events(Events::new("n1").observer(log)))
}

fn shared() -> AffinityLayer {
    AffinityLayer::builder().sessions(Scope::Shared).build().unwrap()
}

fn request(cookies: &str) -> Request<()> {
    Request::get("/").header(HOST, "shop.example.com:8443").header(COOKIE, cookies).body(()).unwrap()
}

async fn through(layer: &AffinityLayer, cookies: &str, answer: impl Fn() -> Response<()> + Clone) -> Response<()> {
    let service = service_fn(move |_: Request<()>| {
        let response = answer();
        async move { Ok::<_, Infallible>(response) }
    });
    layer.layer(service).oneshot(request(cookies)).await.unwrap()
}

fn set_cookies(response: &Response<()>) -> Vec<&[u8]> {
    response.headers().get_all(SET_COOKIE).iter().map(HeaderValue::as_bytes).collect()
}

#[tokio::test]
async fn a_seen_pin_is_told_to_expire_and_reported() {
    let (log, builder) = logged();
    let layer = builder.build().unwrap();
    let response = through(&layer, "AWSALB=1; x=2; AWSALBCORS=3", || Response::new(())).await;
    let lines = set_cookies(&response);
    assert_eq!(lines[0], b"AWSALB=; Path=/; Max-Age=0");
    assert!(lines.contains(&&b"AWSALBCORS=; Path=/; Max-Age=0; Domain=shop.example.com; SameSite=None; Secure"[..]));
    assert_eq!(lines.len(), 5);
    assert!(lines[4].starts_with(b"unstick-pins=1"), "what the client was told");
    assert_eq!(log.take(), [(EventKind::PinSeen, "aws-alb".to_owned()), (EventKind::PinExpired, "aws-alb".to_owned())]);

    let response = through(&layer, "x=2", || Response::new(())).await;
    assert!(set_cookies(&response).is_empty());
    assert_eq!(response.headers()[ARR], "true");
    assert!(response.extensions().get::<AffinityRan>().is_some());
    assert!(log.take().is_empty());
}

#[tokio::test]
async fn http2_takes_the_domain_from_the_uri() {
    let service = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) });
    let request = Request::get("https://a.example.com:444/x").header(COOKIE, "__cflb=1").body(()).unwrap();
    let response = shared().layer(service).oneshot(request).await.unwrap();
    assert_eq!(set_cookies(&response)[1], b"__cflb=; Path=/; Max-Age=0; Domain=a.example.com");
}

#[tokio::test]
async fn foreign_lines_pass_byte_for_byte_and_ours_come_last() {
    let odd: Vec<Vec<u8>> = (0..200u8)
        .map(|n| match n % 8 {
            0 => format!("c{n}=v; Expires=Thu, 01 Jan 1970 00:00:00 GMT").into_bytes(),
            1 => vec![b'b', n, b'=', 0x80 | n, 0xff, b';', b' '].into_iter().filter(|byte| *byte >= 32 && *byte != 127).collect(),
            2 => format!("  lead{n} = spaced ;;; ; HttpOnly").into_bytes(),
            3 => format!("no-equals-{n}").into_bytes(),
            4 => format!("={n}").into_bytes(),
            5 => format!("q{n}=\"a,b\\\"; c\"; path=/").into_bytes(),
            6 => Vec::new(),
            _ => format!("same=value-{n}\tx").into_bytes(),
        })
        .collect();
    let theirs = odd.clone();
    let answer = move || {
        let mut response = Response::new(());
        for line in &odd {
            response.headers_mut().append(SET_COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        response
    };
    let response = through(&shared(), "GCLB=1", answer).await;
    let lines = set_cookies(&response);
    assert_eq!(lines.len(), 203);
    assert!(lines.iter().zip(&theirs).all(|(got, sent)| got == sent));
    assert!(lines[200..202].iter().all(|line| line.starts_with(b"GCLB=;")) && lines[202].starts_with(b"unstick-pins="));
}

#[tokio::test]
async fn a_cookie_of_the_handler_is_the_handlers() {
    let answer = || Response::builder().header(SET_COOKIE, "GCLB=mine").body(()).unwrap();
    let response = through(&shared(), "GCLB=1", answer).await;
    assert_eq!(set_cookies(&response), [b"GCLB=mine"]);
    let answer = || Response::builder().header(ARR, "false").body(()).unwrap();
    assert_eq!(through(&shared(), "", answer).await.headers()[ARR], "false");
}

#[tokio::test]
async fn shared_cacheable_and_bodiless_answers_get_the_arr_header_alone() {
    let (log, builder) = logged();
    let layer = builder.expire(PinCookie::new("SRV").unwrap()).build().unwrap();
    for (status, cache) in [(200, "public, max-age=60"), (200, "s-maxage=9"), (304, "private"), (101, "private")] {
        let answer =
            move || Response::builder().status(StatusCode::from_u16(status).unwrap()).header(CACHE_CONTROL, cache).body(()).unwrap();
        let response = through(&layer, "GCLB=1", answer).await;
        assert_eq!((set_cookies(&response).len(), &response.headers()[ARR]), (0, &HeaderValue::from_static("true")), "{status} {cache}");
    }
    assert_eq!(log.take().len(), 4, "only PinSeen");
}

#[tokio::test]
async fn the_budget_is_shared_and_ours_are_dropped_first() {
    let (log, builder) = logged();
    let layer = builder.expire(PinCookie::new("SRV").unwrap()).build().unwrap();
    let with_budget = |left| {
        move || {
            let mut response = Response::new(());
            response.extensions_mut().insert(HeaderBudget::new(left));
            response
        }
    };
    let response = through(&layer, "", with_budget(0)).await;
    assert!(set_cookies(&response).is_empty());
    assert_eq!(response.headers()[ARR], "true");
    assert_eq!(log.take(), [(EventKind::PinDropped, "SRV".to_owned())]);

    let response = through(&layer, "", with_budget(90)).await;
    assert_eq!(set_cookies(&response), [b"SRV=; Path=/; Max-Age=0"]);
    assert_eq!(response.extensions().get::<HeaderBudget>().map(HeaderBudget::left), Some(90 - 36 - 37));

    let many: Vec<String> = (0..30).map(|n| format!("AWSALBAPP-{n}=x")).collect();
    let response = through(&layer, &many.join("; "), || Response::new(())).await;
    let lines = set_cookies(&response);
    assert!(lines.len() == 8 && lines[0].starts_with(b"SRV="), "configured ones go first");
    assert!(lines[7].starts_with(b"unstick-pins="), "the marker has its room");
    assert!(log.take().contains(&(EventKind::PinDropped, "aws-alb-application".to_owned())));
}

#[tokio::test]
async fn the_switch_works_while_serving_and_off_means_untouched() {
    let (log, builder) = logged();
    let flag = Arc::new(AtomicBool::new(false));
    let layer = builder.switch(flag.clone()).build().unwrap();
    let example = request("");
    let head = Head::new(example.method(), example.uri(), example.headers());
    assert!(!layer.is_on(&head));
    let response = through(&layer, "GCLB=1", || Response::new(())).await;
    assert!(response.headers().is_empty() && response.extensions().is_empty() && log.take().is_empty());
    flag.store(true, Ordering::Relaxed);
    assert!(layer.is_on(&head));
    let response = through(&layer, "GCLB=1", || Response::new(())).await;
    assert_eq!((set_cookies(&response).len(), log.take().len()), (3, 2));
}

#[tokio::test]
async fn a_switch_is_asked_once_per_request() {
    let asked = Arc::new(Mutex::new(0));
    let counter = asked.clone();
    let switch = move || {
        *counter.lock().unwrap() += 1;
        *counter.lock().unwrap() == 1
    };
    let layer = AffinityLayer::builder().without_sessions().switch(switch).build().unwrap();
    assert!(through(&layer, "", || Response::new(())).await.headers().contains_key(ARR));
    assert!(!through(&layer, "", || Response::new(())).await.headers().contains_key(ARR));
    assert_eq!(*asked.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_switch_can_look_at_the_request() {
    let layer = AffinityLayer::builder().without_sessions().switch(per_request(|head| head.uri().path() != "/warmup")).build().unwrap();
    for (path, is_on) in [("/warmup", false), ("/", true)] {
        let service = layer.layer(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) }));
        let request = Request::get(path).header(COOKIE, "GCLB=1").body(()).unwrap();
        let response = service.oneshot(request).await.unwrap();
        assert_eq!((response.headers().contains_key(ARR), response.headers().contains_key(SET_COOKIE)), (is_on, is_on), "{path}");
    }
}

#[tokio::test]
async fn presets_expire_their_cookies_and_report_by_product() {
    let (log, builder) = logged();
    let layer = builder.behind(Balancer::haproxy("SRV").unwrap()).behind(Balancer::aws_alb()).build().unwrap();
    let response = through(&layer, "SRV=b", || Response::new(())).await;
    assert_eq!(set_cookies(&response)[..2], [&b"SRV=; Path=/; Max-Age=0"[..], b"SRV=; Path=/; Max-Age=0; Domain=shop.example.com"]);
    assert_eq!(log.take(), [(EventKind::PinSeen, "haproxy".to_owned()), (EventKind::PinExpired, "haproxy".to_owned())]);
    let response = through(&layer, "", || Response::new(())).await;
    assert_eq!(set_cookies(&response).len(), 2, "with every response, and no marker for a client without a pin");
    let odd = AffinityLayer::new(Scope::Shared, [Balancer::of("ngnix", [])]).unwrap_err().to_string();
    assert!(odd.contains("`ngnix`") && odd.contains("catalogue::products()"), "{odd}");
}

#[tokio::test]
async fn a_mark_for_the_order_of_layers_is_on_the_first_responses_and_where_lines_are() {
    let layer = shared();
    let mut marked = 0;
    for _ in 0..40 {
        let response = through(&layer, "a=1", || Response::new(())).await;
        marked += usize::from(response.extensions().get::<AffinityRan>().is_some());
    }
    assert_eq!(marked, 16);
    assert!(through(&layer, "GCLB=1", || Response::new(())).await.extensions().get::<AffinityRan>().is_some());
}

#[tokio::test]
async fn an_error_of_the_service_passes_through() {
    #[derive(Debug, PartialEq)]
    struct Odd;
    let mut service = shared().layer(service_fn(|_: Request<()>| async { Err::<Response<()>, _>(Odd) }));
    assert_eq!(service.ready().await.unwrap().call(request("GCLB=1")).await.unwrap_err(), Odd);
}

#[test]
fn sessions_that_would_be_lost_are_refused_with_both_settings_named() {
    let error = AffinityLayer::builder().sessions(Scope::Process).build().unwrap_err().to_string();
    for part in ["sessions(Scope::Process)", "affinity layer", "allow_sessions_lost_on_other_nodes()", "store that every node reaches"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(AffinityLayer::builder().sessions(Scope::Process).switch(false).build().is_err(), "it can be switched on later");
    assert!(AffinityLayer::builder().sessions(Scope::Process).allow_sessions_lost_on_other_nodes().build().is_ok());
    assert!(AffinityLayer::builder().build().unwrap_err().to_string().contains("sessions(store.scope())"));
    assert!(AffinityLayer::builder().sessions(Scope::Client).build().is_ok());
}

#[test]
fn sessions_of_one_host_work_and_are_warned_about() {
    let (log, builder) = logged();
    assert!(builder.sessions(Scope::Host).build().is_ok());
    assert_eq!(log.take()[0].0, EventKind::HostScope);
}

#[test]
fn traits() {
    fn is_shared<T: Send + Sync + Clone + std::fmt::Debug>(_: &T) {}
    let layer = shared();
    is_shared(&layer);
    is_shared(&layer.layer(()));
    assert!(format!("{layer:?}").contains("expired"));
}

/// Lines of other parts of the application, of any bytes that a header can hold, with our names in them.
fn any_line() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    use proptest::prelude::*;
    let text = "(GCLB|GCLB=|xGCLB|unstick-pins|SRV|same|=|;|\"|,| |\t|Path=/|Max-Age=0|[!-~]{0,12}){0,8}";
    prop_oneof![
        Just(Vec::new()),
        text.prop_map(String::into_bytes),
        prop::collection::vec(prop_oneof![Just(b'\t'), 32u8..127, 128u8..=255], 0..200),
        (1usize..6000).prop_map(|length| vec![b'x'; length]),
    ]
    .prop_filter("a header's value", |bytes| HeaderValue::from_bytes(bytes).is_ok())
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(48))]
    #[test]
    fn two_hundred_lines_of_others_pass_whatever_they_are(
        theirs in proptest::collection::vec(any_line(), 200),
        cookies in proptest::prop_oneof!["", "GCLB=1", "SRV=a; GCLB=2; unstick-pins=1", "unstick-pins=[0-9A-Za-z.]{0,40}"],
    ) {
        let lines = theirs.clone();
        let answer = move || {
            let mut response = Response::new(());
            for line in &lines {
                response.headers_mut().append(SET_COOKIE, HeaderValue::from_bytes(line).unwrap());
            }
            response
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let layer = AffinityLayer::new(Scope::Shared, [Balancer::haproxy("SRV").unwrap()]).unwrap();
        let response = runtime.block_on(through(&layer, &cookies, answer));
        let lines = set_cookies(&response);
        proptest::prop_assert!(lines.len() >= 200 && lines.len() <= 208);
        proptest::prop_assert!(lines.iter().zip(&theirs).all(|(got, sent)| got == sent));
        for ours in &lines[200..] {
            let name = ours.split(|byte| *byte == b'=').next().unwrap_or_default();
            let is_theirs = |line: &Vec<u8>| line.split(|byte| matches!(byte, b'=' | b';')).next().map(<[u8]>::trim_ascii) == Some(name);
            proptest::prop_assert!([&b"SRV"[..], b"GCLB", b"unstick-pins"].contains(&name));
            proptest::prop_assert!(!theirs.iter().any(is_theirs), "a cookie of the handler is the handler's");
        }
    }
}
