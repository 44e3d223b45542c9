//! Ours, through the contract that the session layer uses.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use unstick_core::{Carriage, Carrier, Change, Committed, Intent, Lifecycle, Loaded, OpCtx, OpId, Opening, SessionBackend, Timestamp};
use unstick_token::{Token, TokenKey, TokenKeys};

use crate::{cart::Cart, subject::Subject};

pub(crate) struct Sealer(Token);

impl Sealer {
    pub(crate) fn new(subject: Subject) -> Result<Self, String> {
        let key = match subject {
            Subject::Hs256 => TokenKey::hs256(&[7; 32]),
            Subject::EdDsa => TokenKey::ed25519([7; 32]),
            _ => TokenKey::a256gcm([7; 32]),
        };
        let token = key.and_then(TokenKeys::new).and_then(|keys| Token::builder(keys).build());
        token.map(Self).map_err(|error| error.to_string())
    }

    pub(crate) fn seal(&self, cart: &Cart) -> Result<String, String> {
        let json = serde_json::to_vec(cart).map_err(|error| error.to_string())?;
        let intent = Intent { lifecycle: Lifecycle::Keep, change: Change::new().set("cart", json) };
        match now(self.0.commit(op(), Carriage::Cookie, None, &intent))? {
            Ok(Committed::Done { carrier: Carrier::Set { text, .. }, .. }) => Ok(text),
            other => Err(format!("{other:?}")),
        }
    }

    pub(crate) fn open(&self, token: &str) -> Result<Cart, String> {
        let ticket = match self.0.open(Carriage::Cookie, token.as_bytes()) {
            Opening::Authentic(ticket) => ticket,
            other => return Err(format!("{other:?}")),
        };
        match now(self.0.load(op(), Carriage::Cookie, &ticket, false))? {
            Ok((Loaded::Live(session), _)) => {
                let field = session.fields.get("cart").ok_or("no cart")?;
                serde_json::from_slice(&field.value).map_err(|error| error.to_string())
            }
            other => Err(format!("{other:?}")),
        }
    }
}

fn op() -> OpCtx {
    let now = Timestamp::system_now();
    OpCtx { now, deadline: now + Duration::from_secs(1), op_id: OpId::from_u128(7) }
}

/// Without a deny-list there is nothing to wait for.
fn now<T>(future: impl Future<Output = T>) -> Result<T, String> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => Err("a token waits for something".to_owned()),
    }
}
