//! URL-safe base64 without padding for exactly the length of a credential: no length arithmetic and no estimate, which would
//! be paid on every request that carries a session.

use super::{SEALED_LEN, format::RAW};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Marks what is not of the alphabet, below the 24 bits of a group.
const ALIEN: u32 = 1;

/// A character's six bits at each of the four places of a group, which fills the upper three bytes.
const PLACES: [[u32; 256]; 4] = {
    let mut places = [[ALIEN; 256]; 4];
    let mut bits = 0;
    while bits < 64 {
        let character = ALPHABET[bits as usize] as usize;
        places[0][character] = bits << 26;
        places[1][character] = bits << 20;
        places[2][character] = bits << 14;
        places[3][character] = bits << 8;
        bits += 1;
    }
    places
};

/// `None` when a character is not of the alphabet, or the last one carries bits that no byte takes: one text per value.
pub(super) fn decode(text: &[u8; SEALED_LEN]) -> Option<[u8; RAW]> {
    // Every group is written as four bytes, the last of which the next group overwrites: one instruction instead of three.
    let mut raw = [0; RAW.next_multiple_of(3) + 1];
    let mut seen = 0;
    let mut group = |at: usize, a: u8, b: u8, c: u8, rest: u32| {
        let bits = PLACES[0][usize::from(a)] | PLACES[1][usize::from(b)] | PLACES[2][usize::from(c)] | rest;
        seen |= bits;
        raw[at..at + 4].copy_from_slice(&bits.to_be_bytes());
    };
    let last = |d: u8| PLACES[3][usize::from(d)];
    // Two groups at a time: to count them takes a quarter of what one takes.
    let (pairs, rest) = text.as_chunks();
    for (at, &[a, b, c, d, e, f, g, h]) in pairs.iter().enumerate() {
        group(6 * at, a, b, c, last(d));
        group(6 * at + 3, e, f, g, last(h));
    }
    let &[a, b, c, d, e, f, g] = rest else { return None };
    group(6 * pairs.len(), a, b, c, last(d));
    group(6 * pairs.len() + 3, e, f, g, 0);
    let (bytes, left_over) = raw.split_first_chunk()?;
    (seen & ALIEN == 0 && left_over[0] == 0).then_some(*bytes)
}

pub(super) fn encode(raw: &[u8; RAW]) -> String {
    let mut text = String::with_capacity(SEALED_LEN);
    let mut push = |bits: u32, places: std::ops::RangeInclusive<u32>| {
        text.extend(places.rev().map(|place| char::from(ALPHABET[(bits >> (6 * place) & 63) as usize])));
    };
    let (triples, pair) = raw.as_chunks();
    for &[a, b, c] in triples {
        push(u32::from_be_bytes([0, a, b, c]), 0..=3);
    }
    if let &[a, b] = pair {
        push(u32::from_be_bytes([0, a, b, 0]), 1..=3);
    }
    text
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    fn reference(text: &[u8]) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(text).ok()
    }

    proptest! {
        #[test]
        fn agrees_with_a_general_codec(raw in proptest::collection::vec(any::<u8>(), RAW), at in 0..SEALED_LEN, byte in any::<u8>()) {
            let raw: [u8; RAW] = raw.try_into().unwrap();
            let text = encode(&raw);
            prop_assert_eq!(&text, &URL_SAFE_NO_PAD.encode(raw));
            let mut text: [u8; SEALED_LEN] = text.as_bytes().try_into().unwrap();
            prop_assert_eq!(decode(&text), Some(raw));
            text[at] = byte;
            prop_assert_eq!(decode(&text).map(Vec::from), reference(&text));
        }
    }

    #[test]
    fn every_last_character_is_judged_alike() {
        for byte in 0..=255 {
            let mut text = [b'A'; SEALED_LEN];
            text[SEALED_LEN - 1] = byte;
            assert_eq!(decode(&text).map(Vec::from), reference(&text), "{byte}");
        }
    }
}
