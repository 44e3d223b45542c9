//! Keys, operations and hand-made tokens.
#![allow(dead_code, reason = "every test binary uses some of it")]

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use unstick_core::{
    Applied, Carriage, Carrier, Change, Committed, Credential, Error, Fields, Intent, Lifecycle, Lineage, Loaded, OpCtx, OpId, Opening,
    Secret, SessionBackend, Ticket, Timestamp,
};
use unstick_token::{Token, TokenBuilder, TokenKey, TokenKeys};

/// When the tests begin.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_250);
pub(crate) const SECRET: [u8; 32] = [7; 32];
pub(crate) const COOKIE: Carriage = Carriage::Cookie;

pub(crate) fn hs256() -> TokenKey {
    TokenKey::hs256(&SECRET).unwrap().with_id("k1").unwrap()
}

pub(crate) fn eddsa() -> TokenKey {
    TokenKey::ed25519([8; 32]).unwrap().with_id("k1").unwrap()
}

pub(crate) fn a256gcm() -> TokenKey {
    TokenKey::a256gcm([9; 32]).unwrap().with_id("k1").unwrap()
}

/// One of each kind.
pub(crate) fn kinds() -> [TokenKey; 3] {
    [hs256(), eddsa(), a256gcm()]
}

pub(crate) fn builder(key: TokenKey) -> TokenBuilder {
    Token::builder(TokenKeys::new(key).unwrap()).header_name("x-session")
}

pub(crate) fn token(key: TokenKey) -> Token {
    builder(key).build().unwrap()
}

pub(crate) fn at(now: Timestamp) -> OpCtx {
    use std::sync::atomic::{AtomicU64, Ordering};
    static OPS: AtomicU64 = AtomicU64::new(1);
    let op_id = OpId::from_u128(u128::from(OPS.fetch_add(1, Ordering::Relaxed)));
    OpCtx { now, deadline: now + Duration::from_secs(2), op_id }
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A new session with these fields.
pub(crate) async fn create(token: &Token, now: Timestamp, fields: &[(&str, &str)]) -> String {
    let intent = Intent { lifecycle: Lifecycle::Keep, change: change(fields) };
    text(token.commit(at(now), COOKIE, None, &intent).await).0
}

/// A new session of a principal.
pub(crate) async fn login(token: &Token, now: Timestamp, principal: &str) -> String {
    let intent = Intent { lifecycle: Lifecycle::Promote(principal.into()), change: change(&[("cart", "[1]")]) };
    text(token.commit(at(now), COOKIE, None, &intent).await).0
}

pub(crate) fn change(fields: &[(&str, &str)]) -> Change {
    fields.iter().fold(Change::new(), |change, (name, value)| change.set(name, (*value).to_owned()))
}

pub(crate) fn text(committed: Result<Committed, Error>) -> (String, Ticket) {
    match committed {
        Ok(Committed::Done { carrier: Carrier::Set { text, .. }, ticket: Some(ticket) }) => (text, ticket),
        other => panic!("no new token: {other:?}"),
    }
}

pub(crate) fn refused(committed: Result<Committed, Error>) -> Applied {
    match committed {
        Ok(Committed::Refused(refused)) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

pub(crate) fn ticket(token: &Token, text: &str) -> Ticket {
    match token.open(COOKIE, text.as_bytes()) {
        Opening::Authentic(ticket) => ticket,
        other => panic!("not authentic: {other:?}"),
    }
}

pub(crate) async fn load(token: &Token, now: Timestamp, text: &str) -> Loaded {
    token.load(at(now), COOKIE, &ticket(token, text), false).await.unwrap().0
}

pub(crate) async fn fields(token: &Token, now: Timestamp, text: &str) -> Fields {
    match load(token, now, text).await {
        Loaded::Live(live) => live.fields,
        other => panic!("not live: {other:?}"),
    }
}

pub(crate) fn value(fields: &Fields, name: &str) -> String {
    fields.get(name).map(|field| String::from_utf8(field.value.to_vec()).unwrap()).unwrap_or_default()
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn unb64(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// A token of any header and claims, with a genuine HS256 signature.
pub(crate) fn signed(header: &str, claims: &str) -> String {
    let input = format!("{}.{}", b64(header), b64(claims));
    let mac = Hmac::<Sha256>::new_from_slice(&SECRET).unwrap().chain_update(&input).finalize().into_bytes();
    format!("{input}.{}", b64(mac))
}

pub(crate) const HEADER: &str = r#"{"alg":"HS256","typ":"unstick+jwt","kid":"k1"}"#;

/// Claims of a session that lives at [`NOW`].
pub(crate) fn claims() -> serde_json::Map<String, serde_json::Value> {
    let json = serde_json::json!({
        "iss": "unstick", "aud": "session:cookie:__Host-id", "sub": "ann",
        "iat": 1_800_000_000, "nbf": 1_799_999_700, "exp": 1_800_003_601, "v": 1,
        "sid": b64([1; 16]), "gen": b64([2; 16]),
        "ms": [1_800_000_000_250_i64, 1_800_003_600_250_i64, 1_801_209_600_250_i64, 1_800_000_000_250_i64],
        "data": { "cart": [1, 2] }, "raw": { "bin": b64([0, 255]) }
    });
    match json {
        serde_json::Value::Object(claims) => claims,
        _ => unreachable!(),
    }
}

pub(crate) fn sign(claims: &serde_json::Map<String, serde_json::Value>) -> String {
    signed(HEADER, &serde_json::to_string(claims).unwrap())
}

/// The same session for every run: what golden tokens hold.
pub(crate) fn credential() -> Credential {
    let end = NOW + seconds(14 * 24 * 3600);
    Credential::from_parts(Lineage::from_bytes([1; 16]), Secret::from_bytes([2; 16]), NOW, NOW + seconds(3600), end)
}

pub(crate) fn shared<T>(value: T) -> Arc<T> {
    Arc::new(value)
}
