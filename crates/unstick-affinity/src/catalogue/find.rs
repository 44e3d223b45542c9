//! Looking up rows. [`find`] runs for every cookie of every request, nearly always for a name that is not here.

use super::{
    product::{CataloguedCookie, NamePattern, Product},
    rows::PRODUCTS,
};

/// Every product.
#[must_use]
pub fn products() -> &'static [Product] {
    &PRODUCTS
}

/// The product with this [`Product::name`].
#[must_use]
pub fn product(name: &str) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.name == name)
}

/// The product that a cookie's name belongs to, beyond doubt. Names are compared with their case, as browsers do.
#[must_use]
pub fn product_of(name: &[u8]) -> Option<&'static Product> {
    find(name).map(|(product, _)| product)
}

/// Products whose cookie usually has this name although it is not theirs alone: a hint for people, never a reason to delete it.
pub fn suspects(name: &str) -> impl Iterator<Item = &'static Product> + use<'_> {
    PRODUCTS.iter().filter(move |product| product.idioms.contains(&name))
}

/// By a name's first byte, the lengths that a name in the catalogue can have, a bit for each; the last bit is for all that are longer.
type Lengths = [u64; 256];

static LENGTHS: Lengths = lengths();

const LAST: usize = 63;

const fn lengths() -> Lengths {
    let mut lengths = [0; 256];
    let mut product = 0;
    while product < PRODUCTS.len() {
        let cookies = PRODUCTS[product].cookies;
        let mut cookie = 0;
        while cookie < cookies.len() {
            let text = cookies[cookie].name.text().as_bytes();
            assert!(!text.is_empty() && text.len() < LAST, "a name of the catalogue must be shorter");
            lengths[text[0] as usize] |= match cookies[cookie].name {
                NamePattern::Exact(_) => 1 << text.len(),
                NamePattern::Prefix(_) => u64::MAX << (text.len() + 1),
            };
            cookie += 1;
        }
        product += 1;
    }
    lengths
}

/// The row and cookie that a name belongs to. Two look-ups in a small table rule out nearly every foreign name.
#[inline]
pub(crate) fn find(name: &[u8]) -> Option<(&'static Product, &'static CataloguedCookie)> {
    let first = *name.first()?;
    if LENGTHS[usize::from(first)] >> name.len().min(LAST) & 1 == 0 {
        return None;
    }
    scan(name)
}

#[cold]
fn scan(name: &[u8]) -> Option<(&'static Product, &'static CataloguedCookie)> {
    let all = PRODUCTS.iter().flat_map(|product| product.cookies.iter().map(move |cookie| (product, cookie)));
    all.into_iter().find(|(_, cookie)| match cookie.name {
        NamePattern::Exact(exact) => exact.as_bytes() == name,
        NamePattern::Prefix(prefix) => name.len() > prefix.len() && name.starts_with(prefix.as_bytes()),
    })
}
