//! Apache httpd's `mod_proxy_balancer`.

use crate::catalogue::product::{Evidence, Lever, Product};

const SOURCES: &[&str] = &["Apache httpd 2.4.71", "mod_proxy_balancer manual"];

pub(super) const ROWS: &[Product] = &[
    Product {
        name: "apache",
        title: "Apache httpd, `stickysession` with a route cookie",
        pins_by: "a cookie that `Header add Set-Cookie` sets; its value ends in the route",
        based_on: None,
        cookies: &[],
        idioms: &["ROUTEID", "BALANCEID"],
        attributes: "what the operator writes, such as `ROUTEID=.a; Path=/`",
        lever: Lever::Expire,
        application: "Apache sets the cookie after the application's lines and only when the request has none, so it can be deleted and \
                      is set again: at most two requests in a row reach one node, evenly (with `byrequests` a lone client may use only \
                      some of the nodes)",
        setting: "remove `stickysession=…` from the balancer and the `Header` line that sets the cookie; `nofailover=On` makes a drain \
                  worse",
        detection: "the cookie in the request, if you name it",
        evidence: Evidence::Tested,
        sources: SOURCES,
    },
    Product {
        name: "apache-session-cookie",
        title: "Apache httpd, `stickysession` with the session's id",
        pins_by: "the part after the dot of the application's session cookie or path parameter, such as JSESSIONID",
        based_on: None,
        cookies: &[],
        idioms: &[],
        attributes: "the application's own",
        lever: Lever::RenameSessionCookie,
        application: "leave the `.route` suffix out of the session id, or give the session cookie another name: requests spread evenly",
        setting: "remove `stickysession=…` from the balancer",
        detection: "only by one client reaching one node again and again",
        evidence: Evidence::Tested,
        sources: SOURCES,
    },
];
