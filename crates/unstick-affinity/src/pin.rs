//! Pin cookies that the operator names.

use unstick_core::ConfigError;

use crate::form::{is_cookie_name, is_host_prefixed};

/// A pin cookie whose name was chosen in the balancer's configuration.
///
/// A browser deletes a cookie only if name, `Domain` and `Path` are those it was set with. By default it is deleted with
/// `Path=/`, both without `Domain` and with the request's host as `Domain`.
///
/// ```
/// use unstick_affinity::{AffinityLayer, PinCookie};
/// use unstick_core::Scope;
///
/// let _layer = AffinityLayer::builder()
///     .sessions(Scope::Shared)
///     .expire(PinCookie::new("SRV")?)
///     .expire(PinCookie::new("ROUTE")?.domain("example.com")?.path("/shop")?)
///     .build()?;
/// assert!(PinCookie::new("a;b").is_err());
/// # Ok::<_, unstick_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct PinCookie {
    pub(crate) name: String,
    pub(crate) domains: Vec<String>,
    pub(crate) paths: Vec<String>,
    pub(crate) is_cross_site: bool,
    pub(crate) is_partitioned: bool,
}

impl PinCookie {
    /// The cookie called `name`.
    ///
    /// # Errors
    /// When `name` cannot be a cookie's name.
    pub fn new(name: &str) -> Result<Self, ConfigError> {
        if !is_cookie_name(name.as_bytes()) {
            return Err(ConfigError::new(format!(
                "`{name}` cannot be a cookie's name: use visible ASCII without `=`, `;`, `,` and quotes"
            )));
        }
        Ok(Self { name: name.to_owned(), domains: Vec::new(), paths: Vec::new(), is_cross_site: false, is_partitioned: false })
    }

    /// Also deletes it with `Domain=domain`: add the one the balancer sets, if it is not the request's host.
    ///
    /// # Errors
    /// When `domain` is no domain name, or the cookie is a `__Host-` one, which has none.
    pub fn domain(mut self, domain: &str) -> Result<Self, ConfigError> {
        let domain = domain.strip_prefix('.').unwrap_or(domain);
        let is_label =
            |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !domain.split('.').all(is_label) {
            return Err(ConfigError::new(format!(
                "`{domain}` is no domain: write it as in the balancer's Set-Cookie, such as `example.com`"
            )));
        }
        if is_host_prefixed(&self.name) {
            return Err(ConfigError::new(format!("`{}` cannot have a Domain: browsers refuse it for names with `__Host-`", self.name)));
        }
        self.domains.push(domain.to_owned());
        Ok(self)
    }

    /// Deletes it with `Path=path` instead of `/`; call again for more paths.
    ///
    /// # Errors
    /// When `path` does not start with `/` or cannot stand in a cookie, or the cookie is a `__Host-` one, whose path is `/`.
    pub fn path(mut self, path: &str) -> Result<Self, ConfigError> {
        if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';') {
            return Err(ConfigError::new(format!("`{path}` is no cookie path: start with `/` and leave out spaces and `;`")));
        }
        if is_host_prefixed(&self.name) && path != "/" {
            return Err(ConfigError::new(format!(
                "`{}` cannot have a Path but `/`: browsers refuse it for names with `__Host-`",
                self.name
            )));
        }
        self.paths.push(path.to_owned());
        Ok(self)
    }

    /// The balancer sets it with `SameSite=None; Secure`; without it, a deletion in a cross-site response is refused.
    pub fn cross_site(mut self) -> Self {
        self.is_cross_site = true;
        self
    }

    /// The balancer sets it with `Partitioned`, which makes it another cookie than one of the same name without.
    pub fn partitioned(mut self) -> Self {
        self.is_partitioned = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::PinCookie;

    #[test]
    fn what_browsers_refuse_is_refused_here() {
        for name in ["", "a b", "a=b", "a;b", "a,b", "a\"", "ä", "a\n"] {
            assert!(PinCookie::new(name).is_err(), "{name:?}");
        }
        let srv = || PinCookie::new("SRV").unwrap();
        for domain in ["", ".", "..", "a b", "a;b", "a:80", "example.com.", "a..b", "..a"] {
            assert!(srv().domain(domain).is_err(), "{domain:?}");
        }
        for path in ["", "x", "/a;b", "/a b"] {
            assert!(srv().path(path).is_err(), "{path:?}");
        }
        let host = || PinCookie::new("__Host-SRV").unwrap();
        assert!(host().domain("example.com").is_err() && host().path("/x").is_err() && host().path("/").is_ok());
    }
}
