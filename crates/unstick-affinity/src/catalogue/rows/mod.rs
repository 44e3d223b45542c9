//! The rows, by vendor.

mod all;
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
mod shape;

pub(super) use self::all::PRODUCTS;
use self::shape::{DOMAIN, HOST_ONLY, PARTITIONED, PARTITIONED_DOMAIN, cookie, cross_site, only_seen, prefixed};
