//! Attributes of the session cookie, and the combinations that browsers refuse.

use std::borrow::Cow;

use unstick_core::ConfigError;

/// When browsers send the cookie on cross-site requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SameSite {
    /// Only on same-site requests; a login that returns from another site arrives without its session.
    Strict,
    /// Also on top-level navigations. The default.
    Lax,
    /// Always; needs `Secure`.
    None,
}

/// Attributes of the session cookie. See the [module docs](super).
///
/// Defaults: name `__Host-id`, `Secure`, `HttpOnly`, `SameSite=Lax`, `Path=/`, no `Domain`, `Max-Age` until the idle deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct CookieConfig {
    pub(super) name: Cow<'static, str>,
    pub(super) domain: Option<String>,
    pub(super) path: Cow<'static, str>,
    pub(super) secure: bool,
    pub(super) http_only: bool,
    pub(super) same_site: SameSite,
    pub(super) partitioned: bool,
    pub(super) persistent: bool,
    pub(super) chunks: u8,
}

impl Default for CookieConfig {
    fn default() -> Self {
        Self {
            name: Cow::Borrowed("__Host-id"),
            domain: None,
            path: Cow::Borrowed("/"),
            secure: true,
            http_only: true,
            same_site: SameSite::Lax,
            partitioned: false,
            persistent: true,
            chunks: 1,
        }
    }
}

impl CookieConfig {
    /// The default cookie under another name.
    ///
    /// Change the name when a load balancer learns its stickiness from the session cookie: a name it doesn't know ends that.
    ///
    /// # Errors
    /// When the name is empty, longer than 64 bytes, or not a token (RFC 6265 section 4.1.1).
    pub fn new(name: &str) -> Result<Self, ConfigError> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(token) {
            return Err(ConfigError::new(format!(
                "`{}` cannot be a cookie name; use letters, digits, `-` and `_`, at most 64",
                name.escape_default()
            )));
        }
        Ok(Self { name: Cow::Owned(name.to_owned()), ..Self::default() })
    }

    /// Shares the cookie with sub-domains. Needs a name without the `__Host-` prefix.
    pub fn domain(mut self, domain: &str) -> Self {
        self.domain = Some(domain.to_owned());
        self
    }

    /// Limits the cookie to a path. Default `/`. Not a security boundary.
    pub fn path(mut self, path: &str) -> Self {
        self.path = Cow::Owned(path.to_owned());
        self
    }

    /// Default [`SameSite::Lax`].
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Keeps a jar per embedding site (CHIPS). Default off.
    pub fn partitioned(mut self) -> Self {
        self.partitioned = true;
        self
    }

    /// Leaves `Max-Age` out: the browser forgets the cookie when it closes. Default off.
    pub fn until_browser_closes(mut self) -> Self {
        self.persistent = false;
        self
    }

    /// Lets scripts read the cookie. A script injected into a page can then steal sessions.
    pub fn readable_by_scripts(mut self) -> Self {
        self.http_only = false;
        self
    }

    /// Lets the cookie travel over plain HTTP, where anybody on the way can copy it. Needs a name without `__Host-` or `__Secure-`.
    ///
    /// Not needed for tests on localhost: browsers and curl accept `Secure` cookies there.
    pub fn insecure_without_tls(mut self) -> Self {
        self.secure = false;
        self
    }

    /// Lets a session that travels whole in the cookie take up to so many cookies, 2 to 4, called `name`, `name.1` and so
    /// on. Default 1: such a session has the room of one cookie. Needs a header budget, and proxies' buffers, of that size: also
    /// those for requests, where browsers send all pieces in one line (nginx's `large_client_header_buffers` takes 8 KB, which two
    /// cookies fill). A client whose request is refused there for its size stays locked out until its cookies expire.
    ///
    /// A response sets, or takes away, up to 4 cookies then instead of one. Requests that are under way while the session grows
    /// or shrinks may carry pieces of two states: those are refused as forged, never half read. So is a session among whose
    /// pieces another host of the domain has put one of its own, which a name that begins with `__Host-` rules out.
    ///
    /// Going back to 1 loses the sessions that are divided by then; their pieces stay with the clients until they expire.
    pub fn chunks(mut self, chunks: u8) -> Self {
        self.chunks = chunks;
        self
    }

    /// The cookie's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of the line's parts that are the application's choice.
    pub(crate) fn variable_len(&self) -> usize {
        self.name.len() + self.path.len() + self.domain.as_ref().map_or(0, String::len)
    }

    /// Refuses combinations that browsers refuse (RFC 6265bis sections 4.1.3 and 5.7).
    ///
    /// # Errors
    /// A sentence naming both settings.
    pub fn check(self) -> Result<Self, ConfigError> {
        let lower = self.name.to_ascii_lowercase();
        let host = lower.starts_with("__host-");
        let refuse = |sentence: String| Err(ConfigError::new(sentence));
        let name = &self.name;
        if host && self.domain.is_some() {
            return refuse(format!(
                "cookie name `{name}` and `domain`: browsers refuse a `__Host-` cookie with a Domain; rename the cookie or drop `domain`"
            ));
        }
        if host && self.path != "/" {
            return refuse(format!(
                "cookie name `{name}` and `path`: browsers refuse a `__Host-` cookie with a Path other than /; rename the cookie or drop `path`"
            ));
        }
        if (host || lower.starts_with("__secure-") || lower.starts_with("__http-")) && !self.secure {
            return refuse(format!(
                "cookie name `{name}` and `insecure_without_tls`: browsers refuse this prefix without Secure; rename the cookie"
            ));
        }
        if (lower.starts_with("__http-") || lower.starts_with("__host-http-")) && !self.http_only {
            return refuse(format!(
                "cookie name `{name}` and `readable_by_scripts`: browsers refuse this prefix without HttpOnly; rename the cookie"
            ));
        }
        if self.same_site == SameSite::None && !self.secure {
            return refuse(
                "`same_site(None)` and `insecure_without_tls`: browsers refuse SameSite=None without Secure; drop one of them".to_owned(),
            );
        }
        if self.partitioned && !self.secure {
            return refuse(
                "`partitioned` and `insecure_without_tls`: browsers refuse Partitioned without Secure; drop one of them".to_owned(),
            );
        }
        if !(1..=super::MAX_CHUNKS).contains(&self.chunks) {
            return refuse(format!("`chunks` is {}; a session may take 1 to {} cookies", self.chunks, super::MAX_CHUNKS));
        }
        if !self.path.starts_with('/') || self.path.bytes().any(|byte| byte == b';' || byte.is_ascii_control() || !byte.is_ascii()) {
            return refuse("`path` must start with `/` and hold neither `;` nor control characters".to_owned());
        }
        if let Some(domain) = &self.domain {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
            if domain.is_empty() || !domain.bytes().all(fits) {
                return refuse("`domain` must be a host name".to_owned());
            }
        }
        for (attribute, value) in [("path", Some(&*self.path)), ("domain", self.domain.as_deref())] {
            if value.is_some_and(|value| value.len() > 1024) {
                return refuse(format!("`{attribute}` is longer than the 1024 bytes of an attribute that browsers read"));
            }
        }
        Ok(self)
    }
}
