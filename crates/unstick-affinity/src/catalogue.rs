//! Load balancer products that pin by a cookie of a known name: how to tell them, what an application can do, which setting ends it.
//!
//! Products whose cookie has a name of the operator's choosing (HAProxy, nginx, Apache, Traefik, Envoy, Kong) are not here: name
//! the cookie with [`AffinityLayerBuilder::expire`](crate::AffinityLayerBuilder::expire). Nor are names so common that an application
//! may well use them itself, such as Caddy's `lb`.
//!
//! ```
//! use unstick_affinity::{Lever, catalogue};
//!
//! let product = catalogue::product_of(b"AWSALBAPP-0").expect("the catalogue knows the cookie");
//! assert_eq!(product.name, "aws-alb-application");
//! assert!(product.setting.contains("stickiness.enabled=false"));
//! assert!(catalogue::product_of(b"AWSALBX").is_none());
//! assert!(catalogue::products().iter().all(|product| !product.cookies.is_empty()));
//! ```

/// What an application can do about a product's pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lever {
    /// A response header keeps the balancer from pinning, and its cookie can be deleted.
    PreventAndExpire,
    /// The cookie can be deleted. Where the balancer sets a new one in the same response, after the application's lines, the user stays
    /// pinned or is pinned again every second request.
    Expire,
    /// The pin can only be reported.
    DetectOnly,
}

/// How well the row is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence {
    /// Seen with the product.
    Tested,
    /// Described by the vendor.
    Documented,
    /// Names are documented or commonly known; that deleting the cookie ends the pin is plausible and not shown.
    Unverified,
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
    fn matches(self, name: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => exact.as_bytes() == name,
            Self::Prefix(prefix) => name.len() > prefix.len() && name.starts_with(prefix.as_bytes()),
        }
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

/// One cookie of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CataloguedCookie {
    /// Its name.
    pub name: NamePattern,
    /// Set with `SameSite=None; Secure`, so that it works across sites.
    pub is_cross_site: bool,
    /// What to delete it with, the likeliest first.
    pub forms: &'static [Form],
}

/// A load balancer product. See the [module docs](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Product {
    /// A stable lowercase name, the detail of events and usable as a metric label.
    pub name: &'static str,
    /// Its cookies.
    pub cookies: &'static [CataloguedCookie],
    /// What an application can do.
    pub lever: Lever,
    /// How to end pinning in the balancer, and what to know.
    pub setting: &'static str,
    /// How well this is known.
    pub evidence: Evidence,
}

const HOST_ONLY: Form = Form { has_domain: false, path: "/", is_partitioned: false };
const DOMAIN: Form = Form { has_domain: true, ..HOST_ONLY };
const PARTITIONED: Form = Form { is_partitioned: true, ..HOST_ONLY };
const PARTITIONED_DOMAIN: Form = Form { is_partitioned: true, ..DOMAIN };

const USUAL: &[Form] = &[HOST_ONLY, DOMAIN];
/// ARR sets its cookies with the request's host as `Domain`.
const ARR: &[Form] = &[DOMAIN, HOST_ONLY];
const ARR_CROSS_SITE: &[Form] = &[DOMAIN, PARTITIONED_DOMAIN, HOST_ONLY, PARTITIONED];

const fn cookie(name: &'static str) -> CataloguedCookie {
    CataloguedCookie { name: NamePattern::Exact(name), is_cross_site: false, forms: USUAL }
}

const fn cross_site(name: &'static str) -> CataloguedCookie {
    CataloguedCookie { is_cross_site: true, ..cookie(name) }
}

const fn prefixed(prefix: &'static str) -> CataloguedCookie {
    CataloguedCookie { name: NamePattern::Prefix(prefix), ..cookie(prefix) }
}

static PRODUCTS: &[Product] = &[
    Product {
        name: "azure-app-service",
        cookies: &[
            CataloguedCookie { forms: ARR, ..cookie("ARRAffinity") },
            CataloguedCookie { forms: ARR_CROSS_SITE, ..cross_site("ARRAffinitySameSite") },
            CataloguedCookie { forms: ARR, ..cookie("WAWebSiteID") },
        ],
        lever: Lever::PreventAndExpire,
        setting: "clientAffinityEnabled=false (portal: ARR affinity off); on Optimizely DXP leave it on, its warm-up needs it",
        evidence: Evidence::Documented,
    },
    Product {
        name: "azure-application-gateway",
        cookies: &[cookie("ApplicationGatewayAffinity"), cross_site("ApplicationGatewayAffinityCORS")],
        lever: Lever::Expire,
        setting: "backend setting CookieBasedAffinity=Disabled; AGIC: appgw.ingress.kubernetes.io/cookie-based-affinity: \"false\"",
        evidence: Evidence::Unverified,
    },
    Product {
        name: "azure-gateway-for-containers",
        cookies: &[cookie("AGCAffinity")],
        lever: Lever::Expire,
        setting: "remove sessionAffinity from the RoutePolicy",
        evidence: Evidence::Unverified,
    },
    Product {
        name: "azure-front-door",
        cookies: &[cookie("ASLBSA"), cross_site("ASLBSACORS")],
        lever: Lever::Expire,
        setting: "origin group sessionAffinityState=Disabled; cacheable responses get no cookie",
        evidence: Evidence::Unverified,
    },
    Product {
        name: "aws-alb",
        cookies: &[cookie("AWSALB"), cross_site("AWSALBCORS")],
        lever: Lever::Expire,
        setting: "target group stickiness.enabled=false; the balancer sets its cookie again with every response, so expect this to be the only way",
        evidence: Evidence::Unverified,
    },
    Product {
        name: "aws-alb-application",
        cookies: &[prefixed("AWSALBAPP-")],
        lever: Lever::Expire,
        setting: "target group stickiness.enabled=false, or give the session cookie another name than stickiness.app_cookie.cookie_name",
        evidence: Evidence::Unverified,
    },
    Product {
        name: "aws-alb-target-groups",
        cookies: &[cookie("AWSALBTG"), cross_site("AWSALBTGCORS")],
        lever: Lever::DetectOnly,
        setting: "listener rule TargetGroupStickinessConfig.Enabled=false; it pins to a target group, which a canary release may want",
        evidence: Evidence::Unverified,
    },
    Product {
        name: "aws-classic-elb",
        cookies: &[cookie("AWSELB"), cross_site("AWSELBCORS")],
        lever: Lever::Expire,
        setting: "remove the stickiness policy from the listener",
        evidence: Evidence::Unverified,
    },
    Product {
        name: "gcp-load-balancing",
        cookies: &[cookie("GCLB"), cookie("GCILB")],
        lever: Lever::Expire,
        setting: "backend service sessionAffinity=NONE",
        evidence: Evidence::Unverified,
    },
    Product {
        name: "gcp-cloud-run",
        cookies: &[cookie("GAESA")],
        lever: Lever::Expire,
        setting: "gcloud run services update --no-session-affinity",
        evidence: Evidence::Unverified,
    },
    Product {
        name: "cloudflare",
        cookies: &[cookie("__cflb")],
        lever: Lever::Expire,
        setting: "load balancer session_affinity=none",
        evidence: Evidence::Unverified,
    },
    Product {
        name: "heroku",
        cookies: &[cookie("heroku-session-affinity")],
        lever: Lever::Expire,
        setting: "heroku features:disable http-session-affinity",
        evidence: Evidence::Unverified,
    },
    Product {
        name: "digitalocean",
        cookies: &[cookie("DO-LB")],
        lever: Lever::DetectOnly,
        setting: "sticky sessions type none (Kubernetes: do-loadbalancer-sticky-sessions-type); the balancer strips its cookie from requests",
        evidence: Evidence::Documented,
    },
    Product {
        name: "oci",
        cookies: &[cookie("X-Oracle-BMC-LBS-Route")],
        lever: Lever::Expire,
        setting: "remove the session persistence configuration from the backend set",
        evidence: Evidence::Unverified,
    },
    Product {
        name: "alibaba",
        cookies: &[cookie("SERVERID"), cross_site("SERVERCORSID")],
        lever: Lever::Expire,
        setting: "StickySession off",
        evidence: Evidence::Unverified,
    },
    Product {
        name: "f5-big-ip",
        cookies: &[prefixed("BIGipServer")],
        lever: Lever::Expire,
        setting: "remove the cookie persistence profile from the virtual server; with always-send it is the only way",
        evidence: Evidence::Unverified,
    },
    // The prefix is shared with NetScaler Gateway's login cookies, so nothing is deleted by it.
    Product {
        name: "netscaler",
        cookies: &[prefixed("NSC_")],
        lever: Lever::DetectOnly,
        setting: "set lb vserver NAME -persistenceType NONE; or name the exact cookie to have it deleted",
        evidence: Evidence::Unverified,
    },
    Product {
        name: "ingress-nginx",
        cookies: &[cookie("INGRESSCOOKIE")],
        lever: Lever::Expire,
        setting: "remove the annotation nginx.ingress.kubernetes.io/affinity; its Path is the matched location's: name the cookie with that path",
        evidence: Evidence::Unverified,
    },
    Product {
        name: "contour",
        cookies: &[cookie("X-Contour-Session-Affinity")],
        lever: Lever::DetectOnly,
        setting: "loadBalancerPolicy.strategy other than Cookie",
        evidence: Evidence::Documented,
    },
];

/// Every product.
#[must_use]
pub fn products() -> &'static [Product] {
    PRODUCTS
}

/// The product that a cookie's name belongs to.
#[must_use]
pub fn product_of(name: &[u8]) -> Option<&'static Product> {
    find(name).map(|(product, _)| product)
}

pub(crate) fn find(name: &[u8]) -> Option<(&'static Product, &'static CataloguedCookie)> {
    let all = PRODUCTS.iter().flat_map(|product| product.cookies.iter().map(move |cookie| (product, cookie)));
    all.into_iter().find(|(_, cookie)| cookie.name.matches(name))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{NamePattern, PRODUCTS, find};
    use crate::decide::is_cookie_name;

    #[test]
    fn rows_are_whole_and_no_cookie_belongs_to_two() {
        let names: HashSet<_> = PRODUCTS.iter().map(|product| product.name).collect();
        assert_eq!(names.len(), PRODUCTS.len());
        for product in PRODUCTS {
            assert!(
                !product.setting.is_empty()
                    && product.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            );
            for cookie in product.cookies {
                let (NamePattern::Exact(text) | NamePattern::Prefix(text)) = cookie.name;
                let sample = if matches!(cookie.name, NamePattern::Prefix(_)) { format!("{text}x") } else { text.to_owned() };
                assert!(is_cookie_name(sample.as_bytes()) && !cookie.forms.is_empty());
                assert_eq!(find(sample.as_bytes()).map(|(product, cookie)| (product.name, cookie.name)), Some((product.name, cookie.name)));
            }
        }
    }

    #[test]
    fn names_match_exactly_and_with_their_case() {
        for name in ["", "ARRAffinit", "ARRAffinityX", "arraffinity", "BIGipServer", "lb", "route", "JSESSIONID"] {
            assert!(find(name.as_bytes()).is_none(), "{name}");
        }
        assert!(find(b"BIGipServer~Common~pool").is_some());
    }
}
