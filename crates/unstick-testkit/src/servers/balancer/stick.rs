use std::{ffi::OsString, path::Path};

use super::{BalancerSpec, apache, caddy, haproxy, nginx};
use crate::servers::{StartError, program};

/// The cookie of the application's session in the kinds that go by it.
pub const SESSION_COOKIE: &str = "SID";

/// How users are pinned, and so by which product.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stick {
    /// By HAProxy.
    HaProxy(HaProxy),
    /// By nginx.
    Nginx(Nginx),
    /// By Apache's `mod_proxy_balancer`.
    Apache(Apache),
    /// By Caddy.
    Caddy(Caddy),
}

/// How HAProxy pins. Its own cookie is `SRV`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HaProxy {
    /// Not at all.
    RoundRobin,
    /// `cookie SRV insert`
    Insert,
    /// `cookie SRV insert indirect nocache`: the cookie is taken out of requests.
    InsertIndirect,
    /// The same with `preserve`: the application's own line of that name is let through.
    InsertPreserve,
    /// The same with `domain`, which the cookie carries then.
    InsertPreserveDomain(String),
    /// `cookie SID rewrite`: the session's cookie is replaced.
    Rewrite,
    /// `cookie SID prefix`: the node's name is put before the session's cookie.
    Prefix,
    /// A table of the session's cookies that nodes have set.
    StickTable,
    /// `balance source`: by the client's address.
    Source,
}

/// How nginx pins.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nginx {
    /// Not at all.
    RoundRobin,
    /// The cookie `route` with this path, set by Lua while the node is chosen, as ingress-nginx does.
    LuaCookie {
        /// The cookie's `Path`; ingress-nginx takes that of the matched location.
        path: String,
    },
    /// `ip_hash`: by the client's address.
    IpHash,
    /// `hash $cookie_SID consistent`: by the session's cookie.
    HashSession,
}

/// How Apache pins. Its own cookie is `ROUTEID`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Apache {
    /// Not at all.
    RoundRobin,
    /// A cookie by `Header add Set-Cookie`.
    HeaderAdd,
    /// A cookie by `Header set Set-Cookie`, which takes away the application's.
    HeaderSet,
    /// `stickysession=SID`: the application puts a dot and its own name ([`route_of`](super::route_of)) behind its session's id, as servlet containers do.
    SessionSuffix,
}

/// How Caddy pins.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Caddy {
    /// Not at all.
    RoundRobin,
    /// `lb_policy cookie lb`
    Cookie,
    /// `lb_policy ip_hash`
    IpHash,
}

impl From<HaProxy> for Stick {
    fn from(stick: HaProxy) -> Self {
        Self::HaProxy(stick)
    }
}

impl From<Nginx> for Stick {
    fn from(stick: Nginx) -> Self {
        Self::Nginx(stick)
    }
}

impl From<Apache> for Stick {
    fn from(stick: Apache) -> Self {
        Self::Apache(stick)
    }
}

impl From<Caddy> for Stick {
    fn from(stick: Caddy) -> Self {
        Self::Caddy(stick)
    }
}

/// What differs from start to start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) port: u16,
    pub(super) admin_port: u16,
    pub(super) home: &'a Path,
    /// What the balancer itself answers at [`TOKEN_PATH`].
    pub(super) token: &'a str,
}

/// Answered by the balancer and not by a node: tells this balancer, with this configuration, from any other server at its port.
pub(super) const TOKEN_PATH: &str = "/.unstick-balancer";

/// How a running balancer is told to read its configuration again.
#[derive(Debug)]
pub(super) enum Reload {
    Signal(&'static str),
    Command(Vec<OsString>),
}

impl Stick {
    /// The cookie that the balancer sets of its own accord, if it does.
    #[must_use]
    pub fn pin_cookie(&self) -> Option<&'static str> {
        match self {
            Self::HaProxy(HaProxy::Insert | HaProxy::InsertIndirect | HaProxy::InsertPreserve | HaProxy::InsertPreserveDomain(_)) => {
                Some(haproxy::COOKIE)
            }
            Self::Nginx(Nginx::LuaCookie { .. }) => Some(nginx::COOKIE),
            Self::Apache(Apache::HeaderAdd | Apache::HeaderSet) => Some(apache::COOKIE),
            Self::Caddy(Caddy::Cookie) => Some(caddy::COOKIE),
            _ => None,
        }
    }

    pub(super) fn render(&self, spec: &BalancerSpec, place: &Place<'_>) -> String {
        match self {
            Self::HaProxy(stick) => haproxy::render(stick, spec, place),
            Self::Nginx(stick) => nginx::render(stick, spec, place),
            Self::Apache(stick) => apache::render(stick, spec, place),
            Self::Caddy(stick) => caddy::render(stick, spec, place),
        }
    }

    /// The program's name, which is also that of its configuration.
    pub(super) fn program(&self) -> &'static str {
        match self {
            Self::HaProxy(_) => "haproxy",
            Self::Nginx(_) => "nginx",
            Self::Apache(_) => "apache2",
            Self::Caddy(_) => "caddy",
        }
    }

    /// Modules that come with packages of their own.
    pub(super) fn need_modules(&self) -> Result<(), StartError> {
        let modules = match self {
            Self::Nginx(Nginx::LuaCookie { .. }) => &nginx::LUA_MODULES[..],
            Self::Apache(_) => &[apache::LAST_MODULE],
            _ => &[],
        };
        modules.iter().try_for_each(|module| program::need_file(module))
    }

    pub(super) fn args(&self, config: &Path, home: &Path) -> Vec<OsString> {
        match self {
            Self::HaProxy(_) => vec!["-W".into(), "-db".into(), "-f".into(), config.into()],
            Self::Nginx(_) => vec!["-e".into(), "stderr".into(), "-p".into(), home.into(), "-c".into(), config.into()],
            Self::Apache(_) => vec!["-DFOREGROUND".into(), "-d".into(), home.into(), "-f".into(), config.into()],
            Self::Caddy(_) => vec!["run".into(), "--adapter".into(), "caddyfile".into(), "--config".into(), config.into()],
        }
    }

    pub(super) fn reload(&self, config: &Path, admin_port: u16) -> Reload {
        match self {
            Self::HaProxy(_) => Reload::Signal("USR2"),
            Self::Nginx(_) => Reload::Signal("HUP"),
            Self::Apache(_) => Reload::Signal("USR1"),
            Self::Caddy(_) => {
                let address = format!("127.0.0.1:{admin_port}");
                let args: [OsString; 7] = [
                    "reload".into(),
                    "--adapter".into(),
                    "caddyfile".into(),
                    "--address".into(),
                    address.into(),
                    "--config".into(),
                    config.into(),
                ];
                Reload::Command(args.into())
            }
        }
    }
}
