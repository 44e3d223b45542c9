use std::fmt::Write as _;

use super::{
    BalancerSpec, Caddy,
    stick::{Place, TOKEN_PATH},
};

pub(super) const COOKIE: &str = "lb";

pub(super) fn render(stick: &Caddy, spec: &BalancerSpec, place: &Place<'_>) -> String {
    let Place { port, admin_port, token, .. } = place;
    let nodes: Vec<String> = spec.nodes.iter().map(ToString::to_string).collect();
    let policy = match stick {
        Caddy::RoundRobin => "round_robin".to_owned(),
        Caddy::Cookie => format!("cookie {COOKIE}"),
        Caddy::IpHash => "ip_hash".to_owned(),
    };
    let mut text = format!(
        "{{
    admin 127.0.0.1:{admin_port}
    auto_https off
}}
http://:{port} {{
    bind 127.0.0.1
    handle {TOKEN_PATH} {{
        respond {token}
    }}
    handle {{
        reverse_proxy {} {{
            lb_policy {policy}
",
        nodes.join(" "),
    );
    if spec.retries {
        // A pinned client is moved only from a node that is known to be down: for a second after it failed.
        text.push_str("            lb_try_duration 10s\n            lb_try_interval 50ms\n            fail_duration 1s\n");
    }
    if let Some(health) = &spec.health {
        let (path, every) = (&health.path, health.interval.as_millis());
        let _ = write!(text, "            health_uri {path}\n            health_interval {every}ms\n            health_timeout 5s\n");
    }
    for line in &spec.lines {
        let _ = writeln!(text, "            {line}");
    }
    text.push_str("        }\n    }\n}\n");
    text
}
