use std::fmt::Write as _;

use super::{
    Apache, BalancerSpec, SESSION_COOKIE, route_of,
    stick::{Place, TOKEN_PATH},
};

pub(super) const COOKIE: &str = "ROUTEID";

const MODULE_DIR: &str = "/usr/lib/apache2/modules";
/// Debian has the watchdog, which health checks need, built in.
const MODULES: [&str; 12] = [
    "mpm_event",
    "authz_core",
    "alias",
    "env",
    "headers",
    "setenvif",
    "slotmem_shm",
    "proxy",
    "proxy_http",
    "proxy_balancer",
    "lbmethod_byrequests",
    "proxy_hcheck",
];
pub(super) const LAST_MODULE: &str = "/usr/lib/apache2/modules/mod_proxy_hcheck.so";

pub(super) fn render(stick: &Apache, spec: &BalancerSpec, place: &Place<'_>) -> String {
    let Place { port, home, token, .. } = place;
    let mut text = String::new();
    for module in MODULES {
        let _ = writeln!(text, "LoadModule {module}_module {MODULE_DIR}/mod_{module}.so");
    }
    let _ = write!(
        text,
        "ServerName localhost
Listen 127.0.0.1:{port}
PidFile {home}/pid
DefaultRuntimeDir {home}
ErrorLog {home}/log
LogLevel warn
KeepAliveTimeout 60
StartServers 1
ServerLimit 4
ThreadsPerChild 32
MaxRequestWorkers 128
ProxyPreserveHost On
Redirect 410 {TOKEN_PATH}
ErrorDocument 410 {token}
<Proxy balancer://nodes>
    ProxySet lbmethod=byrequests
",
        home = home.display(),
    );
    match stick {
        Apache::RoundRobin => {}
        Apache::HeaderAdd | Apache::HeaderSet => drop(writeln!(text, "    ProxySet stickysession={COOKIE}")),
        Apache::SessionSuffix => drop(writeln!(text, "    ProxySet stickysession={SESSION_COOKIE}")),
    }
    let health = spec.health.as_ref().map(|health| {
        let (path, every, fall) = (&health.path, health.interval.as_millis(), health.fall);
        format!(" hcmethod=GET hcuri={path} hcinterval={every}ms hcfails={fall} hcpasses=1")
    });
    for node in &spec.nodes {
        // Asked again after a second: the default of a minute is longer than a test.
        let _ =
            writeln!(text, "    BalancerMember http://{node} route={} retry=1{}", route_of(*node), health.as_deref().unwrap_or_default());
    }
    for line in &spec.lines {
        let _ = writeln!(text, "    {line}");
    }
    let _ = write!(text, "</Proxy>\nProxyPass {TOKEN_PATH} !\nProxyPass / balancer://nodes/\n");
    let action = match stick {
        Apache::HeaderAdd => "add",
        Apache::HeaderSet => "set",
        Apache::RoundRobin | Apache::SessionSuffix => return text,
    };
    let _ = writeln!(text, "Header {action} Set-Cookie \"{COOKIE}=.%{{BALANCER_WORKER_ROUTE}}e; path=/\" env=BALANCER_ROUTE_CHANGED");
    text
}
