//! A client that keeps cookies as browsers do (RFC 6265bis), for tests in one process and over the wire.
//!
//! ```
//! use http::{Request, Response};
//! use unstick_testkit::client::{Jar, call};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let login = tower::service_fn(|request: Request<()>| async move {
//!     let seen = request.headers().get("cookie").cloned();
//!     let mut response = Response::builder().header("set-cookie", "__Host-id=1; Path=/; Secure; HttpOnly");
//!     if let Some(seen) = seen { response = response.header("x-seen", seen) }
//!     response.body(())
//! });
//! let mut jar = Jar::new();
//! let request = || Request::get("http://127.0.0.1/").body(()).unwrap();
//! assert!(call(&mut jar, login, request()).await.unwrap().headers().get("x-seen").is_none());
//! assert_eq!(call(&mut jar, login, request()).await.unwrap().headers()["x-seen"], "__Host-id=1");
//! assert!(jar.get("__Host-id").unwrap().is_http_only());
//! # });
//! ```

#[cfg(feature = "servers")]
mod browser;
mod call;
mod date;
mod jar;
mod line;
mod spread;

#[cfg(feature = "servers")]
pub use browser::{Browser, Page};
pub use call::call;
pub use jar::{Cookie, Jar, Refusal};
pub use line::SameSite;
pub use spread::Spread;
