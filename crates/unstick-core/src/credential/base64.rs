//! URL-safe base64 without padding for exactly the length of a credential: no length arithmetic and no estimate, which is
//! half the instructions of a general decoder on every request that carries a session.

use super::{SEALED_LEN, format::RAW};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Marks what is not of the alphabet, above the 24 bits of a group.
const ALIEN: u32 = 1 << 31;

/// A character's six bits at each of the four places of a group.
const PLACES: [[u32; 256]; 4] = {
    let mut places = [[ALIEN; 256]; 4];
    let mut bits = 0;
    while bits < 64 {
        let character = ALPHABET[bits as usize] as usize;
        places[0][character] = bits << 18;
        places[1][character] = bits << 12;
        places[2][character] = bits << 6;
        places[3][character] = bits;
        bits += 1;
    }
    places
};

/// `None` when a character is not of the alphabet, or the last one carries bits that no byte takes: one text per value.
pub(super) fn decode(text: &[u8; SEALED_LEN]) -> Option<[u8; RAW]> {
    let mut raw = [0; RAW];
    let mut seen = 0;
    let (groups, last) = text.as_chunks();
    let (triples, pair) = raw.as_chunks_mut();
    let mut group = |a: u8, b: u8, c: u8, rest: u32| {
        let bits = PLACES[0][usize::from(a)] | PLACES[1][usize::from(b)] | PLACES[2][usize::from(c)] | rest;
        seen |= bits;
        bits.to_be_bytes()
    };
    for (&[a, b, c, d], triple) in groups.iter().zip(triples) {
        let [_, bytes @ ..] = group(a, b, c, PLACES[3][usize::from(d)]);
        *triple = bytes;
    }
    let &[a, b, c] = last else { return None };
    let [_, first, second, left_over] = group(a, b, c, 0);
    pair.copy_from_slice(&[first, second]);
    (seen < ALIEN && left_over == 0).then_some(raw)
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
