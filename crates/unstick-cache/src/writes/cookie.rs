//! The cookies that browsers carry marks in, one slot each.

use std::{borrow::Cow, time::Duration};

use cookie::{Cookie, SameSite, time};
use http::HeaderValue;
use unstick_core::ConfigError;

/// Attributes of the cookies. The prefix of their names follows from the attributes.
///
/// | | name begins with |
/// |---|---|
/// | the default | `__Host-us-w-` |
/// | with a [`domain`](Self::domain) | `__Secure-us-w-` |
/// | [`insecure_without_tls`](Self::insecure_without_tls) | `us-w-` |
///
/// Always `HttpOnly` and `Path=/`; `Secure` and `SameSite=Lax` unless changed; `Max-Age` is what is left of the age limit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct WritesCookie {
    name: Cow<'static, str>,
    domain: Option<String>,
    secure: bool,
    cross_site: bool,
    partitioned: bool,
}

impl Default for WritesCookie {
    fn default() -> Self {
        Self { name: Cow::Borrowed("us-w"), domain: None, secure: true, cross_site: false, partitioned: false }
    }
}

impl WritesCookie {
    /// The default cookie under another name, for two applications on one host.
    ///
    /// # Errors
    /// When the name is not made of 1 to 32 letters, digits, `-` and `_`.
    pub fn new(name: &str) -> Result<Self, ConfigError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > 32 || !name.bytes().all(plain) {
            return Err(ConfigError::new("the name of a cookie of writes has 1 to 32 letters, digits, `-` and `_`; its prefix is added"));
        }
        Ok(Self { name: Cow::Owned(name.to_owned()), ..Self::default() })
    }

    /// Shares the cookies with sub-domains, for an application that is spread over several hosts.
    pub fn domain(mut self, domain: &str) -> Self {
        self.domain = Some(domain.to_owned());
        self
    }

    /// Sends the cookies from other sites, too (`SameSite=None`): for an application that is embedded there. Default off.
    pub fn cross_site(mut self) -> Self {
        self.cross_site = true;
        self
    }

    /// Keeps a jar per embedding site (CHIPS). Default off.
    pub fn partitioned(mut self) -> Self {
        self.partitioned = true;
        self
    }

    /// Lets the cookies travel over plain HTTP. Not needed for tests on localhost: browsers and curl accept `Secure` cookies there.
    pub fn insecure_without_tls(mut self) -> Self {
        self.secure = false;
        self
    }

    pub(super) fn check(self) -> Result<Self, ConfigError> {
        for (is_set, setting) in [(self.cross_site, "cross_site"), (self.partitioned, "partitioned")] {
            if is_set && !self.secure {
                return Err(ConfigError::new(format!(
                    "`{setting}` and `insecure_without_tls`: browsers refuse that without Secure; drop one of them"
                )));
            }
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        if self.domain.as_ref().is_some_and(|domain| domain.is_empty() || domain.len() > 253 || !domain.bytes().all(fits)) {
            return Err(ConfigError::new("`domain` must be a host name"));
        }
        Ok(self)
    }

    /// What the names of all our cookies begin with.
    pub(super) fn prefix(&self) -> String {
        let prefix = match (self.secure, &self.domain) {
            (true, None) => "__Host-",
            (true, Some(_)) => "__Secure-",
            (false, _) => "",
        };
        format!("{prefix}{}-", self.name)
    }

    /// The line that sets a cookie, or takes it away when there is no text. Both have the same attributes.
    pub(super) fn line(&self, name: String, text: Option<(String, Duration)>) -> Option<HeaderValue> {
        let (value, seconds) = text.map_or_else(Default::default, |(text, life)| (text, whole_seconds(life)));
        let mut cookie = Cookie::new(name, value);
        cookie.set_path("/");
        cookie.set_http_only(true);
        cookie.set_secure(self.secure);
        cookie.set_same_site(if self.cross_site { SameSite::None } else { SameSite::Lax });
        cookie.set_max_age(time::Duration::seconds(seconds));
        if let Some(domain) = &self.domain {
            cookie.set_domain(domain.clone());
        }
        if self.partitioned {
            cookie.set_partitioned(true);
        }
        HeaderValue::try_from(cookie.to_string()).ok()
    }
}

/// Rounded up: a mark must not end before its time.
pub(super) fn whole_seconds(life: Duration) -> i64 {
    i64::try_from(life.as_millis().div_ceil(1000)).unwrap_or(i64::MAX)
}
