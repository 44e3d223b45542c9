//! What is known about one product.

use std::fmt;

/// What an application can do about a product's pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lever {
    /// A response header keeps the balancer from pinning, and its cookie can be deleted.
    PreventAndExpire,
    /// Deleting the cookie *with every response* ends the pin: the balancer's own line comes before the application's, or gives way to it.
    /// The operator must name the cookie, as it need not be visible to the application.
    ExpireAlways,
    /// The cookie can be deleted when a request carries it. Where the balancer sets a new one in the same response, after the
    /// application's lines, the user is pinned again every second request, or stays pinned.
    Expire,
    /// The application can hand the request at hand to another node.
    Redispatch,
    /// The pin hangs on a cookie that the application sets itself, mostly the session's, and ends when that gets a name the balancer does
    /// not watch.
    RenameSessionCookie,
    /// No response of the application is known to end it; only the balancer's configuration does.
    ConfigurationOnly,
}

impl Lever {
    /// A stable lowercase word, for reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreventAndExpire => "prevent-and-expire",
            Self::ExpireAlways => "expire-always",
            Self::Expire => "expire",
            Self::Redispatch => "redispatch",
            Self::RenameSessionCookie => "rename-session-cookie",
            Self::ConfigurationOnly => "configuration-only",
        }
    }

    /// What an application can do, as the end of a sentence.
    const fn clause(self) -> &'static str {
        match self {
            Self::PreventAndExpire => "the application can prevent this pin and delete its cookies",
            Self::ExpireAlways => "the application can end this pin by deleting the cookie, whose name you give it, with every response",
            Self::Expire => "the application can delete the cookie when it sees it, and the same response may pin again",
            Self::Redispatch => "the application can send a request on to another node",
            Self::RenameSessionCookie => "the application can end this pin only by giving the cookie that it sets itself another name",
            Self::ConfigurationOnly => "the application can't end this pin",
        }
    }
}

/// How well the row is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Evidence {
    /// Seen with the product.
    Tested,
    /// Described by the vendor.
    Documented,
    /// Some of it is documented or commonly known; that the lever works is plausible, or was seen with an emulation and not with the
    /// product.
    Unverified,
}

impl Evidence {
    /// A stable lowercase word, for reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tested => "tested",
            Self::Documented => "documented",
            Self::Unverified => "unverified",
        }
    }
}

/// How a cookie's name is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NamePattern {
    /// This name.
    Exact(&'static str),
    /// This, followed by anything.
    Prefix(&'static str),
}

impl NamePattern {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Exact(text) | Self::Prefix(text) => text,
        }
    }
}

/// `AWSALB`, or `AWSALBAPP-*` for a prefix.
impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())?;
        f.write_str(if matches!(self, Self::Prefix(_)) { "*" } else { "" })
    }
}

/// One combination of attributes that the balancer may have set a cookie with; a deletion must repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Form {
    /// With `Domain` and the request's host, rather than without `Domain`.
    pub has_domain: bool,
    /// The `Path`.
    pub path: &'static str,
    /// With `Partitioned`.
    pub is_partitioned: bool,
}

/// One cookie of a product, by a name that no application uses for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CataloguedCookie {
    /// Its name.
    pub name: NamePattern,
    /// Set with `SameSite=None; Secure`, so that it works across sites.
    pub is_cross_site: bool,
    /// Whether the layer deletes it when a request carries it. `false` where that is known to change nothing, or where the name may belong
    /// to something that must live; it is reported then, and deleted only if the operator names it.
    pub is_deleted_when_seen: bool,
    /// What to delete it with, the likeliest first.
    pub forms: &'static [Form],
}

/// A load balancer product, in one of its ways of pinning. See the [module docs](super).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Product {
    /// A stable lowercase name, the detail of events and usable as a metric label.
    pub name: &'static str,
    /// What people call it, as in "AWS ALB target group".
    pub title: &'static str,
    /// How it pins, and whether it does so by default.
    pub pins_by: &'static str,
    /// The [`name`](Self::name) of the row it is made of, under which its cookies are reported. None for most.
    pub based_on: Option<&'static str>,
    /// Its cookies of known names. Empty where the operator chooses the name, or there is no cookie.
    pub cookies: &'static [CataloguedCookie],
    /// Names that operators usually choose, or defaults that other software uses as well. Nothing is done on seeing one of these: the
    /// operator must name it. Never the name of a session cookie.
    pub idioms: &'static [&'static str],
    /// The attributes it sets its cookies with, as far as known. Empty where there is no cookie.
    pub attributes: &'static str,
    /// What kind of thing an application can do.
    pub lever: Lever,
    /// What an application can do, and whether it works.
    pub application: &'static str,
    /// What to do in the balancer's configuration to end pinning, as a clause that begins with a verb.
    pub setting: &'static str,
    /// How a pin is noticed.
    pub detection: &'static str,
    /// How well this is known.
    pub evidence: Evidence,
    /// Titles of what the row rests on.
    pub sources: &'static [&'static str],
}

impl Product {
    /// The operator's sentence, without a full stop: product, setting, and what the application can do.
    ///
    /// ```
    /// let alb = unstick_affinity::catalogue::product("aws-alb").expect("a product of the catalogue");
    /// assert_eq!(
    ///     alb.advice(),
    ///     "AWS ALB target group: set stickiness.enabled=false; the application can't end this pin",
    /// );
    /// ```
    #[must_use]
    pub fn advice(&self) -> String {
        format!("{}: {}; {}", self.title, self.setting, self.lever.clause())
    }
}
