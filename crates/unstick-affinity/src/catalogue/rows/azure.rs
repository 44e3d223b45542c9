//! Microsoft Azure, IIS, and what is built on them.

use super::{DOMAIN, HOST_ONLY, PARTITIONED, PARTITIONED_DOMAIN, cookie, cross_site};
use crate::catalogue::product::{CataloguedCookie, Evidence, Form, Lever, Product};

/// ARR sets its cookies with the request's host as `Domain`.
const ARR: &[Form] = &[DOMAIN, HOST_ONLY];
/// `clientAffinityPartitioningEnabled` partitions the twin.
const ARR_CROSS_SITE: &[Form] = &[DOMAIN, PARTITIONED_DOMAIN, HOST_ONLY, PARTITIONED];

pub(super) const ROWS: &[Product] = &[
    Product {
        name: "azure-app-service",
        title: "Azure App Service (ARR affinity)",
        pins_by: "its own cookie, on by default",
        based_on: None,
        cookies: &[
            CataloguedCookie { forms: ARR, ..cookie("ARRAffinity") },
            CataloguedCookie { forms: ARR_CROSS_SITE, ..cross_site("ARRAffinitySameSite") },
            CataloguedCookie { forms: ARR, ..cookie("WAWebSiteID") },
        ],
        idioms: &[],
        attributes: "Domain is the request's host; Path=/; HttpOnly; for the session; the SameSite twin has SameSite=None; Secure",
        lever: Lever::PreventAndExpire,
        application: "the response header `Arr-Disable-Session-Affinity: true` keeps ARR 3.0 and later from setting the cookie; one that \
                      is there is honoured until it is deleted, with Domain. Against an emulation new clients spread evenly by the header \
                      alone",
        setting: "set clientAffinityEnabled=false (portal: ARR affinity off), except on Optimizely DXP, whose warm-up needs it",
        detection: "its cookies in the request; in the process, the environment variable WEBSITE_INSTANCE_ID",
        evidence: Evidence::Documented,
        sources: &[
            "Azure App Service team blog, 2016-05-16",
            "Azure App Service announcements, #12",
            "ISiteProperties.ClientAffinityEnabled",
            "Bicep module avm/res/web/site, changelog 0.22",
        ],
    },
    Product {
        name: "optimizely-dxp",
        title: "Optimizely DXP",
        pins_by: "Azure App Service's cookies, behind Cloudflare; on by default",
        based_on: Some("azure-app-service"),
        cookies: &[],
        idioms: &[],
        attributes: "as Azure App Service",
        lever: Lever::PreventAndExpire,
        application: "as for Azure App Service; the vendor's staff advise the response header. Leave warm-up requests pinned",
        setting: "leave clientAffinityEnabled as it is, because its warm-up relies on the cookies",
        detection: "Azure App Service's cookies in the request",
        evidence: Evidence::Documented,
        sources: &["stefanolsen.com: Disable sticky sessions in Optimizely DXP"],
    },
    Product {
        name: "azure-application-gateway",
        title: "Azure Application Gateway",
        pins_by: "its own cookie, off by default",
        based_on: None,
        cookies: &[cookie("ApplicationGatewayAffinity"), cross_site("ApplicationGatewayAffinityCORS")],
        idioms: &[],
        attributes: "no Secure, no HttpOnly; the CORS twin has SameSite=None; Secure; a name X of the operator's gives X and XCORS",
        lever: Lever::Expire,
        application: "nothing is documented; deleting the cookie when seen is not verified, as the order of the lines is not known. Name \
                      a cookie of the operator's choosing, and its CORS twin",
        setting: "set CookieBasedAffinity=Disabled in the backend setting (AGIC: appgw.ingress.kubernetes.io/cookie-based-affinity: \
                  \"false\")",
        detection: "its cookies in the request",
        evidence: Evidence::Unverified,
        sources: &["Azure documentation: configuration-http-settings"],
    },
    Product {
        name: "azure-gateway-for-containers",
        title: "Azure Application Gateway for Containers",
        pins_by: "a cookie of its own or of the operator's naming, off by default",
        based_on: None,
        cookies: &[cookie("AGCAffinity")],
        idioms: &[],
        attributes: "the managed cookie lives 86400 s",
        lever: Lever::Expire,
        application: "nothing is documented; deleting the cookie when seen is not verified",
        setting: "remove sessionAffinity (affinityType) from the RoutePolicy",
        detection: "its cookie in the request",
        evidence: Evidence::Unverified,
        sources: &["Azure documentation: Application Gateway for Containers, session affinity"],
    },
    Product {
        name: "azure-front-door",
        title: "Azure Front Door",
        pins_by: "its own cookie, a SHA-256 of the origin, off by default",
        based_on: None,
        cookies: &[cookie("ASLBSA"), cross_site("ASLBSACORS")],
        idioms: &[],
        attributes: "for the session, at domain level",
        lever: Lever::Expire,
        application: "a cacheable response does not get the cookie, which prevents a pin and ends none; deleting the cookie when seen is \
                      not verified. It is often taken for App Service's",
        setting: "set sessionAffinityState=Disabled in the origin group",
        detection: "its cookies in the request",
        evidence: Evidence::Unverified,
        sources: &["Azure documentation: frontdoor/routing-methods", "azure-docs issue 60794", "AFDOriginGroup.sessionAffinityState"],
    },
];
