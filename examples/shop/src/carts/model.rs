//! What a saved cart is, and what clients may ask for.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::cart::Sku;

/// The largest customer number: the largest whole number that is exact in every JSON reader.
const LAST_CUSTOMER: u64 = (1 << 53) - 1;

/// The most lines of a cart.
const MOST_LINES: usize = 50;

/// Names a saved cart, in the database as in every cache.
pub(crate) type CartKey = (u64, CartType, Market);

/// A customer has one cart of each kind in each market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CartType {
    /// Put aside for later.
    Saved,
    /// About to be ordered.
    Basket,
    /// To be shown to others.
    Wishlist,
}

impl CartType {
    /// As it is written in addresses and in the database.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Saved => "saved",
            Self::Basket => "basket",
            Self::Wishlist => "wishlist",
        }
    }
}

impl FromStr for CartType {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Saved, Self::Basket, Self::Wishlist];
        all.into_iter().find(|kind| kind.as_str() == text).ok_or("the kind of cart must be saved, basket or wishlist")
    }
}

/// Two lowercase letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Market([u8; 2]);

impl FromStr for Market {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => Ok(Self([a.to_ascii_lowercase(), b.to_ascii_lowercase()])),
            _ => Err("market must be two letters, such as se"),
        }
    }
}

impl fmt::Display for Market {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

/// A cart's name as it comes in an address.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// From the path.
    pub(crate) customer: &'a str,
    /// From the path.
    pub(crate) kind: &'a str,
    /// From the query.
    pub(crate) market: Option<&'a str>,
}

impl Wanted<'_> {
    /// The key, if all parts are in bounds; otherwise why not.
    pub(crate) fn check(&self) -> Result<CartKey, &'static str> {
        let digits = !self.customer.is_empty() && self.customer.bytes().all(|byte| byte.is_ascii_digit());
        let customer = self.customer.parse().ok().filter(|number| digits && (1..=LAST_CUSTOMER).contains(number));
        let customer = customer.ok_or("customer must be a whole number from 1 to 9007199254740991")?;
        let market = self.market.ok_or("market is missing: two letters, such as ?market=se")?;
        Ok((customer, self.kind.parse()?, market.parse()?))
    }
}

/// One line of a saved cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CartLine {
    sku: String,
    qty: u32,
}

/// What `PUT` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCart {
    lines: Vec<CartLine>,
}

impl NewCart {
    /// The lines, if all are in bounds; otherwise why not.
    pub(crate) fn check(self) -> Result<Vec<CartLine>, &'static str> {
        if self.lines.len() > MOST_LINES {
            return Err("a cart has at most 50 lines");
        }
        let mut seen = BTreeSet::new();
        for line in &self.lines {
            Sku::parse(&line.sku)?;
            if !(1..=999).contains(&line.qty) {
                return Err("qty must be a whole number from 1 to 999");
            }
            if !seen.insert(line.sku.as_str()) {
                return Err("every sku has one line");
            }
        }
        Ok(self.lines)
    }
}

/// A saved cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SavedCart {
    /// Counts replacements, from 1.
    pub(crate) version: u64,
    /// In the order in which they were sent.
    pub(crate) lines: Vec<CartLine>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(customer: &str, kind: &str, market: Option<&str>) -> Result<CartKey, &'static str> {
        Wanted { customer, kind, market }.check()
    }

    #[test]
    fn names() {
        let (customer, kind, market) = key("7", "saved", Some("SE")).unwrap();
        assert_eq!((customer, kind, market.to_string().as_str()), (7, CartType::Saved, "se"));
        assert_eq!(key("7", "saved", Some("se")), key("007", "saved", Some("Se")), "one cart, however it is written");
        assert!(key("9007199254740991", "basket", Some("de")).is_ok());
        for customer in ["", "0", "-1", "+7", "7.0", "ann", "9007199254740992", "99999999999999999999"] {
            assert!(key(customer, "saved", Some("se")).is_err(), "{customer}");
        }
        for kind in ["", "Saved", "carts"] {
            assert!(key("7", kind, Some("se")).is_err(), "{kind}");
        }
        for market in [None, Some(""), Some("s"), Some("swe"), Some("s1"), Some("ö"), Some("s ")] {
            assert!(key("7", "wishlist", market).is_err(), "{market:?}");
        }
    }

    #[test]
    fn lines() {
        let check = |text: &str| serde_json::from_str::<NewCart>(text).map_err(|_| "not a cart").and_then(NewCart::check);
        assert_eq!(check(r#"{"lines":[]}"#), Ok(vec![]), "an emptied cart is a cart");
        assert_eq!(check(r#"{"lines":[{"sku":"tea","qty":999}]}"#).unwrap().len(), 1);
        for bad in [
            "[]",
            "{}",
            r#"{"lines":[{"sku":"tea","qty":0}]}"#,
            r#"{"lines":[{"sku":"tea","qty":1000}]}"#,
            r#"{"lines":[{"sku":"tea","qty":-1}]}"#,
            r#"{"lines":[{"sku":"a b","qty":1}]}"#,
            r#"{"lines":[{"sku":"tea","qty":1},{"sku":"tea","qty":2}]}"#,
            r#"{"lines":[],"version":3}"#,
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        let many = |count| NewCart { lines: (0..count).map(|index| CartLine { sku: format!("sku-{index}"), qty: 1 }).collect() };
        assert_eq!(many(MOST_LINES).check().unwrap().len(), MOST_LINES);
        assert!(many(MOST_LINES + 1).check().is_err());
    }
}
