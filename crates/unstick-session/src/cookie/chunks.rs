//! One text over several cookies, for sessions that travel whole in the client.
//!
//! The cookie itself holds `~N~` and the first piece, `name.1` the second, and so on to N pieces. What is joined is sealed as
//! a whole, so pieces that are missing, in another order or of two states are no authentic text.

use std::{borrow::Cow, time::Duration};

use http::{HeaderMap, HeaderValue};
use unstick_core::{ConfigError, HeaderBudget};

use super::{CookieConfig, candidates};

/// More would not fit into what servers take for a request's headers.
pub(super) const MAX_CHUNKS: u8 = 4;

/// What RFC 6265 section 6.1 lets a cookie have, attributes included.
const COOKIE: usize = 4096;

/// `; HttpOnly; SameSite=Strict; Partitioned; Secure; Path=; Domain=; Max-Age=34560000` and `=`.
const ATTRIBUTES: usize = 90;

/// `~N~` or `.N`.
const MARKS: usize = 3;

impl CookieConfig {
    pub(crate) fn is_chunked(&self) -> bool {
        self.chunks > 1
    }

    /// Characters that one cookie has room for.
    fn room(&self) -> usize {
        COOKIE.saturating_sub(self.variable_len() + ATTRIBUTES + MARKS).max(1)
    }

    fn piece(&self, index: u8) -> Cow<'static, str> {
        Cow::Owned(format!("{}.{index}", self.name))
    }

    /// The whole text of which `first` is the cookie's own value; `first` itself when it is whole, or pieces are missing.
    #[inline]
    pub(crate) fn join<'a>(&self, headers: &HeaderMap, first: &'a [u8]) -> Cow<'a, [u8]> {
        if !self.is_chunked() {
            return Cow::Borrowed(first);
        }
        match first {
            [b'~', count @ b'2'..=b'4', b'~', piece @ ..] => {
                let mut text = piece.to_vec();
                for index in 1..count - b'0' {
                    match candidates(headers, &self.piece(index)).next() {
                        Some(piece) if piece.len() <= COOKIE => text.extend_from_slice(piece),
                        _ => return Cow::Borrowed(first),
                    }
                }
                // Nothing, in pieces, would not count among the few values that are looked at.
                if text.is_empty() { Cow::Borrowed(first) } else { Cow::Owned(text) }
            }
            _ => Cow::Borrowed(first),
        }
    }

    /// Which further pieces a request carries, a bit for each: they are taken away when they are no longer needed.
    pub(crate) fn pieces_in(&self, headers: &HeaderMap) -> u8 {
        if !self.is_chunked() {
            return 0;
        }
        let carried = |index: &u8| candidates(headers, &self.piece(*index)).next().is_some();
        (1..MAX_CHUNKS).filter(carried).fold(0, |pieces, index| pieces | 1 << index)
    }

    /// The lines that give the client `text` and take away the pieces that it has `carried` beyond; all, or `None`.
    pub(crate) fn lines(&self, text: &str, max_age: Duration, carried: u8) -> Option<Vec<HeaderValue>> {
        let room = self.room();
        let count = u8::try_from(text.len().div_ceil(room)).ok().filter(|count| *count <= self.chunks)?.max(1);
        let mut lines = Vec::with_capacity(usize::from(count));
        let mut rest = text;
        for index in 0..count {
            let (piece, after) = rest.split_at_checked(room.min(rest.len()))?;
            rest = after;
            lines.push(match index {
                0 if count == 1 => self.line(piece, max_age)?,
                0 => self.line(&format!("~{count}~{piece}"), max_age)?,
                _ => self.line_called(self.piece(index), piece, max_age)?,
            });
        }
        self.take_away(&mut lines, count, carried)?;
        Some(lines)
    }

    /// The lines that take the cookie and all pieces away.
    pub(crate) fn removals(&self, carried: u8) -> Option<Vec<HeaderValue>> {
        let mut lines = vec![self.removal()?];
        self.take_away(&mut lines, 1, carried)?;
        Some(lines)
    }

    fn take_away(&self, lines: &mut Vec<HeaderValue>, from: u8, carried: u8) -> Option<()> {
        for index in (from..MAX_CHUNKS).filter(|index| carried & 1 << index != 0) {
            lines.push(self.removal_called(self.piece(index))?);
        }
        Some(())
    }

    /// Refuses a backend whose longest text could not be sent.
    pub(crate) fn check_text(&self, backend: &str, longest: usize, budget: usize) -> Result<(), ConfigError> {
        let pieces = longest.div_ceil(self.room());
        if pieces > usize::from(self.chunks) {
            let remedy = if pieces <= usize::from(MAX_CHUNKS) { format!("allow `chunks({pieces})`, or ") } else { String::new() };
            return Err(ConfigError::new(format!(
                "a session of the `{backend}` backend has up to {longest} characters, but `chunks({})` of cookie `{}` hold {}; \
                 {remedy}lower the backend's limit (`max_token`)",
                self.chunks,
                self.name,
                usize::from(self.chunks) * self.room()
            )));
        }
        // Every piece is a line, or the removal of one.
        let line = HeaderBudget::line("set-cookie".len(), self.variable_len() + ATTRIBUTES + MARKS);
        let least = longest + line * usize::from(self.chunks) + 48;
        if budget < least {
            return Err(ConfigError::new(format!(
                "`header_budget` is {budget} bytes, but a session of the `{backend}` backend needs up to {least}; \
                 raise it, with the buffers of your proxies, or lower the backend's limit (`max_token`)"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE as COOKIES;
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn config(chunks: u8) -> CookieConfig {
        CookieConfig::default().chunks(chunks).check().unwrap()
    }

    /// What the client sends after `lines`.
    fn sent(lines: &[HeaderValue]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            headers.append(COOKIES, pair.parse().unwrap());
        }
        headers
    }

    fn joined(config: &CookieConfig, headers: &HeaderMap) -> Vec<u8> {
        config.join(headers, candidates(headers, config.name()).next().unwrap()).into_owned()
    }

    proptest! {
        #[test]
        fn what_was_divided_is_joined(length in 0..12_000_usize, chunks in 2..=4_u8) {
            let text: String = ('a'..='z').cycle().take(length).collect();
            let config = config(chunks);
            match config.lines(&text, HOUR, 0) {
                Some(lines) => {
                    for line in &lines {
                        prop_assert!(line.len() <= COOKIE, "{} bytes", line.len());
                    }
                    let headers = sent(&lines);
                    prop_assert_eq!(joined(&config, &headers), text.as_bytes());
                    prop_assert_eq!(config.pieces_in(&headers).count_ones() as usize, lines.len() - 1);
                }
                None => prop_assert!(length > usize::from(chunks) * config.room()),
            }
        }
    }

    #[test]
    fn a_missing_piece_is_no_text() {
        let config = config(3);
        let lines = config.lines(&"x".repeat(9000), HOUR, 0).unwrap();
        assert_eq!(lines.len(), 3);
        for missing in 1..3 {
            let mut left = lines.clone();
            left.remove(missing);
            assert!(joined(&config, &sent(&left)).starts_with(b"~3~"), "which no seal has");
        }
    }

    #[test]
    fn what_is_no_longer_needed_is_taken_away() {
        let config = config(4);
        let carried = config.pieces_in(&sent(&config.lines(&"x".repeat(12_000), HOUR, 0).unwrap()));
        let removed = |lines: &[HeaderValue]| -> Vec<String> {
            let lines = lines.iter().map(|line| line.to_str().unwrap()).filter(|line| line.contains("Max-Age=0"));
            lines.map(|line| line.split('=').next().unwrap().to_owned()).collect()
        };
        assert_eq!(removed(&config.lines("x", HOUR, carried).unwrap()), ["__Host-id.1", "__Host-id.2", "__Host-id.3"]);
        assert_eq!(removed(&config.lines(&"x".repeat(5000), HOUR, carried).unwrap()), ["__Host-id.2", "__Host-id.3"]);
        assert_eq!(removed(&config.lines("x", HOUR, 0).unwrap()), [""; 0]);
        assert_eq!(removed(&config.removals(carried).unwrap()), ["__Host-id", "__Host-id.1", "__Host-id.2", "__Host-id.3"]);
    }

    #[test]
    fn what_cannot_be_sent_is_refused_beforehand() {
        let refusal = |chunks, longest, budget| config(chunks).check_text("token", longest, budget).err().map(|error| error.to_string());
        assert_eq!(refusal(1, 2800, HeaderBudget::DEFAULT), None);
        assert_eq!(refusal(1, 3900, 8192), None);
        assert!(refusal(1, 3900, HeaderBudget::DEFAULT).is_some_and(|sentence| sentence.contains("header_budget")));
        assert!(refusal(1, 4090, 8192).is_some_and(|sentence| sentence.contains("allow `chunks(2)`")));
        assert!(refusal(2, 20_000, 1 << 20).is_some_and(|sentence| !sentence.contains("allow") && sentence.contains("max_token")));
        assert_eq!(refusal(2, 7900, 8600), None);
        assert!(CookieConfig::default().chunks(5).check().is_err());
        assert!(CookieConfig::default().chunks(0).check().is_err());
    }

    #[test]
    fn without_chunks_a_mark_means_nothing() {
        let headers = sent(&config(2).lines(&"x".repeat(5000), HOUR, 0).unwrap());
        assert!(joined(&config(1), &headers).starts_with(b"~2~"));
        assert_eq!(config(1).pieces_in(&headers), 0);
    }
}
