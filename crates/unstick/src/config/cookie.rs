//! Attributes of the session cookie.

use serde::{Deserialize, Deserializer};
use unstick_core::ConfigError;
use unstick_session::cookie::{CookieConfig, SameSite};

use super::value::{FromTextOrTable, Plain, text_or_table};

/// A name, or a table of attributes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    name: Option<String>,
    domain: Option<String>,
    path: Option<String>,
    same_site: Option<Site>,
    partitioned: Option<Plain<bool>>,
    until_browser_closes: Option<Plain<bool>>,
    chunks: Option<Plain<u8>>,
    readable_by_scripts: Option<Plain<bool>>,
    insecure_without_tls: Option<Plain<bool>>,
}

#[derive(Debug, Clone)]
pub(super) struct Cookie(Table);

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Site {
    Strict,
    Lax,
    None,
}

impl FromTextOrTable for Cookie {
    type Table = Table;
    const EXPECTED: &'static str = "the cookie's name, or a table of its attributes";

    fn text(text: &str) -> Result<Self, String> {
        Ok(Self(Table { name: Some(text.to_owned()), ..Table::default() }))
    }

    fn table(table: Table) -> Result<Self, String> {
        Ok(Self(table))
    }
}

impl<'de> Deserialize<'de> for Cookie {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_table(deserializer)
    }
}

fn is_on(flag: Option<Plain<bool>>) -> bool {
    flag.is_some_and(|Plain(on)| on)
}

impl Cookie {
    pub(super) fn config(&self) -> Result<CookieConfig, ConfigError> {
        let Self(table) = self;
        let mut cookie = match &table.name {
            Some(name) => CookieConfig::new(name)?,
            None => CookieConfig::default(),
        };
        if let Some(domain) = &table.domain {
            cookie = cookie.domain(domain);
        }
        if let Some(path) = &table.path {
            cookie = cookie.path(path);
        }
        if let Some(site) = table.same_site {
            cookie = cookie.same_site(match site {
                Site::Strict => SameSite::Strict,
                Site::Lax => SameSite::Lax,
                Site::None => SameSite::None,
            });
        }
        if let Some(Plain(chunks)) = table.chunks {
            cookie = cookie.chunks(chunks);
        }
        if is_on(table.partitioned) {
            cookie = cookie.partitioned();
        }
        if is_on(table.until_browser_closes) {
            cookie = cookie.until_browser_closes();
        }
        if is_on(table.readable_by_scripts) {
            cookie = cookie.readable_by_scripts();
        }
        if is_on(table.insecure_without_tls) {
            cookie = cookie.insecure_without_tls();
        }
        Ok(cookie)
    }
}
