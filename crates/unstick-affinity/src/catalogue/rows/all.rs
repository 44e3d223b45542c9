//! All rows as one table.

use super::{apache, aws, azure, clouds, envoy, google, haproxy, kubernetes, nginx, proxies};
use crate::catalogue::product::Product;

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

pub(in crate::catalogue) static PRODUCTS: [Product; count()] = all();

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
