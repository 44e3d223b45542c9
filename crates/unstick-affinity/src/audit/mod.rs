//! Names the misconfigurations by which sessions disappear.
//!
//! [`Audit`] looks at the requests and responses that pass its [layer](Audit::layer), and at the events of the session layer and
//! its store, for the session cookie whose name it is given. It changes nothing, keeps no cookie's value, and works with any
//! session library; the findings marked with a star need events of ours. Put the layer outside the session layer, one audit per node.
//!
//! ```
//! use http::{Request, Response, header::{HOST, SET_COOKIE}};
//! use tower::{Layer, ServiceExt, service_fn};
//! use unstick_affinity::audit::{Audit, FindingKind};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let audit = Audit::of("session")?;
//! // The application takes its Domain from the Host that the balancer has rewritten.
//! let shop = audit.layer().layer(service_fn(|_: Request<()>| async {
//!     Response::builder().header(SET_COOKIE, "session=8f2c; Path=/; Secure; Domain=shop-7.azurewebsites.net").body(())
//! }));
//! for _ in 0..3 {
//!     let request = Request::get("/cart").header(HOST, "shop-7.azurewebsites.net").header("x-forwarded-host", "shop.example.com").body(())?;
//!     shop.clone().oneshot(request).await?;
//! }
//! let findings = audit.findings();
//! assert_eq!(findings[0].kind, FindingKind::DomainMismatch);
//! assert_eq!(findings[0].count, 3);
//! assert!(findings[0].detail.starts_with("Domain=shop-7.azurewebsites.net, and the browser asked shop.example.com"));
//! assert!(findings[0].sentence.contains("let the balancer keep the original Host"));
//! # Ok(()) }
//! ```
//!
//! For the events, plug a clone into the session layer's: `Events::new("node-1").observer(Arc::new(audit.clone()))`.
//!
//! # What users report
//! | users report | finding | what to change |
//! |---|---|---|
//! | nobody stays logged in, over `http://` only | [`SecureOverHttp`](FindingKind::SecureOverHttp) | redirect to https in the balancer, or correct `X-Forwarded-Proto` |
//! | nobody stays logged in since a balancer or a domain is new | [`DomainMismatch`](FindingKind::DomainMismatch) | no `Domain`, or the public one; let the balancer keep `Host` |
//! | the cart is there under `/app` and gone under `/shop` | [`PathMismatch`](FindingKind::PathMismatch) | `Path=/` |
//! | nobody stays logged in since the cookie has changed | [`RefusedByBrowser`](FindingKind::RefusedByBrowser) | the attribute that the detail names |
//! | logged out after paying, or after a login elsewhere | [`SameSiteLost`](FindingKind::SameSiteLost) | `Strict` to `Lax`; no session in answer to a provider's POST |
//! | old carts, logouts that don't work, until cookies are deleted | [`Shadowed`](FindingKind::Shadowed) | one `Domain` and `Path`, or a new `__Host-` name |
//! | nobody stays logged in, and no reason above | [`NeverReturned`](FindingKind::NeverReturned) | the proxy that strips cookies or cuts off a path |
//! | logged in on some requests, by node; or all out after a key change | [`KeyMismatch`](FindingKind::KeyMismatch) * | the same keys everywhere; keep the previous one |
//! | two carts, by node or while a release rolls out | [`NameMismatch`](FindingKind::NameMismatch) | one name and prefix everywhere |
//! | carts come and go from request to request | [`StoreMismatch`](FindingKind::StoreMismatch) * | the same store everywhere: URL, database, key prefix |
//! | logged out early, on some nodes | [`ClockSkew`](FindingKind::ClockSkew) * | NTP |
//! | logged out at random, more under load | [`StoreEvicts`](FindingKind::StoreEvicts) * | memory; `noeviction` |
//! | errors for a while, all at once | [`StoreDown`](FindingKind::StoreDown) * | the store and the network to it |
//!
//! # When it speaks
//! A false alarm costs more than a late one. What could also be a scanner, a first visit, a program that keeps no cookies, a
//! prefetch or a neighbour's cookie is counted, and told only when it is seen again and again and not beside many good
//! requests: see [`Audit::count`]. What the browser itself says (`Sec-Fetch-*`, `Origin`) counts more than what proxies say, and
//! that plain HTTP was used is never guessed. Each finding goes out as an event,
//! [`CookieMisconfigured`](unstick_core::EventKind::CookieMisconfigured) with [`FindingKind::as_str`] as its detail, when it is first
//! told and at the 10th, 100th, 1000th time and so on.
//!
//! What it misses: a `Domain` that is a public suffix, cookies that a script or an extension removes, a proxy that begins to strip
//! cookies after some have come back (until the node restarts), and a `SameSite=Strict` cookie of clients without any other cookie.
//!
//! # Cost
//! A request that carries the cookie, and whose response sets none, allocates nothing: its `Cookie` header is searched
//! once. A request without the cookie costs one small allocation, and its headers are shared, not copied.
//! As any observer of events does, it makes the session layer compute a session's tag for each session read.

mod builder;
mod checker;
mod finding;
mod host;
mod judge;
mod layer;
mod line;
mod sentence;
mod sessions;
mod tally;
mod told;

pub use self::{
    builder::AuditBuilder,
    checker::Audit,
    finding::{Finding, FindingKind},
    layer::{AuditFuture, AuditLayer, AuditService},
};
pub(crate) use self::{host::first, line::Line};
