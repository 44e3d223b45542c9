//! Presets: what stands in front of the application.

use unstick_core::ConfigError;

use crate::PinCookie;

/// A load balancer in front of the application: a product of the [`catalogue`](crate::catalogue), and the names of its pin cookies where the
/// operator chose them.
///
/// Named cookies are deleted with every response, whether or not the request carries them; those of the catalogue when a request carries
/// them. What is said here also tells the report what to look for. More than one may stand in front.
///
/// ```
/// use unstick_affinity::{AffinityLayer, Balancer, PinCookie};
/// use unstick_core::Scope;
///
/// // `cookie SRV insert preserve` in HAProxy, behind an Azure App Service
/// let _layer = AffinityLayer::new(Scope::Shared, [Balancer::haproxy("SRV")?, Balancer::azure_app_service()])?;
///
/// // a cookie with a path of its own
/// let nginx = Balancer::of("nginx", [PinCookie::new("route")?.path("/shop")?]);
/// let _layer = AffinityLayer::new(Scope::Shared, [nginx])?;
///
/// let odd = AffinityLayer::new(Scope::Shared, [Balancer::of("ngnix", [])]);
/// assert!(odd.is_err());
/// # Ok::<_, unstick_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Balancer {
    pub(crate) product: String,
    pub(crate) cookies: Vec<PinCookie>,
}

/// Presets whose cookie has a name of the operator's choice.
macro_rules! named {
    ($($(#[$docs:meta])* $preset:ident => $product:literal;)*) => {$(
        $(#[$docs])*
        ///
        /// # Errors
        /// When `cookie` cannot be a cookie's name.
        pub fn $preset(cookie: &str) -> Result<Self, ConfigError> {
            Ok(Self::of($product, [PinCookie::new(cookie)?]))
        }
    )*

        #[cfg(test)]
        const NAMED: &[&str] = &[$($product),*];
    };
}

/// Presets whose cookies are known, or that have none.
macro_rules! known {
    ($($(#[$docs:meta])* $preset:ident => $product:literal;)*) => {$(
        $(#[$docs])*
        pub fn $preset() -> Self {
            Self::of($product, [])
        }
    )*

        #[cfg(test)]
        const KNOWN: &[&str] = &[$($product),*];
    };
}

impl Balancer {
    /// A product by its [name](crate::Product::name), and the cookies it was set up with. A name that the catalogue does not have is refused when the
    /// layer is built.
    pub fn of(product: &str, cookies: impl IntoIterator<Item = PinCookie>) -> Self {
        Self { product: product.to_owned(), cookies: cookies.into_iter().collect() }
    }

    named! {
        /// HAProxy with `cookie NAME insert`. It gives way only with the word `preserve`; `indirect` keeps the cookie from the application, which does no harm.
        haproxy => "haproxy";
        /// nginx with `sticky cookie NAME path=/`. With another `path=`, or a `domain=` other than the host, use [`of`](Self::of) and say so with the cookie;
        /// without `path=`, the cookie is for the request's folder, and pins every second request below the root.
        nginx => "nginx";
        /// ingress-nginx with `affinity: cookie` and this `session-cookie-name`. Where its path is not `/`, use [`of`](Self::of).
        ingress_nginx => "ingress-nginx";
        /// Apache's `mod_proxy_balancer` with a cookie such as `ROUTEID` from `Header add Set-Cookie`.
        apache => "apache";
        /// Traefik with a sticky cookie of this name.
        traefik => "traefik";
        /// Envoy with `stateful_session`, also as set up by Istio and other controllers.
        envoy => "envoy";
        /// Caddy with `lb_policy cookie NAME`; its default is `lb`.
        caddy => "caddy";
    }

    known! {
        /// Azure App Service and IIS with Application Request Routing.
        azure_app_service => "azure-app-service";
        /// AWS Application Load Balancer with duration-based stickiness.
        aws_alb => "aws-alb";
        /// Fly.io: cached replays are ended, which needs no cookie.
        fly => "fly";
    }
}

#[cfg(test)]
mod tests {
    use super::Balancer;
    use crate::catalogue;

    #[test]
    fn every_preset_is_a_product_of_the_catalogue() {
        for name in Balancer::NAMED.iter().chain(Balancer::KNOWN) {
            assert!(catalogue::product(name).is_some(), "{name}");
        }
    }

    #[test]
    fn names_that_cannot_be_cookies_are_refused() {
        assert!(Balancer::haproxy("a;b").is_err() && Balancer::caddy("").is_err());
        assert_eq!(Balancer::apache("ROUTEID").unwrap().cookies.len(), 1);
    }
}
