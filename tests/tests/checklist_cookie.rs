//! What is sent to clients: the items on cookies and caches of the session security checklist, black-box.

use std::{collections::HashSet, time::Duration};

use axum::{Router, body::Body, response::IntoResponse, routing::get};
use http::{Request, StatusCode};
use tower::ServiceExt;
use unstick_core::{Key, KeyRing, Lifetimes};
use unstick_memory::MemoryStore;
use unstick_session::{
    Session, SessionLayer,
    cookie::{CookieConfig, SameSite},
};
use unstick_stories::{Backend, Cluster, cookies_for, keep_from};
use unstick_testkit::{client::Jar, faults::FaultStore};

fn ring() -> KeyRing {
    KeyRing::new(Key::from_bytes([3; 32]).unwrap())
}

fn attributes(line: &str) -> Vec<String> {
    line.split(';').skip(1).map(|part| part.trim().to_owned()).collect()
}

#[tokio::test]
async fn item_1_an_anonymous_request_costs_nothing_and_gets_no_cookie() {
    let store = FaultStore::new(MemoryStore::new());
    let counted = store.clone();
    let layer = SessionLayer::keyed(store, ring()).build().unwrap();
    let app = Router::new().route("/", get(async |session: Session| session.get::<String>("k").await.map(|_| "read"))).layer(layer);
    for uri in ["/", "/missing"] {
        let answer = app.clone().oneshot(Request::builder().uri(uri).body(Body::empty()).unwrap()).await.unwrap();
        assert!(!answer.headers().contains_key("set-cookie"));
    }
    assert_eq!(counted.all_calls(), 0);
}

#[tokio::test]
async fn item_2_the_cookie_is_host_bound_secure_and_not_for_scripts() {
    let cluster = Cluster::start(Backend::Memory).await;
    let login = cluster.client().get(0, "/login?user=ann").await;
    let [line] = login.set_cookies()[..] else { panic!("one cookie: {:?}", login.set_cookies()) };
    assert!(line.starts_with("__Host-id="));
    let attributes = attributes(line);
    for wanted in ["Secure", "HttpOnly", "Path=/", "SameSite=Lax"] {
        assert!(attributes.iter().any(|attribute| attribute == wanted), "{wanted} in {line}");
    }
    assert!(!line.contains("Domain"), "{line}");
}

#[test]
fn item_3_what_browsers_would_drop_is_refused_when_built() {
    let named = |name: &str| CookieConfig::new(name).unwrap();
    let refused = [
        named("__Host-id").domain("example.com"),
        named("__Host-id").path("/shop"),
        named("__Host-id").insecure_without_tls(),
        named("__host-ID").insecure_without_tls(),
        named("__Secure-id").insecure_without_tls(),
        named("__Host-Http-id").readable_by_scripts(),
        named("id").same_site(SameSite::None).insecure_without_tls(),
        named("id").partitioned().insecure_without_tls(),
        named("id").path(&format!("/{}", "x".repeat(1024))),
        named("id").domain(&"x".repeat(1025)),
        named("id").path("shop"),
        named("id").path("/a;b"),
    ];
    for cookie in refused {
        let error = SessionLayer::keyed(MemoryStore::new(), ring()).cookie(cookie.clone()).build().err();
        let sentence = error.unwrap_or_else(|| panic!("{cookie:?} was accepted")).to_string();
        assert!(sentence.contains('`'), "names its settings: {sentence}");
    }
    for name in ["", "a b", "a;b", "a=b", "näme", "a\r\nb"] {
        assert!(CookieConfig::new(name).is_err(), "{name:?}");
    }
    assert!(SessionLayer::keyed(MemoryStore::new(), ring()).cookie(named("id").domain("example.com").path("/shop")).build().is_ok());
}

#[tokio::test]
async fn item_4_the_removal_repeats_every_attribute_and_empties_the_jar() {
    let cookie = CookieConfig::new("__Secure-id").unwrap().domain("example.com").path("/shop").same_site(SameSite::None).partitioned();
    let layer = SessionLayer::keyed(MemoryStore::new(), ring()).cookie(cookie).build().unwrap();
    let app = Router::new()
        .route("/shop/in", get(async |session: Session| session.insert("k", "v").map(|()| "in")))
        .route("/shop/out", get(async |session: Session| session.end().map(|()| "out")))
        .layer(layer);
    let mut jar = Jar::default();
    let call = |path: &str, jar: &Jar| {
        let cookie = cookies_for(jar, "www.example.com", "/shop").unwrap_or_default();
        app.clone().oneshot(Request::builder().uri(path).header("cookie", cookie).body(Body::empty()).unwrap())
    };
    let first = call("/shop/in", &jar).await.unwrap();
    keep_from(&mut jar, "www.example.com", "/shop/in", first.headers());
    assert!(cookies_for(&jar, "www.example.com", "/shop").is_some());
    let last = call("/shop/out", &jar).await.unwrap();
    let (set, removal) = (first.headers()["set-cookie"].to_str().unwrap(), last.headers()["set-cookie"].to_str().unwrap());
    for attribute in attributes(set).iter().filter(|attribute| !attribute.starts_with("Max-Age")) {
        assert!(attributes(removal).contains(attribute), "{attribute} in {removal}");
    }
    assert!(removal.contains("Max-Age=0") && removal.contains("Expires=Thu, 01 Jan 1970"), "{removal}");
    keep_from(&mut jar, "www.example.com", "/shop/out", last.headers());
    assert_eq!(cookies_for(&jar, "www.example.com", "/shop"), None);
}

#[tokio::test]
async fn items_5_6_7_the_value_is_small_opaque_and_never_outlives_the_session() {
    let lifetimes = Lifetimes::new().idle(Duration::from_secs(400 * 86_400)).absolute(Duration::from_secs(400 * 86_400));
    let options = unstick_stories::Options { lifetimes, ..Default::default() };
    let cluster = Cluster::with(Backend::Memory, options).await;
    let mut client = cluster.client();
    let answer = client.get(0, "/set?secret=PAYLOAD").await;
    let line = answer.set_cookies()[0].to_owned();
    let (name, rest) = line.split_once('=').unwrap();
    let value = rest.split(';').next().unwrap();
    assert!(name.len() + value.len() <= 4096 && attributes(&line).iter().all(|attribute| attribute.len() <= 1024));
    assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'), "{value}");
    let max_age = attributes(&line).iter().find_map(|attribute| attribute.strip_prefix("Max-Age=").map(|age| age.parse::<u64>().unwrap()));
    assert!(max_age.unwrap() <= 34_560_000);
    assert!(!answer.body.contains(value) && !line.contains("PAYLOAD"));
    assert!(cluster.log.all().iter().all(|event| !format!("{event:?}").contains(value)), "ids never appear in events");
    assert!(Lifetimes::new().absolute(Duration::from_secs(401 * 86_400)).check().is_err());
}

#[tokio::test]
async fn item_6_max_age_never_passes_the_absolute_deadline() {
    let lifetimes = Lifetimes::new().idle(Duration::from_secs(600)).absolute(Duration::from_secs(700));
    let cluster = Cluster::with(Backend::Memory, unstick_stories::Options { lifetimes, ..Default::default() }).await;
    let mut client = cluster.client();
    client.get(0, "/set?a=1").await;
    cluster.clock.advance(Duration::from_secs(400));
    let renewed = client.get(1, "/get?k=a").await;
    assert!(renewed.set_cookies()[0].contains("Max-Age=300"), "{:?}", renewed.set_cookies());
}

#[tokio::test]
async fn item_8_ids_are_distinct_and_unbiased() {
    const SESSIONS: usize = 10_000;
    let cluster = Cluster::start(Backend::Memory).await;
    let mut seen = HashSet::new();
    let mut ones = [0_usize; 570];
    for _ in 0..SESSIONS {
        let answer = cluster.client().get(0, "/set?a=1").await;
        let value = answer.set_cookies()[0].split(['=', ';']).nth(1).unwrap().to_owned();
        for (at, byte) in value.bytes().enumerate() {
            let digit =
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".iter().position(|known| *known == byte).unwrap();
            for bit in 0..6 {
                ones[at * 6 + bit] += usize::from(digit >> (5 - bit) & 1 == 1);
            }
        }
        assert!(seen.insert(value[7..50].to_owned()), "an id came twice");
    }
    // Bits 40..296 are lineage and secret. Six standard deviations of a fair coin: 300 of 10 000.
    for (bit, count) in ones.iter().enumerate().take(296).skip(40) {
        assert!(count.abs_diff(SESSIONS / 2) < 300, "bit {bit} was set {count} times of {SESSIONS}");
    }
}

#[tokio::test]
async fn item_9_never_two_session_cookies_in_one_answer() {
    for backend in [Backend::Memory, Backend::Sqlite] {
        let cluster = Cluster::start(backend).await;
        for known in [false, true] {
            let mut client = cluster.client();
            if known {
                client.get(0, "/set?a=1").await;
            }
            let answer = client.get(1, "/all-at-once").await;
            assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (200, usize::from(known)), "{:?}", answer.set_cookies());
            assert_eq!(client.get(0, "/status").await.body, "new - ", "it ended the session and the jar is empty");
        }
    }
}

#[tokio::test]
async fn items_10_11_answers_that_touched_a_session_stay_out_of_shared_caches() {
    let touch = async |session: Session, status: StatusCode| (session.get::<String>("k").await.map(|_| status)).into_response();
    let layer = SessionLayer::keyed(MemoryStore::new(), ring()).build().unwrap();
    let app = Router::new()
        .route("/ok", get(move |session: Session| touch(session, StatusCode::OK)))
        .route("/304", get(move |session: Session| touch(session, StatusCode::NOT_MODIFIED)))
        .route("/204", get(move |session: Session| touch(session, StatusCode::NO_CONTENT)))
        .route("/404", get(move |session: Session| touch(session, StatusCode::NOT_FOUND)))
        .route("/500", get(move |session: Session| touch(session, StatusCode::INTERNAL_SERVER_ERROR)))
        .route("/keys", get(async |session: Session| session.keys().await.map(|_| "keys")))
        .route("/write", get(async |session: Session| session.insert("a", &1).map(|()| "write")))
        .route(
            "/held",
            get(async |session: Session| {
                Body::from_stream(futures_util::stream::once(async move {
                    let _ = session.status();
                    Ok::<_, std::convert::Infallible>("held")
                }))
            }),
        )
        .layer(layer);
    let cluster = Cluster::start(Backend::Memory).await;
    let public = cluster.client().get(0, "/public").await;
    assert!(!public.headers.contains_key("cdn-cache-control") && !public.headers.contains_key("surrogate-control"));
    let mut answers = vec![("public", public.headers)];
    for (path, method) in [
        ("/ok", "GET"),
        ("/ok", "HEAD"),
        ("/304", "GET"),
        ("/204", "GET"),
        ("/404", "GET"),
        ("/500", "GET"),
        ("/keys", "GET"),
        ("/write", "GET"),
        ("/held", "GET"),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        answers.push((path, app.clone().oneshot(request).await.unwrap().headers().clone()));
    }
    for (path, headers) in answers {
        assert_eq!(headers["cache-control"], "private, no-store", "{path}");
        assert!(headers.get_all("vary").iter().any(|vary| vary == "cookie"), "{path}");
    }
    let untouched = cluster.client().get(0, "/none").await;
    assert!(!untouched.headers.contains_key("cache-control") && !untouched.headers.contains_key("vary"));
}

#[tokio::test]
async fn item_63_the_cookie_is_secure_whatever_scheme_the_proxy_speaks() {
    let cluster = Cluster::start(Backend::Memory).await;
    for (header, value) in [("x-forwarded-proto", "http"), ("forwarded", "proto=http")] {
        let request = Request::builder().uri("http://shop.example/set?a=1").header(header, value).body(Body::empty()).unwrap();
        assert!(cluster.client().request(0, request).await.set_cookies()[0].contains("; Secure"));
    }
}

#[tokio::test]
async fn item_65_clear_site_data_goes_with_a_logout_when_asked_for() {
    let layer = SessionLayer::keyed(MemoryStore::new(), ring()).clear_site_data_on_end("\"cache\", \"storage\"").build().unwrap();
    let app = Router::new()
        .route("/in", get(async |session: Session| session.insert("k", "v").map(|()| "in")))
        .route("/out", get(async |session: Session| session.end().map(|()| "out")))
        .layer(layer);
    let first = app.clone().oneshot(Request::builder().uri("/in").body(Body::empty()).unwrap()).await.unwrap();
    assert!(!first.headers().contains_key("clear-site-data"));
    let cookie = first.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let last = app.oneshot(Request::builder().uri("/out").header("cookie", cookie).body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(last.headers()["clear-site-data"], "\"cache\", \"storage\"");
    assert_eq!(last.headers()["cache-control"], "private, no-store");
}
