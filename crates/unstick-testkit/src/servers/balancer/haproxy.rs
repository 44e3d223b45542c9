use std::fmt::Write as _;

use super::{
    BalancerSpec, HaProxy, SESSION_COOKIE, route_of,
    stick::{Place, TOKEN_PATH},
};

pub(super) const COOKIE: &str = "SRV";

pub(super) fn render(stick: &HaProxy, spec: &BalancerSpec, place: &Place<'_>) -> String {
    let Place { port, home, token, .. } = place;
    // The socket hands listeners over to the next process, so that no connection is lost while the configuration is read again.
    let mut text = format!(
        "global
    maxconn 1000
    nbthread 1
    stats socket {home}/admin.sock level admin expose-fd listeners

defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout check 5s

frontend site
    bind 127.0.0.1:{port}
    http-request return status 200 content-type text/plain string \"{token}\" if {{ path {TOKEN_PATH} }}
    default_backend nodes

backend nodes
",
        home = home.display(),
    );
    let balance = if *stick == HaProxy::Source { "source" } else { "roundrobin" };
    let _ = writeln!(text, "    balance {balance}");
    let (cookie, pins_by_name) = match stick {
        HaProxy::RoundRobin | HaProxy::StickTable | HaProxy::Source => (String::new(), false),
        HaProxy::Insert => (format!("cookie {COOKIE} insert"), true),
        HaProxy::InsertIndirect => (format!("cookie {COOKIE} insert indirect nocache"), true),
        HaProxy::InsertPreserve => (format!("cookie {COOKIE} insert indirect nocache preserve"), true),
        HaProxy::InsertPreserveDomain(domain) => (format!("cookie {COOKIE} insert indirect nocache preserve domain {domain}"), true),
        HaProxy::Rewrite => (format!("cookie {SESSION_COOKIE} rewrite"), true),
        HaProxy::Prefix => (format!("cookie {SESSION_COOKIE} prefix"), true),
    };
    if pins_by_name {
        let _ = writeln!(text, "    {cookie}");
    }
    if *stick == HaProxy::StickTable {
        let _ = writeln!(
            text,
            "    stick-table type string len 128 size 10k expire 10m\n    stick store-response res.cook({SESSION_COOKIE})\n    stick match req.cook({SESSION_COOKIE})"
        );
    }
    if spec.retries {
        text.push_str(
            "    retries 3\n    option redispatch 1\n    retry-on conn-failure empty-response\n    http-request disable-l7-retry if METH_POST\n",
        );
    } else {
        text.push_str("    retries 0\n");
    }
    if let Some(health) = &spec.health {
        let _ = writeln!(text, "    option httpchk GET {}", health.path);
        if health.soft_stop_on_404 {
            text.push_str("    http-check disable-on-404\n");
        }
        let _ = writeln!(text, "    default-server check inter {}ms fall {} rise 1", health.interval.as_millis(), health.fall);
    }
    for line in &spec.lines {
        let _ = writeln!(text, "    {line}");
    }
    for node in &spec.nodes {
        let name = route_of(*node);
        let cookie = if pins_by_name { format!(" cookie {name}") } else { String::new() };
        let _ = writeln!(text, "    server {name} {node}{cookie}");
    }
    text
}
