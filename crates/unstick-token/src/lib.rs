//! Sessions of the unstick family that travel whole in the cookie, as a signed or encrypted JWT. No server keeps anything;
//! every node that has the keys has every session.
//!
//! Take a server-side store where you can. Take this where there is none, or where losing one of two changes that a client
//! makes at the same moment does no harm.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//! use unstick_core::{Key, KeyRing, Scope};
//! use unstick_session::{Session, SessionError, SessionLayer};
//! use unstick_token::{Sealing, Token, TokenKeys};
//!
//! async fn handler(request: Request<Bytes>) -> Result<Response<String>, SessionError> {
//!     let session = request.extensions().get::<Session>().expect("behind the layer").clone();
//!     let visits = session.update("visits", |visits: Option<u64>| Some(visits.unwrap_or(0) + 1)).await?;
//!     Ok(Response::new(format!("{visits:?}")))
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> { tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let ring = KeyRing::new(Key::from_hex("3d1f0e5c9a7b46288c31d2f4e6a8901b7c5d3e2f1a0b9c8d7e6f5a4b3c2d1e0f")?);
//! let node = || -> Result<_, unstick_core::ConfigError> {
//!     let token = Token::builder(TokenKeys::from_ring(&ring, Sealing::Encrypted)?).build()?;
//!     Ok(SessionLayer::backend(token).build()?)
//! };
//! assert_eq!(node()?.scope(), Scope::Client);
//! let first = node()?.layer(service_fn(handler)).oneshot(Request::new(Bytes::new())).await?;
//! let cookie = first.headers()["set-cookie"].to_str()?.split(';').next().unwrap_or("").to_owned();
//! assert!(cookie.starts_with("__Host-id=eyJ"));
//! let second = node()?.layer(service_fn(handler)).oneshot(Request::builder().header("cookie", cookie).body(Bytes::new())?).await?;
//! assert!(second.headers().contains_key("set-cookie"), "the visit was counted on another node");
//! # Ok(()) }) }
//! ```
//!
//! # What is promised
//! | | |
//! |---|---|
//! | scope | [`Client`](unstick_core::Scope::Client): any node with the keys, sticky sessions off; with a deny-list that reaches one process or host, that |
//! | nothing lost (P2) | **not promised**: of two overlapping responses the one that the client receives last wins, with all keys. `update` is atomic within a request only. A renewal (once per half idle time) and a re-issue after a key rotation are such responses, too |
//! | nothing revived (P3) | **not promised without a deny-list**: a copy of a token is good until its idle deadline, and an old state of the session as good as the new one. With a [deny-list](#revocation) an ended session stays ended; old states of a live one are still taken |
//! | no leak (P4) | yes. Signed tokens can be read by their client, encrypted ones cannot; their length tells the session's |
//! | failure is visible (P5) | yes; without a deny-list there is nothing to fail |
//! | cost (P7) | 0 trips; with a deny-list 1 for each read and each write, 2 for a read then a write, and [what a login and an end take](revocations) |
//!
//! # What a token is
//! A compact JWS (RFC 7515, `HS256` or `EdDSA`) or JWE (RFC 7516, `dir` with `A256GCM`). Its protected header is one fixed text
//! per key, with which a received one is compared; it is never parsed for what to do, so `alg: none`, another algorithm,
//! `crit`, `zip`, `jwk`, `jku` and `b64` end there. `typ` is `unstick+jwt`; `iss`, `aud` (purpose, carriage and cookie name, such as
//! `session:cookie:__Host-id`), `iat`, `nbf` and `exp` are always there and always checked, each of exactly its type.
//!
//! | claim | |
//! |---|---|
//! | `iss`, `aud`, `sub` | issuer, audience, principal (only when logged in) |
//! | `iat`, `nbf`, `exp` | seconds: issued, issued less the tolerated skew, idle deadline rounded up |
//! | `v` | format version: 1. A newer one is [left alone](#other-releases) |
//! | `sid`, `gen` | which session and which state of it: 16 bytes each, base64url |
//! | `ms` | issued, idle deadline, absolute deadline, created: milliseconds, which are what counts |
//! | `epoch` | the principal's epoch at login, where it is not 0 |
//! | `data` | values that are JSON text, as they are |
//! | `raw` | other values, and JSON nested deeper than 64, as base64url |
//!
//! # Encrypted tokens
//! Random 96-bit nonces are safe for 2^32 messages under one key (NIST SP 800-38D section 8.3), which a busy fleet sends in
//! days. So every token has a key of its own: HKDF-Expand with SHA-256 (RFC 5869) of the configured key and the info
//! `unstick 2026-11 A256GCM ` followed by the header's `salt`, twelve characters out of nine random bytes. Two of n tokens share
//! both key and nonce with a probability of n^2 / 2^169: 2^-73 after 2^48 tokens, which are 10 000 a second for 890 years.
//! Nothing needs counting and no restart resets anything. The price: `salt` is a private header parameter, so another
//! implementation of JWE opens a token when it is given the derived key, and not by the configured key alone. White space
//! stands before the salt such that it begins at a multiple of three bytes: the rest of the header is the same base64 in every token.
//!
//! # Size
//! A token has room for [`Token::DEFAULT_MAX`] characters by default, about 1.6 KB of values: what fits nginx's default buffer
//! next to the other headers. [`TokenBuilder::max_token`] raises that; the session layer refuses to be built when its cookie or
//! header budget could not hold as much. A change beyond the limit fails with
//! [`TooLarge`](unstick_core::ErrorKind::TooLarge), names the largest keys, and the client keeps the token it has. Over 4 KB a
//! session can take several cookies (`CookieConfig::chunks`); a client that sends pieces of two states has no session for that request.
//!
//! # Revocation
//! [`TokenBuilder::revocations`] asks a [deny-list](revocations) for every session that is read or written. Ending a session
//! denies its lineage, so no copy and no request in flight brings it back; a login denies the session before it and begins one
//! of its own, which an end of the session before does not reach; "sign out everywhere" raises the principal's epoch. A list that cannot be asked makes the session unavailable (fail closed), unless
//! [`TokenBuilder::fail_open`] says otherwise.
//!
//! # Other releases
//! Tokens of every released format stay readable. One of a format to come opens as a session that cannot be read
//! ([`UnknownFormat`](unstick_core::ErrorKind::UnknownFormat)): reads see nobody, changes are refused, the cookie is neither
//! overwritten nor removed, and an event tells of it.

pub mod keys;
pub mod revocations;

mod builder;
mod claims;
mod deny;
mod index;
mod jose;
mod size;
mod token;

pub use self::{
    builder::TokenBuilder,
    keys::{Sealing, TokenKey, TokenKeys},
    revocations::StoreRevocations,
    token::Token,
};
