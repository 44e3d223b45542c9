//! The report from outside.

use std::convert::Infallible;

use http::{
    Method, Request, Response, StatusCode,
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE},
};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};
use unstick_affinity::{AffinityLayer, Audit, PinCookie, Report, ReportService, report::Verdict};
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
async fn what_is_only_reported_is_not_said_to_be_deleted_soon() {
    let layer = AffinityLayer::builder().without_sessions().build().unwrap();
    for cookie in ["NSC_TMAS=1", "BIGipCookie=1", "AWSALBTG=1", "__cflb=1"] {
        let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) });
        layer.layer(handler).oneshot(Request::get("/").header(COOKIE, cookie).body(()).unwrap()).await.unwrap();
    }
    for pin in layer.report().pins {
        let is_only_reported = pin.verdict != Verdict::TooEarly && !pin.sentence.contains("yet") && pin.counts.told == 0;
        assert_eq!(is_only_reported, pin.product != "cloudflare", "{pin}");
    }
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

#[tokio::test]
async fn what_the_audit_finds_is_in_the_report() {
    let audit = Audit::of("session").unwrap();
    let layer = AffinityLayer::builder().without_sessions().audit(&audit).build().unwrap();
    assert!(layer.report().findings.is_empty());
    let wrong = "session=8f2c; Path=/; Secure; Domain=shop-7.azurewebsites.net";
    let handler = service_fn(|_: Request<()>| async { Response::builder().header(SET_COOKIE, wrong).body(()) });
    for _ in 0..3 {
        let request = Request::get("/cart").header(HOST, "shop-7.azurewebsites.net").header("x-forwarded-host", "shop.example.com");
        audit.layer().layer(handler).oneshot(request.body(()).unwrap()).await.unwrap();
    }
    let report = layer.report();
    let (finding, found) = (&report.findings[0], &audit.findings()[0]);
    assert_eq!((finding.kind.as_str(), finding.count), ("domain_mismatch", 3));
    assert_eq!((&finding.detail, &finding.sentence), (&found.detail, &found.sentence));
    let told = format!("\nSession cookie\n  domain_mismatch, 3 times; the first: {}\n    {}\n", found.detail, found.sentence);
    assert!(report.to_string().ends_with(&told), "{report}");
    assert!(report.to_json().contains("\"kind\":\"domain_mismatch\"") && !report.to_json().contains("8f2c"));
}

#[tokio::test]
async fn it_mounts_in_axum_beside_grpc_and_in_hyper() {
    let layer = layer();
    let router = axum::Router::new().route_service("/internal/affinity", layer.report_service());
    let get = |path: &str| Request::get(path).header(ACCEPT, "application/json").body(axum::body::Body::empty()).unwrap();
    let mut answers =
        vec![router.clone().oneshot(get("/internal/affinity")).await.unwrap().into_body().collect().await.unwrap().to_bytes()];
    assert_eq!(router.clone().oneshot(get("/affinity")).await.unwrap().status(), StatusCode::NOT_FOUND);
    let beside_grpc = tonic::service::Routes::from(router).oneshot(get("/internal/affinity")).await.unwrap();
    answers.push(beside_grpc.into_body().collect().await.unwrap().to_bytes());
    let in_hyper = hyper_util::service::TowerToHyperService::new(layer.report_service());
    let answer = hyper::service::Service::call(&in_hyper, get("/")).await.unwrap();
    answers.push(answer.into_body().collect().await.unwrap().to_bytes());
    assert!(answers.iter().all(|answer| *answer == layer.report().to_json()));
}

#[test]
fn traits() {
    fn is_shared<T: Send + Sync + Clone + std::fmt::Debug>() {}
    is_shared::<Report>();
    is_shared::<ReportService>();
}
