//! The `Set-Cookie` line.

use std::{borrow::Cow, time::Duration};

use cookie::{Cookie, SameSite as CrateSameSite, time};
use http::HeaderValue;

use super::{CookieConfig, SameSite};

impl CookieConfig {
    fn base(&self, name: Cow<'static, str>, value: &str) -> Cookie<'static> {
        let mut cookie = Cookie::new(name, value.to_owned());
        cookie.set_path(self.path.clone().into_owned());
        if let Some(domain) = &self.domain {
            cookie.set_domain(domain.clone());
        }
        cookie.set_secure(self.secure);
        cookie.set_http_only(self.http_only);
        cookie.set_same_site(match self.same_site {
            SameSite::Strict => CrateSameSite::Strict,
            SameSite::Lax => CrateSameSite::Lax,
            SameSite::None => CrateSameSite::None,
        });
        if self.partitioned {
            cookie.set_partitioned(true);
        }
        cookie
    }

    /// The line that gives the client `value`; `None` if it cannot be a header value, which sealed credentials always can.
    pub(crate) fn line(&self, value: &str, max_age: Duration) -> Option<HeaderValue> {
        self.line_called(self.name.clone(), value, max_age)
    }

    pub(crate) fn line_called(&self, name: Cow<'static, str>, value: &str, max_age: Duration) -> Option<HeaderValue> {
        let mut cookie = self.base(name, value);
        if self.persistent {
            cookie.set_max_age(time::Duration::seconds(i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX)));
        }
        HeaderValue::try_from(cookie.to_string()).ok()
    }

    /// The line that takes the cookie away again: the same attributes, an empty value, and a date in the past.
    pub(crate) fn removal(&self) -> Option<HeaderValue> {
        self.removal_called(self.name.clone())
    }

    pub(crate) fn removal_called(&self, name: Cow<'static, str>) -> Option<HeaderValue> {
        let mut cookie = self.base(name, "");
        cookie.set_max_age(time::Duration::ZERO);
        cookie.set_expires(time::OffsetDateTime::UNIX_EPOCH);
        HeaderValue::try_from(cookie.to_string()).ok()
    }
}
