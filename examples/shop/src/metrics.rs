//! What Prometheus asks for: the counters of all nodes of this process.

use axum::{Router, http::header::CONTENT_TYPE, response::IntoResponse, routing::get};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::error::Failure;

/// Makes this process count. Before the first event: counters are looked up once.
pub(crate) fn install() -> Result<PrometheusHandle, Failure> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| Failure::start("counters are installed already.".to_owned()))?;
    Ok(handle)
}

/// `GET /internal/metrics`, in Prometheus' text format.
pub(crate) fn route<S: Clone + Send + Sync + 'static>(handle: PrometheusHandle) -> Router<S> {
    let render = async move || ([(CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render()).into_response();
    Router::new().route("/internal/metrics", get(render))
}
