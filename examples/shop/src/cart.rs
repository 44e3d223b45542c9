//! The cart: one session key per line, so that parallel clicks on different nodes never overwrite each other.

use serde::{Deserialize, Serialize};

use crate::sessions::{Session, SessionError};

const PREFIX: &str = "cart:";

/// One line of the cart.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    sku: String,
    qty: u64,
}

/// The whole cart, sorted by SKU.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Cart {
    lines: Vec<Line>,
    count: u64,
}

impl Cart {
    fn of(mut lines: Vec<Line>) -> Self {
        lines.sort_unstable_by(|a, b| a.sku.cmp(&b.sku));
        let count = lines.iter().fold(0_u64, |sum, line| sum.saturating_add(line.qty));
        Self { lines, count }
    }

    /// Reads the cart out of a session.
    pub(crate) async fn read(session: &Session) -> Result<Self, SessionError> {
        let mut lines = Vec::new();
        for key in session.keys().await? {
            if let Some(sku) = key.strip_prefix(PREFIX)
                && let Some(qty) = session.get(&key).await?
            {
                lines.push(Line { sku: sku.to_owned(), qty });
            }
        }
        Ok(Self::of(lines))
    }
}

/// What `POST /api/cart` takes.
#[derive(Debug, Deserialize)]
pub(crate) struct Addition {
    sku: String,
    qty: i64,
}

impl Addition {
    /// The SKU and quantity, if both are in bounds; otherwise why not.
    pub(crate) fn check(self) -> Result<(Sku, u64), &'static str> {
        let qty = u64::try_from(self.qty).ok().filter(|qty| (1..=999).contains(qty)).ok_or("qty must be a whole number from 1 to 999")?;
        Ok((Sku::parse(&self.sku)?, qty))
    }
}

/// A valid article number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sku(String);

impl Sku {
    /// Accepts 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let fine = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if fine { Ok(Self(text.to_owned())) } else { Err("sku must be 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-'") }
    }

    /// As the client wrote it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Its line in the cart.
    pub(crate) fn line(self, qty: u64) -> Line {
        Line { sku: self.0, qty }
    }

    /// The session key of its line.
    pub(crate) fn key(&self) -> String {
        format!("{PREFIX}{}", self.0)
    }
}

/// Adds to a line, whatever it holds by now. Returns the line's new quantity.
pub(crate) async fn add(session: &Session, sku: &Sku, qty: u64) -> Result<u64, SessionError> {
    let total = session.update(&sku.key(), |held: Option<u64>| Some(held.unwrap_or(0).saturating_add(qty))).await?;
    Ok(total.unwrap_or(qty))
}

/// The session key that `POST /api/slow?key=` names: a cart line (`cart:<sku>`), or a plain name with the SKU's alphabet.
pub(crate) fn slow_key(name: &str) -> Result<String, &'static str> {
    match name.strip_prefix(PREFIX) {
        Some(sku) => Sku::parse(sku).map(|sku| sku.key()),
        None => Sku::parse(name)
            .map(|_| name.to_owned())
            .map_err(|_| "key must be 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-', or cart:<sku>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let check = |sku: &str, qty| Addition { sku: sku.to_owned(), qty }.check();
        assert_eq!(check("Tea-1.x_", 999).unwrap().1, 999);
        assert!(check(&"x".repeat(64), 1).is_ok());
        for (sku, qty) in [("tea", 0), ("tea", -1), ("tea", 1000), ("", 1), ("a b", 1), ("tee\u{e9}", 1), ("a/b", 1), ("cart:a", 1)] {
            assert!(check(sku, qty).is_err(), "{sku} {qty}");
        }
        assert!(check(&"x".repeat(65), 1).is_err());
    }

    #[test]
    fn lines_are_sorted_and_counted() {
        let line = |sku: &str, qty| Line { sku: sku.to_owned(), qty };
        let cart = Cart::of(vec![line("tea", 2), line("cup", u64::MAX)]);
        assert_eq!(serde_json::to_string(&cart.lines[0].sku).unwrap(), "\"cup\"");
        assert_eq!(cart.count, u64::MAX, "saturates instead of wrapping");
    }

    #[test]
    fn slow_keys() {
        assert_eq!(slow_key("cart:tea").as_deref(), Ok("cart:tea"));
        assert_eq!(slow_key("note").as_deref(), Ok("note"));
        assert!(slow_key("cart:").is_err());
        assert!(slow_key("other:tea").is_err());
    }
}
