//! Tokens: nothing but what was sealed is authentic, and whatever was sealed is read or refused.

use std::{pin::pin, sync::LazyLock, task};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use unstick_core::{Carriage, Carrier, Change, Committed, Fields, Loaded, OpCtx, OpId, Opening, SessionBackend, Ticket, Timestamp};
use unstick_token::{Token, TokenKey, TokenKeys};

const HEADER: &str = r#"{"alg":"HS256","typ":"unstick+jwt","kid":"k1"}"#;
const OP: OpCtx = OpCtx {
    now: Timestamp::from_millis(1_800_000_001_000),
    deadline: Timestamp::from_millis(1_800_000_003_000),
    op_id: OpId::from_u128(1),
};

static TOKENS: LazyLock<[Token; 3]> = LazyLock::new(|| {
    let keys = [TokenKey::hs256(&[7; 32]), TokenKey::ed25519([8; 32]), TokenKey::a256gcm([9; 32])];
    keys.map(|key| {
        let keys = TokenKeys::new(key.and_then(|key| key.with_id("k1")).expect("a key")).expect("it seals");
        Token::builder(keys).max_token(32 * 1024).build().expect("settings that work")
    })
});

/// Whether the input was a token of one of the three keys, or claims that a token may have.
pub(crate) fn check(data: &[u8]) -> bool {
    let mut genuine = false;
    for token in &*TOKENS {
        genuine |= is_read(token, data);
    }
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(data));
    let mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).expect("a key").chain_update(&input).finalize().into_bytes();
    genuine | is_read(&TOKENS[0], format!("{input}.{}", URL_SAFE_NO_PAD.encode(mac)).as_bytes())
}

fn is_read(token: &Token, text: &[u8]) -> bool {
    assert!(!matches!(token.open(Carriage::Header, text), Opening::Authentic(_)), "bound to its carriage");
    let Opening::Authentic(ticket) = token.open(Carriage::Cookie, text) else { return false };
    let Loaded::Live(before) = load(token, &ticket) else { return true };
    // What is sealed again says the same.
    let applied = ready(token.apply(OP, Carriage::Cookie, &ticket, &Change::new().remove("no such key")));
    let Ok(Committed::Done { carrier: Carrier::Set { text, .. }, .. }) = applied else { return true };
    let Opening::Authentic(again) = token.open(Carriage::Cookie, text.as_bytes()) else { panic!("what we seal, we open") };
    let Loaded::Live(after) = load(token, &again) else { panic!("it lives") };
    // The versions are others: it is another state.
    let values = |fields: &Fields| fields.iter().map(|(name, field)| (name.clone(), field.value.clone())).collect::<Vec<_>>();
    let (new, old) = (values(&after.fields), values(&before.fields));
    assert_eq!((new, after.principal, after.created), (old, before.principal, before.created));
    true
}

fn load(token: &Token, ticket: &Ticket) -> Loaded {
    ready(token.load(OP, Carriage::Cookie, ticket, false)).expect("nobody is asked").0
}

/// Nothing waits where there is no deny-list.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut task::Context::from_waker(task::Waker::noop())) {
        task::Poll::Ready(value) => value,
        task::Poll::Pending => panic!("it waits"),
    }
}
