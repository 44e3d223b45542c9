//! The audit from outside: what is refused, what passes unchanged, what is never shown.

use std::convert::Infallible;

use http::{HeaderValue, Request, Response, header};
use tower::{Layer, Service, ServiceExt, service_fn};
use unstick_affinity::audit::{Audit, AuditFuture, AuditLayer, AuditService, Finding, FindingKind};

#[test]
fn traits() {
    fn are<T: Send + Sync + Clone + std::fmt::Debug + 'static>() {}
    are::<Audit>();
    are::<AuditLayer>();
    are::<AuditService<()>>();
    are::<Finding>();
    fn is_send<T: Send>() {}
    is_send::<AuditFuture<std::future::Ready<()>>>();
}

#[test]
fn what_cannot_work_is_refused() {
    for name in ["", "a b", "a=b", "a;b", "ä"] {
        assert!(Audit::of(name).is_err(), "{name:?}");
        assert!(Audit::builder("id").also_called(name).build().is_err(), "{name:?}");
    }
    assert!(Audit::builder("id").unreturned(0).build().unwrap_err().to_string().contains("`unreturned`"));
}

fn request() -> Request<&'static str> {
    let request = Request::get("/reset/hunter4").header(header::COOKIE, "x=hunter5");
    request.header(header::REFERER, "https://a.b/hunter6").body("").unwrap()
}

#[tokio::test]
async fn responses_pass_unchanged_and_no_value_is_shown() {
    let audit = Audit::of("__Host-session").unwrap();
    let odd = [&b"__Host-session=hunter2; Domain=x\xff"[..], b"other=\"a b\"", b"__Host-session = hunter3"];
    let mut shop = audit.layer().layer(service_fn(move |_: Request<&str>| {
        let mut response = Response::new("body");
        for line in odd {
            response.headers_mut().append(header::SET_COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        std::future::ready(Ok::<_, Infallible>(response))
    }));
    let response = shop.ready().await.unwrap().call(request()).await.unwrap();
    assert_eq!(*response.body(), "body");
    assert_eq!(response.headers().get_all(header::SET_COOKIE).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>(), odd);
    let shown = format!("{audit:?} {:?} {}", audit.findings(), audit.findings()[0]);
    let waiting = service_fn(|_: Request<&str>| std::future::pending::<Result<Response<()>, Infallible>>());
    let shown = format!("{shown} {:?}", audit.layer().layer(waiting).call(request()));
    assert!(shown.contains("refused_by_browser") && !shown.contains("hunter"), "{shown}");
}

#[tokio::test]
async fn an_error_of_the_service_passes() {
    let audit = Audit::of("id").unwrap();
    let shop = audit.layer().layer(service_fn(|_: Request<()>| async { Err::<Response<()>, _>("broken") }));
    assert_eq!(shop.oneshot(Request::new(())).await.unwrap_err(), "broken");
    assert_eq!(audit.findings(), []);
}

#[tokio::test]
async fn a_proxy_that_writes_http_for_https_can_be_named() {
    for is_https in [false, true] {
        let builder = Audit::builder("id");
        let audit = if is_https { builder.assume_https() } else { builder }.build().unwrap();
        let shop = audit
            .layer()
            .layer(service_fn(|_: Request<()>| async { Response::builder().header(header::SET_COOKIE, "id=v; Path=/; Secure").body(()) }));
        for _ in 0..5 {
            let request = Request::get("/").header(header::HOST, "a.example.com").header(header::ACCEPT_LANGUAGE, "de");
            let request = request.header("x-forwarded-proto", "http").body(()).unwrap();
            shop.clone().oneshot(request).await.unwrap();
        }
        assert_eq!(audit.count(FindingKind::SecureOverHttp), if is_https { 0 } else { 5 });
        assert_eq!(audit.findings().is_empty(), is_https);
    }
}
