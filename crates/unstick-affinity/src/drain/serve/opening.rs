//! Which protocol a connection speaks: told by its first bytes.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// What a client that speaks HTTP/2 without asking begins with. No HTTP/1 request begins so: `PRI` is no method.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first bytes of a connection, no more of them than it took to tell.
pub(super) type Prefix = Vec<u8>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// What a server of this kind speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    Both,
    Http1,
    Http2,
}

/// What `bytes`, the first of a connection, say. `None`: more are needed.
fn told_by(bytes: &[u8], speaks: Speaks) -> Option<Protocol> {
    match speaks {
        _ if bytes.is_empty() => None,
        Speaks::Http1 => Some(Protocol::Http1),
        _ if bytes.starts_with(PREFACE) => Some(Protocol::Http2),
        // Also of a server that speaks nothing else: hyper waits for the rest without end.
        _ if PREFACE.starts_with(bytes) => None,
        Speaks::Both => Some(Protocol::Http1),
        // Which refuses it.
        Speaks::Http2 => Some(Protocol::Http2),
    }
}

/// Reads until it is clear. `None`: the client went before it said anything that could be answered.
pub(super) async fn read(socket: &mut (impl AsyncRead + Unpin), speaks: Speaks) -> io::Result<Option<(Protocol, Prefix)>> {
    let mut prefix = Prefix::with_capacity(PREFACE.len());
    loop {
        if let Some(protocol) = told_by(&prefix, speaks) {
            return Ok(Some((protocol, prefix)));
        }
        let mut bytes = [0; PREFACE.len()];
        let room = bytes.get_mut(prefix.len()..).unwrap_or_default();
        match socket.read(room).await? {
            0 => return Ok(None),
            read => prefix.extend_from_slice(room.get(..read).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{PREFACE, Protocol, Speaks, told_by};

    proptest! {
        #[test]
        fn what_was_told_stays_true_however_much_follows(bytes in proptest::collection::vec(any::<u8>(), 0..40), shared in 0..=PREFACE.len()) {
            let bytes = [&PREFACE[..shared], &bytes].concat();
            let mut told = None;
            for end in 0..=bytes.len() {
                let now = told_by(&bytes[..end], Speaks::Both);
                prop_assert!(told.is_none() || told == now);
                told = now;
            }
            if bytes.len() >= PREFACE.len() {
                prop_assert_eq!(told == Some(Protocol::Http2), bytes.starts_with(PREFACE));
                prop_assert!(told.is_some());
            }
        }
    }

    #[test]
    fn one_protocol_alone() {
        for (bytes, http1, http2, both) in [
            (&b""[..], None, None, None),
            (b"P", Some(Protocol::Http1), None, None),
            (b"PO", Some(Protocol::Http1), Some(Protocol::Http2), Some(Protocol::Http1)),
            (PREFACE, Some(Protocol::Http1), Some(Protocol::Http2), Some(Protocol::Http2)),
        ] {
            let told = [Speaks::Http1, Speaks::Http2, Speaks::Both].map(|speaks| told_by(bytes, speaks));
            assert_eq!(told, [http1, http2, both], "{}", bytes.escape_ascii());
        }
    }
}
