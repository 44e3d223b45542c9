//! Behind the session layer, with a client that keeps cookies as browsers do.

mod common;

use std::{convert::Infallible, sync::Arc};

use common::*;
use http::{HeaderMap, Request, Response, StatusCode};
use tower::{Layer, Service, service_fn};
use unstick_core::{ErrorKind, EventKind, Events, Scope};
use unstick_memory::MemoryStore;
use unstick_session::{Session, SessionError, SessionLayer, cookie::CookieConfig};
use unstick_testkit::{
    client::{Jar, call},
    faults::{Fault, FaultStore},
    observe::EventLog,
};
use unstick_token::{StoreRevocations, Token, TokenBuilder};

/// `/verb/key/value`, answered in a header.
async fn handler(request: Request<()>) -> Result<Response<()>, Infallible> {
    let session = request.extensions().get::<Session>().unwrap().clone();
    let path = request.uri().path().to_owned();
    Ok(match answer(&session, path.trim_start_matches('/')).await {
        Ok(answer) => Response::builder().header("x-answer", answer).body(()).unwrap(),
        Err(error) => Response::builder().status(error.status_code()).header("x-answer", error.to_string()).body(()).unwrap(),
    })
}

async fn answer(session: &Session, path: &str) -> Result<String, SessionError> {
    let mut words = path.split('/');
    let mut next = || words.next().unwrap_or_default();
    match (next(), next(), next()) {
        ("get", key, _) => return Ok(session.get::<String>(key).await?.unwrap_or_default()),
        ("set", key, value) => session.insert(key, value)?,
        ("fill", key, length) => session.insert(key, &"x".repeat(length.parse().unwrap()))?,
        ("length", key, _) => return Ok(session.get::<String>(key).await?.unwrap_or_default().len().to_string()),
        ("remove", key, _) => session.remove(key)?,
        ("count", times, _) => {
            let mut count = None;
            for _ in 0..times.parse().unwrap() {
                count = session.update("count", |count: Option<u64>| Some(count.unwrap_or(0) + 1)).await?;
            }
            return Ok(count.unwrap_or(0).to_string());
        }
        ("login", user, _) => session.promote(user).await?,
        ("logout", ..) => session.end()?,
        ("renew", ..) => session.renew_id()?,
        ("who", ..) => {
            let status = session.load().await?;
            return Ok(format!("{} {}", status.as_str(), session.principal().await?.as_deref().unwrap_or("-")));
        }
        _ => {}
    }
    Ok("ok".to_owned())
}

/// An answer: status, `x-answer`, `Set-Cookie` lines.
struct Answer(StatusCode, String, HeaderMap);

impl Answer {
    fn lines(&self) -> Vec<&str> {
        self.2.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect()
    }
}

async fn send(layer: &SessionLayer, jar: &mut Jar, path: &str) -> Answer {
    let service = layer.layer(service_fn(handler));
    let response = call(jar, service, Request::get(format!("https://localhost/{path}")).body(()).unwrap()).await.unwrap();
    let text = response.headers().get("x-answer").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    Answer(response.status(), text, response.headers().clone())
}

async fn ask(layer: &SessionLayer, jar: &mut Jar, path: &str) -> String {
    let Answer(status, text, _) = send(layer, jar, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {text}");
    text
}

fn layer(token: Token) -> SessionLayer {
    SessionLayer::backend(token).build().unwrap()
}

/// Two nodes that share their keys and nothing else.
fn nodes(build: impl Fn() -> TokenBuilder) -> [SessionLayer; 2] {
    [(); 2].map(|()| layer(build().build().unwrap()))
}

#[tokio::test]
async fn a_cart_a_login_and_a_logout_on_any_node() {
    for key in kinds() {
        let [a, b] = nodes(|| builder(key.clone()));
        assert_eq!((a.scope(), a.backend_name()), (Scope::Client, "token"));
        let mut jar = Jar::new();
        assert_eq!(send(&a, &mut jar, "get/cart").await.lines(), [""; 0], "nobody is given a session for looking");
        let created = send(&a, &mut jar, "set/cart/tea").await;
        let [line] = created.lines()[..] else { panic!("one line") };
        assert!(
            line.starts_with("__Host-id=") && line.contains("Secure") && line.contains("HttpOnly") && line.contains("Max-Age="),
            "{line}"
        );
        assert!(line.len() <= 4096);
        assert_eq!(created.2["cache-control"], "private, no-store");
        assert_eq!(ask(&b, &mut jar, "get/cart").await, "tea");
        assert_eq!(send(&b, &mut jar, "get/cart").await.lines(), [""; 0], "reading sends nothing");
        assert_eq!(ask(&b, &mut jar, "count/3").await, "3");
        assert_eq!(ask(&a, &mut jar, "count/2").await, "5", "one request's updates build on one another");
        ask(&a, &mut jar, "login/ann").await;
        assert_eq!(ask(&b, &mut jar, "who").await, "live ann");
        assert_eq!(ask(&b, &mut jar, "get/cart").await, "tea", "the cart survives the login");
        ask(&b, &mut jar, "renew").await;
        assert_eq!(ask(&a, &mut jar, "who").await, "live ann");
        let out = send(&a, &mut jar, "logout").await;
        assert!(out.lines()[0].contains("Max-Age=0"));
        assert!(jar.is_empty());
        assert_eq!(ask(&b, &mut jar, "who").await, "new -");
    }
}

#[tokio::test]
async fn what_is_too_large_is_told_and_the_client_keeps_what_it_has() {
    let [layer, _] = nodes(|| builder(a256gcm()));
    let mut jar = Jar::new();
    ask(&layer, &mut jar, "set/cart/tea").await;
    let refused = send(&layer, &mut jar, "fill/history/2500").await;
    assert_eq!((refused.0, refused.lines()), (StatusCode::PAYLOAD_TOO_LARGE, vec![]));
    assert_eq!(ask(&layer, &mut jar, "get/cart").await, "tea");
    assert_eq!(ask(&layer, &mut jar, "length/history").await, "0");
}

fn chunked() -> SessionLayer {
    let token = builder(a256gcm()).max_token(11_000).build().unwrap();
    SessionLayer::backend(token).cookie(CookieConfig::default().chunks(3)).header_budget(12_000).build().unwrap()
}

#[tokio::test]
async fn a_large_session_takes_several_cookies_and_gives_them_back() {
    let layer = chunked();
    let mut jar = Jar::new();
    let names = |jar: &Jar| {
        let mut names: Vec<String> = jar.iter().map(|cookie| cookie.name().into_owned()).collect();
        names.sort();
        names
    };
    ask(&layer, &mut jar, "set/cart/tea").await;
    assert_eq!(names(&jar), ["__Host-id"]);
    for (length, cookies) in [(7500, 3), (5000, 2), (7400, 3), (10, 1), (3000, 2), (10, 1)] {
        let answer = send(&layer, &mut jar, &format!("fill/history/{length}")).await;
        assert_eq!(answer.0, StatusCode::OK);
        assert!(answer.lines().iter().all(|line| line.len() <= 4096));
        assert_eq!(jar.len(), cookies, "{length} characters in {:?}", names(&jar));
        assert_eq!(ask(&layer, &mut jar, "length/history").await, length.to_string());
        assert_eq!(ask(&layer, &mut jar, "get/cart").await, "tea");
    }
    ask(&layer, &mut jar, "fill/history/7500").await;
    assert_eq!(names(&jar), ["__Host-id", "__Host-id.1", "__Host-id.2"]);
    let refused = send(&layer, &mut jar, "fill/more/2000").await;
    assert_eq!((refused.0, refused.lines()), (StatusCode::PAYLOAD_TOO_LARGE, vec![]));
    assert_eq!(ask(&layer, &mut jar, "length/history").await, "7500");
    send(&layer, &mut jar, "logout").await;
    assert_eq!(names(&jar), [""; 0], "nothing stays behind");
}

#[tokio::test]
async fn pieces_of_two_states_are_no_session() {
    let log = Arc::new(EventLog::default());
    let token = builder(a256gcm()).max_token(11_000).build().unwrap();
    let layer = SessionLayer::backend(token)
        .cookie(CookieConfig::default().chunks(3))
        .header_budget(12_000)
        .events(Events::new("node").observer(log.clone()))
        .build()
        .unwrap();
    let (mut old, mut new) = (Jar::new(), Jar::new());
    ask(&layer, &mut old, "fill/history/7500").await;
    for cookie in old.iter() {
        let line = format!("{}={}; Path=/; Secure", cookie.name(), cookie.text());
        new.set(&"https://localhost/".parse().unwrap(), line).unwrap();
    }
    ask(&layer, &mut new, "fill/history/7499").await;
    assert_eq!(
        (ask(&layer, &mut old, "length/history").await, ask(&layer, &mut new, "length/history").await),
        ("7500".into(), "7499".into())
    );
    let text = |jar: &Jar, name: &str| jar.get(name).unwrap().text().into_owned();
    let names = ["__Host-id", "__Host-id.1", "__Host-id.2"];
    for mask in 0..8 {
        let pieces = names.iter().enumerate().map(|(at, name)| {
            let jar = if mask & 1 << at == 0 { &old } else { &new };
            format!("{name}={}", text(jar, name))
        });
        let cookie = pieces.collect::<Vec<_>>().join("; ");
        let status = status(&layer, &cookie).await;
        assert_eq!(status, if mask == 0 || mask == 7 { "live -" } else { "forged -" }, "{mask:03b}");
    }
    // Left out, in another order, or told to be more or fewer.
    let pieces: Vec<String> = names.iter().map(|name| text(&old, name)).collect();
    let [first, second, third] = &pieces[..] else { panic!("three") };
    let forged = log.count(EventKind::SessionForged) + log.count(EventKind::SessionMalformed);
    for cookie in [
        format!("__Host-id={first}; __Host-id.1={second}"),
        format!("__Host-id={first}; __Host-id.1={third}; __Host-id.2={second}"),
        format!("__Host-id={}; __Host-id.1={second}; __Host-id.2={third}", first.replacen("~3~", "~2~", 1)),
        format!("__Host-id={}; __Host-id.1={second}; __Host-id.2={third}; __Host-id.3=AAAA", first.replacen("~3~", "~4~", 1)),
        format!("__Host-id={}; __Host-id.1={second}; __Host-id.2={third}", first.replacen("~3~", "", 1)),
        format!("__Host-id={first}; __Host-id.1={second}; __Host-id.2="),
    ] {
        assert_eq!(status(&layer, &cookie).await, "forged -");
    }
    assert_eq!(log.count(EventKind::SessionForged) + log.count(EventKind::SessionMalformed), forged + 6, "each is reported");
    // The order of the header's pairs does not matter.
    assert_eq!(status(&layer, &format!("__Host-id.2={third}; a=b; __Host-id.1={second}; __Host-id={first}")).await, "live -");
}

/// Each value of the cookie's name makes the layer look for its pieces in all headers: it looks at a few.
#[tokio::test]
async fn a_cookie_divided_into_nothing_is_looked_at_a_few_times() {
    let log = Arc::new(EventLog::default());
    let token = builder(a256gcm()).max_token(11_000).build().unwrap();
    let layer = SessionLayer::backend(token)
        .cookie(CookieConfig::default().chunks(3))
        .header_budget(12_000)
        .events(Events::new("node").observer(log.clone()))
        .build()
        .unwrap();
    assert_eq!(status(&layer, &("__Host-id=~2~; ".repeat(500) + "__Host-id.1=")).await, "forged -");
    assert_eq!(log.count(EventKind::SessionMalformed), 4);
}

async fn status(layer: &SessionLayer, cookie: &str) -> String {
    let request = Request::get("https://localhost/who").header("cookie", cookie).body(()).unwrap();
    let response = layer.layer(service_fn(handler)).call(request).await.unwrap();
    response.headers()["x-answer"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_could_not_be_sent_is_refused_when_built() {
    let build = |max_token: usize, chunks: u8, budget: usize| {
        let token = builder(a256gcm()).max_token(max_token).build().unwrap();
        let layer = SessionLayer::backend(token).cookie(CookieConfig::default().chunks(chunks)).header_budget(budget);
        layer.build().map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(build(Token::DEFAULT_MAX, 1, 3072), Ok(()));
    assert!(build(4000, 1, 8192).is_err_and(|sentence| sentence.contains("`chunks(2)`")));
    assert!(build(3500, 1, 3072).is_err_and(|sentence| sentence.contains("`header_budget`")));
    assert!(build(11_000, 3, 8192).is_err_and(|sentence| sentence.contains("`header_budget`")));
    assert_eq!(build(11_000, 3, 12_000), Ok(()));
}

#[tokio::test]
async fn a_token_is_bound_to_the_name_of_the_layers_cookie() {
    let build = |of_token: &str, of_layer: &str, header: &str| {
        let token = builder(a256gcm()).cookie_name(of_token).build().unwrap();
        let layer = SessionLayer::backend(token).cookie(CookieConfig::new(of_layer).unwrap()).header(header);
        layer.build().map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(build("__Host-shop", "__Host-shop", "X-Session"), Ok(()));
    let refused = build("__Host-id", "__Host-shop", "x-session").unwrap_err();
    assert!(refused.contains("`__Host-shop`") && refused.contains("`__Host-id`") && refused.contains("`cookie_name`"), "{refused}");
    let refused = build("__Host-id", "__Host-id", "x-shop").unwrap_err();
    assert!(refused.contains("`x-shop`") && refused.contains("`x-session`") && refused.contains("`header_name`"), "{refused}");
    let token = Token::builder(unstick_token::TokenKeys::new(hs256()).unwrap()).build().unwrap();
    let refused = SessionLayer::backend(token).header("x-session").build().unwrap_err().to_string();
    assert!(refused.contains("`no name`"), "{refused}");
}

#[tokio::test]
async fn a_logged_out_copy_is_ended_and_a_list_that_is_down_says_so() {
    let store = FaultStore::new(MemoryStore::new());
    let log = Arc::new(EventLog::default());
    let token = builder(a256gcm()).revocations(Arc::new(StoreRevocations::new(store.clone()))).build().unwrap();
    let layer = SessionLayer::backend(token).events(Events::new("node").observer(log.clone())).build().unwrap();
    let mut jar = Jar::new();
    ask(&layer, &mut jar, "set/cart/tea").await;
    let planted = format!("__Host-id={}", jar.get("__Host-id").unwrap().text());
    ask(&layer, &mut jar, "login/ann").await;
    let stolen = format!("__Host-id={}", jar.get("__Host-id").unwrap().text());
    assert_eq!(status(&layer, &planted).await, "ended -", "worthless after the login");
    assert_eq!(status(&layer, &stolen).await, "live ann");

    store.always_all(Fault::FailBefore(ErrorKind::Unavailable));
    for path in ["get/cart", "set/cart/mug", "logout", "renew"] {
        let answer = send(&layer, &mut jar, path).await;
        assert_eq!((answer.0, answer.lines()), (StatusCode::SERVICE_UNAVAILABLE, vec![]), "{path}: closed, and nothing taken away");
    }
    assert_eq!(log.count(EventKind::BackendDown), 1);
    assert_eq!(ask(&layer, &mut Jar::new(), "nothing").await, "ok", "who has no session is served");
    assert_eq!(ask(&layer, &mut jar, "nothing").await, "ok", "and who does not use it");
    store.heal();
    assert_eq!(ask(&layer, &mut jar, "get/cart").await, "tea", "by itself");
    assert_eq!(log.count(EventKind::BackendHealed), 1);

    ask(&layer, &mut jar, "logout").await;
    assert_eq!(status(&layer, &stolen).await, "ended -");
    assert!(log.count(EventKind::SessionAfterEnd) >= 2);
    assert!(!log.mentions("tea") && !log.mentions("ann"), "events hold no values");
}

#[tokio::test]
async fn the_last_response_wins_and_a_header_carries_it_as_well() {
    let layer = SessionLayer::backend(builder(hs256()).build().unwrap()).header("x-session").build().unwrap();
    let mut jar = Jar::new();
    ask(&layer, &mut jar, "set/a/1").await;
    // Two requests that carry the same token: as documented, one of the changes is gone.
    let cookie = format!("__Host-id={}", jar.get("__Host-id").unwrap().text());
    for path in ["set/b/2", "set/c/3"] {
        let request = Request::get(format!("https://localhost/{path}")).header("cookie", &cookie).body(()).unwrap();
        let response = layer.layer(service_fn(handler)).call(request).await.unwrap();
        jar.receive(&"https://localhost/".parse().unwrap(), response.headers());
    }
    assert_eq!((ask(&layer, &mut jar, "get/b").await, ask(&layer, &mut jar, "get/c").await), (String::new(), "3".into()));

    let by_header = async |path: &str, value: &str| {
        let request = Request::get(format!("https://localhost/{path}")).header("x-session", value).body(()).unwrap();
        let response = layer.layer(service_fn(handler)).call(request).await.unwrap();
        assert!(!response.headers().contains_key("set-cookie"));
        let text = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        (text("x-session"), text("x-answer"))
    };
    let (token, _) = by_header("set/cart/tea", "new").await;
    assert_eq!(by_header("get/cart", &token).await, (String::new(), "tea".to_owned()));
    assert_eq!(by_header("who", jar.get("__Host-id").unwrap().text().as_ref()).await.1, "forged -", "a cookie's token in the header");
    assert_eq!(status(&layer, &format!("__Host-id={token}")).await, "forged -", "and the reverse");
}

#[tokio::test]
async fn a_newer_releases_session_is_left_alone() {
    let log = Arc::new(EventLog::default());
    let clock = unstick_testkit::clock::ManualClock::at(NOW);
    let token = builder(hs256()).build().unwrap();
    let events = Events::new("node").observer(log.clone());
    let layer = SessionLayer::backend(token).runtime(clock.runtime()).events(events).build().unwrap();
    let mut claims = claims();
    claims.insert("v".into(), 2.into());
    let cookie = format!("__Host-id={}", sign(&claims));
    for path in ["set/a/1", "login/ann", "logout"] {
        let request = Request::get(format!("https://localhost/{path}")).header("cookie", &cookie).body(()).unwrap();
        let response = layer.layer(service_fn(handler)).call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(!response.headers().contains_key("set-cookie"), "{path}: it is not overwritten");
    }
    assert_eq!(status(&layer, &cookie).await, "unreadable -");
    assert_eq!(log.count(EventKind::SessionUnreadable), 1);
    assert_eq!(log.count(EventKind::ChangeRefused), 3);
}
