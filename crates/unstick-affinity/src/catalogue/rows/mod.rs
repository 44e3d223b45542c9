//! The rows, by vendor, and what they are written with.

mod apache;
mod aws;
mod azure;
mod clouds;
mod envoy;
mod google;
mod haproxy;
mod kubernetes;
mod nginx;
mod proxies;

use super::product::{CataloguedCookie, Form, NamePattern, Product};

const VENDORS: &[&[Product]] = &[
    azure::ROWS,
    aws::ROWS,
    google::ROWS,
    clouds::ROWS,
    haproxy::ROWS,
    nginx::ROWS,
    apache::ROWS,
    envoy::ROWS,
    proxies::ROWS,
    kubernetes::ROWS,
];

pub(super) static PRODUCTS: [Product; count()] = all();

const fn count() -> usize {
    let (mut count, mut vendor) = (0, 0);
    while vendor < VENDORS.len() {
        count += VENDORS[vendor].len();
        vendor += 1;
    }
    count
}

const fn all() -> [Product; count()] {
    let mut all = [VENDORS[0][0]; count()];
    let (mut at, mut vendor) = (0, 0);
    while vendor < VENDORS.len() {
        let mut row = 0;
        while row < VENDORS[vendor].len() {
            all[at] = VENDORS[vendor][row];
            at += 1;
            row += 1;
        }
        vendor += 1;
    }
    all
}

const HOST_ONLY: Form = Form { has_domain: false, path: "/", is_partitioned: false };
const DOMAIN: Form = Form { has_domain: true, ..HOST_ONLY };
const PARTITIONED: Form = Form { is_partitioned: true, ..HOST_ONLY };
const PARTITIONED_DOMAIN: Form = Form { is_partitioned: true, ..DOMAIN };

const USUAL: &[Form] = &[HOST_ONLY, DOMAIN];

const fn cookie(name: &'static str) -> CataloguedCookie {
    CataloguedCookie { name: NamePattern::Exact(name), is_cross_site: false, is_deleted_when_seen: true, forms: USUAL }
}

/// A twin with `SameSite=None; Secure`.
const fn cross_site(name: &'static str) -> CataloguedCookie {
    CataloguedCookie { is_cross_site: true, ..cookie(name) }
}

const fn prefixed(prefix: &'static str) -> CataloguedCookie {
    CataloguedCookie { name: NamePattern::Prefix(prefix), ..cookie(prefix) }
}

const fn only_seen(cookie: CataloguedCookie) -> CataloguedCookie {
    CataloguedCookie { is_deleted_when_seen: false, ..cookie }
}
