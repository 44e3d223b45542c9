//! The session cookie: its attributes, an octet-exact reader, and its `Set-Cookie` line.
//!
//! ```
//! use unstick_session::cookie::{CookieConfig, SameSite, candidates};
//!
//! let cookie = CookieConfig::new("__Host-id")?;
//! assert!(cookie.clone().domain("example.com").check().is_err(), "browsers refuse `__Host-` with a Domain");
//! assert!(cookie.clone().same_site(SameSite::None).insecure_without_tls().check().is_err());
//!
//! let mut headers = http::HeaderMap::new();
//! headers.append("cookie", "theme=dark; __Host-id=abc".parse()?);
//! headers.append("cookie", "__%48ost-id=evil; __Host-id=second".parse()?);
//! let found: Vec<&[u8]> = candidates(&headers, cookie.name()).collect();
//! assert_eq!(found, [&b"abc"[..], b"second"], "several headers; names are compared octet by octet");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chunks;
mod config;
mod writer;

use chunks::MAX_CHUNKS;
pub use config::{CookieConfig, SameSite};
pub use unstick_core::cookie::candidates;
pub(crate) use unstick_core::cookie::in_line;
