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

type Entry = (&'static Product, &'static CataloguedCookie);

/// What names with one first byte can be.
#[derive(Clone, Copy)]
struct Slot {
    /// A bit for each length that a name can have; the last bit is for all that are longer.
    lengths: u64,
    /// Their part of [`ENTRIES`].
    from: usize,
    to: usize,
}

const LAST: usize = 63;

static SLOTS: [Slot; 256] = index().0;
/// Every cookie, by the first byte of its name.
static ENTRIES: [Entry; count()] = index().1;

const fn count() -> usize {
    let (mut count, mut row) = (0, 0);
    while row < PRODUCTS.len() {
        count += PRODUCTS[row].cookies.len();
        row += 1;
    }
    count
}

const fn index() -> ([Slot; 256], [Entry; count()]) {
    let mut slots = [Slot { lengths: 0, from: 0, to: 0 }; 256];
    // Azure's first row has cookies; every place is filled below.
    let mut entries = [(&PRODUCTS[0], &PRODUCTS[0].cookies[0]); count()];
    let (mut at, mut byte) = (0, 0);
    while byte < slots.len() {
        slots[byte].from = at;
        let mut row = 0;
        while row < PRODUCTS.len() {
            let mut cookie = 0;
            while cookie < PRODUCTS[row].cookies.len() {
                let entry = &PRODUCTS[row].cookies[cookie];
                let text = entry.name.text().as_bytes();
                assert!(!text.is_empty() && text.len() < LAST, "a name of the catalogue is empty or too long");
                if text[0] as usize == byte {
                    slots[byte].lengths |= match entry.name {
                        NamePattern::Exact(_) => 1 << text.len(),
                        NamePattern::Prefix(_) => u64::MAX << (text.len() + 1),
                    };
                    entries[at] = (&PRODUCTS[row], entry);
                    at += 1;
                }
                cookie += 1;
            }
            row += 1;
        }
        slots[byte].to = at;
        byte += 1;
    }
    (slots, entries)
}

/// The lengths that names with this first byte can have, a bit for each; the last bit is for all that are longer.
pub(crate) fn lengths(first: u8) -> u64 {
    SLOTS[usize::from(first)].lengths
}

/// The row and cookie that a name belongs to. First byte and length rule out nearly every foreign name.
#[inline]
pub(crate) fn find(name: &[u8]) -> Option<Entry> {
    let slot = &SLOTS[usize::from(*name.first()?)];
    if slot.lengths >> name.len().min(LAST) & 1 == 0 {
        return None;
    }
    ENTRIES[slot.from..slot.to].iter().copied().find(|(_, cookie)| match cookie.name {
        NamePattern::Exact(exact) => exact.as_bytes() == name,
        NamePattern::Prefix(prefix) => name.len() > prefix.len() && name.starts_with(prefix.as_bytes()),
    })
}
