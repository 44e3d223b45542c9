//! The live page, for this machine only.

use std::{net::Ipv4Addr, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, header},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;

use crate::{
    Failure,
    cli::Options,
    report::{self, Chapter},
    run::Run,
};

/// Nothing from anywhere else, and nothing inline.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; img-src data:; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// What the page tells of.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) options: Options,
    pub(crate) runs: Vec<Run>,
}

impl Shown {
    pub(crate) fn chapters(&self) -> Vec<Chapter> {
        self.runs.iter().map(Chapter::of).collect()
    }
}

/// Serves it from now on. Returns its address.
pub(crate) async fn serve(port: u16, shown: Arc<Shown>) -> Result<String, Failure> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| format!("port {port} cannot be opened: {error}"))?;
    let address = format!("http://{}", listener.local_addr()?);
    let router = Router::new()
        .route("/", get(async || asset("text/html; charset=utf-8", include_str!("../page/index.html").to_owned())))
        .route("/style.css", get(async || asset("text/css; charset=utf-8", report::STYLE.to_owned())))
        .route("/app.js", get(async || asset("text/javascript; charset=utf-8", include_str!("../page/app.js").to_owned())))
        .route("/body", get(body))
        .route("/report.json", get(json))
        .with_state(shown);
    tokio::spawn(async move {
        // It ends with the program.
        let _ = axum::serve(listener, router).await;
    });
    Ok(address)
}

async fn body(State(shown): State<Arc<Shown>>) -> impl IntoResponse {
    asset("text/html; charset=utf-8", report::body(&shown.options, &shown.chapters()))
}

async fn json(State(shown): State<Arc<Shown>>) -> impl IntoResponse {
    asset("application/json", report::json(&shown.options, &shown.chapters(), None).to_string())
}

fn asset(content_type: &'static str, text: String) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, text)
}
