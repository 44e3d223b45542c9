//! Load balancer products: how they pin, how to tell, what an application can do, which setting ends it.
//!
//! A product that pins in several ways has a row for each. [`Product::cookies`] are names that only this product uses: the layer acts on
//! them when it sees them. Where the operator chooses the name (HAProxy, nginx, Apache, Traefik, Envoy, Kong), or the product's default
//! is so common that an application may well use it itself (Caddy's `lb`), the name must be given with
//! [`AffinityLayerBuilder::expire`](crate::AffinityLayerBuilder::expire); [`Product::idioms`] has the usual ones.
//!
//! ```
//! use unstick_affinity::{Lever, catalogue};
//!
//! let product = catalogue::product_of(b"AWSALBAPP-0").expect("the catalogue knows the cookie");
//! assert_eq!(product.name, "aws-alb-application");
//! assert!(product.setting.contains("stickiness.enabled=false"));
//! assert!(catalogue::product_of(b"AWSALBX").is_none());
//!
//! let haproxy = catalogue::product("haproxy").expect("a product of the catalogue");
//! assert_eq!(haproxy.lever, Lever::ExpireAlways);
//! assert!(catalogue::suspects("SERVERID").any(|product| product == haproxy));
//! ```

mod find;
mod page;
mod product;
mod rows;

pub(crate) use self::find::{find, lengths};
pub use self::{
    find::{product, product_of, products, suspects},
    page::page,
    product::{CataloguedCookie, Evidence, Form, Lever, NamePattern, Product},
};

#[cfg(test)]
mod tests;
