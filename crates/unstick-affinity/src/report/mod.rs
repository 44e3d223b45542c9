//! What was seen of stickiness, whether un-pinning works, and what is to be done about it.
//!
//! [`AffinityLayer::report`](crate::AffinityLayer::report) is plain data: `Display` for a terminal, [`Report::to_json`] for programs, and
//! [`ReportService`] to mount on a route. It tells of this node since the layer was built; each node has its own.
//!
//! ```
//! use http::{Request, Response, header::COOKIE};
//! use tower::{Layer, ServiceExt, service_fn};
//! use unstick_affinity::{AffinityLayer, report::Verdict};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = AffinityLayer::builder().without_sessions().build()?;
//! let service = layer.layer(service_fn(|_: Request<()>| async { Ok::<_, std::convert::Infallible>(Response::new(())) }));
//! service.oneshot(Request::get("/").header(COOKIE, "GCLB=abc").body(())?).await?;
//!
//! let report = layer.report();
//! assert_eq!((report.requests, report.pinned, report.pinned_ratio), (1, 1, 1.0));
//! assert_eq!((report.pins[0].product.as_str(), report.pins[0].verdict), ("gcp-load-balancing", Verdict::TooEarly));
//! assert!(report.to_string().contains("sessionAffinity=NONE"));
//! # Ok(()) }
//! ```
//!
//! # Metrics
//! With feature `metrics`, what a report counts is also counted as `unstick_affinity_total` with the labels `product` (a name of the
//! [catalogue](crate::catalogue), or a cookie that the operator named), `what` (`seen`, `told`, `dropped`, `gone`, `kept`, `again`; with product `any`:
//! `requests`, `pinned`, `route_runs`) and `node`. The pinned ratio is `pinned` by `requests`.

mod json;
mod pin;
mod service;
mod sources;
mod text;
mod verdict;
mod whole;

pub(crate) use self::{pin::Pinned, sources::Sources};
pub use self::{
    pin::{PinCounts, PinReport},
    service::ReportService,
    sources::DrainReport,
    verdict::Verdict,
    whole::{FindingReport, Report},
};
