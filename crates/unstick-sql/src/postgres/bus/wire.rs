//! Messages as the text of a notification.
//!
//! PostgreSQL carries text below 8000 bytes. A frame is sent in base64; a notice in plain text, which SQL can write, as it is.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use unstick_core::{
    Error, ErrorKind, PublisherId,
    bus::{FRAME_HEAD, Frame, FrameKind, is_plain},
};

/// Bytes of text in a notification, as servers are built by default.
const LONGEST_TEXT: usize = 7999;

/// The longest payload of a notice, in bytes: a notification is less than 8000 bytes of text, the frame around the payload included.
pub const LONGEST_PAYLOAD: usize = LONGEST_TEXT / 4 * 3 + LONGEST_TEXT % 4 * 3 / 4 - FRAME_HEAD;

/// Whoever sends from inside a transaction is nobody in particular: every node takes such a notice, the sender's own, too.
const NOBODY: PublisherId = PublisherId(0);

pub(super) fn check(payload: &[u8]) -> Result<(), Error> {
    if payload.len() > LONGEST_PAYLOAD {
        let size = payload.len();
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("a notice of {size} bytes does not fit into PostgreSQL's notifications, which hold {LONGEST_PAYLOAD} bytes of it"),
        ));
    }
    Ok(())
}

pub(super) fn text(frame: &[u8]) -> String {
    STANDARD_NO_PAD.encode(frame)
}

/// A notice that is sent from inside a transaction.
pub(super) fn notice(payload: &[u8]) -> Result<String, Error> {
    check(payload)?;
    if is_plain(payload)
        && let Ok(plain) = str::from_utf8(payload)
        && !plain.contains('\0')
    {
        return Ok(plain.to_owned());
    }
    Ok(text(&unsequenced(Bytes::copy_from_slice(payload))))
}

/// The frame in a notification. What is none is passed on as empty bytes, which no release can read.
pub(super) fn frame(text: &str) -> Bytes {
    if is_plain(text.as_bytes()) {
        return unsequenced(Bytes::copy_from_slice(text.as_bytes()));
    }
    STANDARD_NO_PAD.decode(text).map(Bytes::from).unwrap_or_default()
}

fn unsequenced(payload: Bytes) -> Bytes {
    Frame { publisher: NOBODY, incarnation: 0, kind: FrameKind::Unsequenced, payload }.encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Frame {
        Frame::decode(frame(text)).unwrap()
    }

    #[test]
    fn what_goes_in_comes_out() {
        for payload in
            [&b"k:shop:carts:7"[..], b"t:shop:customer:7", b"*", b"", b"\x01\xff\0", b"k", b"k:\xff", b"k:\0", &[7; LONGEST_PAYLOAD]]
        {
            let text = notice(payload).unwrap();
            assert!(text.len() <= LONGEST_TEXT && !text.contains('\0'), "{}", text.len());
            let back = read(&text);
            assert_eq!((back.publisher, back.kind, &back.payload[..]), (NOBODY, FrameKind::Unsequenced, payload));
        }
        assert_eq!(notice(b"k:shop:carts:7").unwrap(), "k:shop:carts:7", "as SQL would write it");
        assert_eq!(notice(&[b'x'; LONGEST_PAYLOAD]).unwrap().len(), LONGEST_TEXT);
    }

    #[test]
    fn limits() {
        let error = notice(&[0; LONGEST_PAYLOAD + 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(error.to_string().contains("5973"), "{error}");
        assert!(text(&[0; LONGEST_PAYLOAD + 1 + FRAME_HEAD]).len() > LONGEST_TEXT, "the limit is not lower than it need be");
    }

    #[test]
    fn strange_texts_are_no_frames() {
        for strange in ["", "hello", "A", "AQ==", "k", "{\"a\":1}", "Ä"] {
            assert!(Frame::decode(frame(strange)).is_err(), "{strange}");
        }
    }
}
