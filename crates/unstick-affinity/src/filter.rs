//! Finding the few cookies that matter among many that do not, in few instructions: this runs for every request.

use crate::{catalogue, marker};

/// Rules out nearly every foreign cookie by its name's first byte and length.
///
/// For each byte, the lengths of the names that begin with it, a bit for each; the last bit is for all that are longer.
pub(crate) struct Filter(Box<[u64; 256]>);

impl Filter {
    const LAST: usize = 63;

    /// Lets the catalogue's names through, the marker, and these.
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut lengths = Box::new([0; 256]);
        for (byte, lengths) in (0..=u8::MAX).zip(lengths.iter_mut()) {
            *lengths = catalogue::lengths(byte);
        }
        for name in names.chain([marker::NAME]) {
            if let Some(first) = name.bytes().next() {
                lengths[usize::from(first)] |= 1 << name.len().min(Self::LAST);
            }
        }
        Self(lengths)
    }

    /// Calls `found` for every cookie of a line that may be one of ours, with the line from its name on.
    #[inline]
    pub(crate) fn candidates<'a>(&self, line: &'a [u8], mut found: impl FnMut(&'a [u8])) {
        let mut look = |rest: &'a [u8]| {
            if let Some(rest) = self.candidate(rest) {
                found(rest);
            }
        };
        look(line);
        // On lines as short as these, half of a search is the choice of instructions: those that every such processor has are chosen when this
        // is compiled.
        #[cfg(target_arch = "x86_64")]
        if let Some(search) = memchr::arch::x86_64::sse2::memchr::One::new(b';') {
            return search.iter(line).for_each(|end| look(&line[end + 1..]));
        }
        memchr::memchr_iter(b';', line).for_each(|end| look(&line[end + 1..]));
    }

    #[inline]
    fn candidate<'a>(&self, mut rest: &'a [u8]) -> Option<&'a [u8]> {
        // One space, as a rule.
        if let [b' ', after @ ..] = rest {
            rest = after;
        }
        let mut first = *rest.first()?;
        if first <= b' ' {
            rest = rest.trim_ascii_start();
            first = *rest.first()?;
        }
        let lengths = self.0[usize::from(first)];
        if lengths != 0 && fits(lengths, rest) { Some(rest) } else { None }
    }
}

/// Whether a name of one of these lengths ends where it should.
#[inline]
fn fits(mut lengths: u64, rest: &[u8]) -> bool {
    if lengths >> Filter::LAST != 0 {
        return true;
    }
    while lengths != 0 {
        let Some(byte) = rest.get(lengths.trailing_zeros() as usize) else { return true };
        if *byte <= b' ' || *byte == b'=' || *byte == b';' {
            return true;
        }
        lengths &= lengths - 1;
    }
    false
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Filter")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Filter;

    proptest! {
        #[test]
        fn every_cookie_of_a_known_name_is_a_candidate(line in "([;: =\t]|SRV|S|GCLB|[a-zR-T]|ü){0,60}") {
            let filter = Filter::new(["SRV", "S"].into_iter());
            let mut found = Vec::new();
            filter.candidates(line.as_bytes(), |rest| found.push(line.len() - rest.len()));
            let mut at = 0;
            for pair in line.split(';') {
                let start = at + pair.len() - pair.trim_start_matches([' ', '\t']).len();
                let name = pair.split('=').next().unwrap_or_default().trim_matches([' ', '\t']);
                prop_assert!(!["SRV", "S", "GCLB"].contains(&name) || found.contains(&start), "{} at {} in {:?}", name, start, found);
                at += pair.len() + 1;
            }
            for start in found {
                let before = line[..start].trim_end_matches([' ', '\t']);
                prop_assert!(before.is_empty() || before.ends_with(';'), "{:?}", before);
            }
        }
    }
}
