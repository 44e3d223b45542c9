//! The report from outside.

use http::{
    Method, Request, Response, StatusCode,
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::BodyExt;
use tower::ServiceExt;
use unstick_affinity::{AffinityLayer, Audit, PinCookie, Report, ReportService};
use unstick_core::Events;

fn layer() -> AffinityLayer {
    let builder = AffinityLayer::builder().without_sessions().events(Events::new("n1"));
    builder.expire(PinCookie::new("EDGE").unwrap()).build().unwrap()
}

async fn ask(layer: &AffinityLayer, method: Method, uri: &str, accept: &str) -> (Response<()>, String) {
    let request = Request::builder().method(method).uri(uri).header(ACCEPT, accept).body(()).unwrap();
    let (head, body) = layer.report_service().oneshot(request).await.unwrap().into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    (Response::from_parts(head, ()), text)
}

#[tokio::test]
async fn the_service_speaks_text_and_json() {
    let layer = layer();
    let report = layer.report();
    for (uri, accept, kind, body) in [
        ("/", "*/*", "text/plain; charset=utf-8", report.to_string()),
        ("/any/path", "text/html", "text/plain; charset=utf-8", report.to_string()),
        ("/", "application/json", "application/json", report.to_json()),
        ("/?format=json", "*/*", "application/json", report.to_json()),
        ("/?format=text", "application/json", "text/plain; charset=utf-8", report.to_string()),
    ] {
        let (response, text) = ask(&layer, Method::GET, uri, accept).await;
        assert_eq!((response.status(), &text), (StatusCode::OK, &body), "{uri} {accept}");
        assert_eq!(response.headers()[CONTENT_TYPE], kind, "{uri} {accept}");
        assert_eq!(response.headers()[CONTENT_LENGTH], *text.len().to_string());
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");

        let (head, nothing) = ask(&layer, Method::HEAD, uri, accept).await;
        assert_eq!((head.status(), nothing.as_str(), head.headers()), (StatusCode::OK, "", response.headers()));
    }
    assert!(report.to_string().contains("Cookie EDGE") && report.to_json().contains("\"instance\":\"n1\""));
}

#[tokio::test]
async fn other_methods_are_refused() {
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let (response, text) = ask(&layer(), method, "/", "application/json").await;
        assert_eq!((response.status(), text.as_str()), (StatusCode::METHOD_NOT_ALLOWED, "The report answers GET and HEAD.\n"));
        assert_eq!(
            (&response.headers()[ALLOW], &response.headers()[CACHE_CONTROL]),
            (&"GET, HEAD".parse().unwrap(), &"no-store".parse().unwrap())
        );
    }
}

#[test]
fn an_audit_without_findings_adds_nothing() {
    let audit = Audit::of("__Host-session").unwrap();
    let layer = AffinityLayer::builder().without_sessions().audit(&audit).build().unwrap();
    assert!(layer.report().findings.is_empty());
}

#[test]
fn traits() {
    fn is_shared<T: Send + Sync + Clone + std::fmt::Debug>() {}
    is_shared::<Report>();
    is_shared::<ReportService>();
}
