use super::product::{CataloguedCookie, Evidence, Form, Lever, NamePattern, Product};

pub(super) static PRODUCTS: [Product; ROWS.len()] = {
    let mut all = [ROWS[0]; ROWS.len()];
    let mut row = 0;
    while row < ROWS.len() {
        all[row] = ROWS[row];
        row += 1;
    }
    all
};

const BLANK: Product = Product {
    name: "",
    title: "",
    pins_by: "",
    cookies: &[],
    idioms: &[],
    attributes: "",
    lever: Lever::ConfigurationOnly,
    application: "",
    setting: "",
    detection: "",
    evidence: Evidence::Unverified,
    sources: &[],
};

const HOST_ONLY: Form = Form { has_domain: false, path: "/", is_partitioned: false };
const DOMAIN: Form = Form { has_domain: true, ..HOST_ONLY };
const PARTITIONED: Form = Form { is_partitioned: true, ..HOST_ONLY };
const PARTITIONED_DOMAIN: Form = Form { is_partitioned: true, ..DOMAIN };

const USUAL: &[Form] = &[HOST_ONLY, DOMAIN];
/// ARR sets its cookies with the request's host as `Domain`.
const ARR: &[Form] = &[DOMAIN, HOST_ONLY];
const ARR_CROSS_SITE: &[Form] = &[DOMAIN, PARTITIONED_DOMAIN, HOST_ONLY, PARTITIONED];

const fn cookie(name: &'static str) -> CataloguedCookie {
    CataloguedCookie { name: NamePattern::Exact(name), is_cross_site: false, is_deleted_when_seen: true, forms: USUAL }
}

const fn cross_site(name: &'static str) -> CataloguedCookie {
    CataloguedCookie { is_cross_site: true, ..cookie(name) }
}

const fn prefixed(prefix: &'static str) -> CataloguedCookie {
    CataloguedCookie { name: NamePattern::Prefix(prefix), ..cookie(prefix) }
}

const fn only_seen(cookie: CataloguedCookie) -> CataloguedCookie {
    CataloguedCookie { is_deleted_when_seen: false, ..cookie }
}

const ROWS: &[Product] = &[
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
        ..BLANK
    },
    Product {
        name: "azure-application-gateway",
        cookies: &[cookie("ApplicationGatewayAffinity"), cross_site("ApplicationGatewayAffinityCORS")],
        lever: Lever::Expire,
        setting: "backend setting CookieBasedAffinity=Disabled; AGIC: appgw.ingress.kubernetes.io/cookie-based-affinity: \"false\"",
        evidence: Evidence::Unverified,
        ..BLANK
    },
    Product {
        name: "azure-gateway-for-containers",
        cookies: &[cookie("AGCAffinity")],
        lever: Lever::Expire,
        setting: "remove sessionAffinity from the RoutePolicy",
        evidence: Evidence::Unverified,
        ..BLANK
    },
    Product {
        name: "azure-front-door",
        cookies: &[cookie("ASLBSA"), cross_site("ASLBSACORS")],
        lever: Lever::Expire,
        setting: "origin group sessionAffinityState=Disabled; cacheable responses get no cookie",
        evidence: Evidence::Unverified,
        ..BLANK
    },
    Product {
        title: "AWS ALB target group",
        name: "aws-alb",
        cookies: &[cookie("AWSALB"), cross_site("AWSALBCORS")],
        lever: Lever::ConfigurationOnly,
        setting: "set stickiness.enabled=false",
        evidence: Evidence::Unverified,
        ..BLANK
    },
    Product {
        name: "aws-alb-application",
        cookies: &[prefixed("AWSALBAPP-")],
        lever: Lever::Expire,
        setting: "target group stickiness.enabled=false, or give the session cookie another name than stickiness.app_cookie.cookie_name",
        evidence: Evidence::Unverified,
        ..BLANK
    },
    Product {
        name: "aws-alb-target-groups",
        cookies: &[only_seen(cookie("AWSALBTG")), only_seen(cross_site("AWSALBTGCORS"))],
        lever: Lever::ConfigurationOnly,
        setting: "listener rule TargetGroupStickinessConfig.Enabled=false; it pins to a target group, which a canary release may want",
        evidence: Evidence::Unverified,
        ..BLANK
    },
    Product {
        name: "aws-classic-elb",
        cookies: &[cookie("AWSELB"), cross_site("AWSELBCORS")],
        lever: Lever::Expire,
        setting: "remove the stickiness policy from the listener",
        evidence: Evidence::Unverified,
        ..BLANK
    },
    Product {
        name: "gcp-load-balancing",
        cookies: &[cookie("GCLB"), cookie("GCILB")],
        lever: Lever::Expire,
        setting: "backend service sessionAffinity=NONE",
        evidence: Evidence::Unverified,
        ..BLANK
    },
    Product {
        name: "gcp-cloud-run",
        cookies: &[cookie("GAESA")],
        lever: Lever::Expire,
        setting: "gcloud run services update --no-session-affinity",
        evidence: Evidence::Unverified,
        ..BLANK
    },
    Product {
        name: "cloudflare",
        cookies: &[cookie("__cflb")],
        lever: Lever::Expire,
        setting: "load balancer session_affinity=none",
        evidence: Evidence::Unverified,
        ..BLANK
    },
    Product {
        name: "haproxy",
        title: "HAProxy",
        idioms: &["SERVERID"],
        lever: Lever::ExpireAlways,
        setting: "remove the `cookie` line",
        ..BLANK
    },
    Product {
        name: "heroku",
        cookies: &[cookie("heroku-session-affinity")],
        lever: Lever::Expire,
        setting: "heroku features:disable http-session-affinity",
        evidence: Evidence::Unverified,
        ..BLANK
    },
    Product {
        name: "digitalocean",
        cookies: &[only_seen(cookie("DO-LB"))],
        lever: Lever::ConfigurationOnly,
        setting: "sticky sessions type none (Kubernetes: do-loadbalancer-sticky-sessions-type); the balancer strips its cookie from requests",
        evidence: Evidence::Documented,
        ..BLANK
    },
    Product {
        name: "oci",
        cookies: &[cookie("X-Oracle-BMC-LBS-Route")],
        lever: Lever::Expire,
        setting: "remove the session persistence configuration from the backend set",
        evidence: Evidence::Unverified,
        ..BLANK
    },
    Product {
        name: "alibaba",
        cookies: &[cookie("SERVERID"), cross_site("SERVERCORSID")],
        lever: Lever::Expire,
        setting: "StickySession off",
        evidence: Evidence::Unverified,
        ..BLANK
    },
    Product {
        name: "f5-big-ip",
        cookies: &[prefixed("BIGipServer")],
        lever: Lever::Expire,
        setting: "remove the cookie persistence profile from the virtual server; with always-send it is the only way",
        evidence: Evidence::Unverified,
        ..BLANK
    },
    // The prefix is shared with NetScaler Gateway's login cookies, so nothing is deleted by it.
    Product {
        name: "netscaler",
        cookies: &[only_seen(prefixed("NSC_"))],
        lever: Lever::ConfigurationOnly,
        setting: "set lb vserver NAME -persistenceType NONE; or name the exact cookie to have it deleted",
        evidence: Evidence::Unverified,
        ..BLANK
    },
    Product {
        name: "ingress-nginx",
        cookies: &[cookie("INGRESSCOOKIE")],
        lever: Lever::Expire,
        setting: "remove the annotation nginx.ingress.kubernetes.io/affinity; its Path is the matched location's: name the cookie with that path",
        evidence: Evidence::Unverified,
        ..BLANK
    },
    Product {
        name: "contour",
        cookies: &[only_seen(cookie("X-Contour-Session-Affinity"))],
        lever: Lever::ConfigurationOnly,
        setting: "loadBalancerPolicy.strategy other than Cookie",
        evidence: Evidence::Documented,
        ..BLANK
    },
];
