//! HAProxy.

use crate::catalogue::product::{Evidence, Lever, Product};

const SOURCES: &[&str] = &["HAProxy 2.6.12", "HAProxy configuration manual"];

pub(super) const ROWS: &[Product] = &[
    Product {
        name: "haproxy",
        title: "HAProxy, `cookie … insert`",
        pins_by: "a cookie that the operator names; it holds the server's name",
        based_on: None,
        cookies: &[],
        // The usual names, in the manual's examples too; other balancers use them as well.
        idioms: &["SERVERID", "SRV"],
        attributes: "Path=/; for the session; Domain if the operator gives one; with maxlife the value ends in two dates",
        lever: Lever::ExpireAlways,
        application: "works only with `preserve` in the `cookie` line: any Set-Cookie of that name from the application, such as its \
                      deletion, replaces HAProxy's, and requests spread evenly. Without `preserve` the application's line is removed and \
                      nothing helps. With `indirect` the application never sees the cookie, so it must be deleted with every response",
        setting: "remove the `cookie` line, or add `preserve` to it so that the application's deletion counts, or `ignore-persist if …` \
                  to the backend; `maxlife` bounds a pin",
        detection: "without `indirect` the cookie in the request, if you name it; with `indirect` only by one client reaching one node \
                    again and again",
        evidence: Evidence::Tested,
        sources: SOURCES,
    },
    Product {
        name: "haproxy-session-cookie",
        title: "HAProxy, `cookie … rewrite` or `prefix`, or a stick table of a cookie",
        pins_by: "the application's session cookie, such as JSESSIONID",
        based_on: None,
        cookies: &[],
        idioms: &[],
        attributes: "the application's own",
        lever: Lever::RenameSessionCookie,
        application: "give the session cookie another name: requests spread evenly. A new session id is learned again with the same server",
        setting: "remove the `cookie … rewrite` or `prefix` line, or the `stick` rules",
        detection: "only by one client reaching one node again and again",
        evidence: Evidence::Tested,
        sources: SOURCES,
    },
    Product {
        name: "haproxy-address",
        title: "HAProxy, `balance source`",
        pins_by: "the client's address",
        based_on: None,
        cookies: &[],
        idioms: &[],
        attributes: "",
        lever: Lever::ConfigurationOnly,
        application: "nothing: no header has any effect",
        setting: "choose `balance roundrobin` or `leastconn`",
        detection: "only by one client reaching one node again and again",
        evidence: Evidence::Tested,
        sources: SOURCES,
    },
];
