//! What the rows are written with.

use crate::catalogue::product::{CataloguedCookie, Form, NamePattern};

pub(super) const HOST_ONLY: Form = Form { has_domain: false, path: "/", is_partitioned: false };
pub(super) const DOMAIN: Form = Form { has_domain: true, ..HOST_ONLY };
pub(super) const PARTITIONED: Form = Form { is_partitioned: true, ..HOST_ONLY };
pub(super) const PARTITIONED_DOMAIN: Form = Form { is_partitioned: true, ..DOMAIN };

pub(super) const USUAL: &[Form] = &[HOST_ONLY, DOMAIN];

pub(super) const fn cookie(name: &'static str) -> CataloguedCookie {
    CataloguedCookie { name: NamePattern::Exact(name), is_cross_site: false, is_deleted_when_seen: true, forms: USUAL }
}

/// A twin with `SameSite=None; Secure`.
pub(super) const fn cross_site(name: &'static str) -> CataloguedCookie {
    CataloguedCookie { is_cross_site: true, ..cookie(name) }
}

pub(super) const fn prefixed(prefix: &'static str) -> CataloguedCookie {
    CataloguedCookie { name: NamePattern::Prefix(prefix), ..cookie(prefix) }
}

pub(super) const fn only_seen(cookie: CataloguedCookie) -> CataloguedCookie {
    CataloguedCookie { is_deleted_when_seen: false, ..cookie }
}
