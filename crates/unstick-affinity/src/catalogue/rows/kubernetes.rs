//! Kubernetes itself.

use crate::catalogue::product::{Evidence, Lever, Product};

pub(super) const ROWS: &[Product] = &[
    Product {
        name: "kubernetes-service",
        title: "Kubernetes Service",
        pins_by: "the client's address (sessionAffinity: ClientIP), off by default; the client may well be the ingress",
        based_on: None,
        cookies: &[],
        idioms: &[],
        attributes: "",
        lever: Lever::ConfigurationOnly,
        application: "nothing: it forwards connections and reads no headers. A pin lasts timeoutSeconds, 10800 by default",
        setting: "set sessionAffinity: None in the Service",
        detection: "only by one client reaching one node again and again",
        evidence: Evidence::Documented,
        sources: &["Kubernetes API: ServiceSpec, ClientIPConfig"],
    },
    Product {
        name: "gateway-api",
        title: "Kubernetes Gateway API, sessionPersistence",
        pins_by: "a cookie or header; without cookie.name the implementation names it; experimental",
        based_on: None,
        cookies: &[],
        idioms: &[],
        attributes: "Path=/ by default; lifetimeType Session or Permanent with absoluteTimeout",
        lever: Lever::Expire,
        application: "depends on the implementation; behind Envoy at most two requests in a row reach one node when the cookie is deleted",
        setting: "remove sessionPersistence from the route's rule, or from the XBackendTrafficPolicy",
        detection: "the cookie in the request, if you name it",
        evidence: Evidence::Unverified,
        sources: &["Gateway API: GEP-1619", "gateway-api apis/v1/shared_types.go"],
    },
];
