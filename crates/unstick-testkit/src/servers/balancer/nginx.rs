use std::fmt::Write as _;

use super::{
    BalancerSpec, Nginx, SESSION_COOKIE, route_of,
    stick::{Place, TOKEN_PATH},
};

pub(super) const COOKIE: &str = "route";

/// The second needs the first.
pub(super) const LUA_MODULES: [&str; 2] = ["/usr/lib/nginx/modules/ndk_http_module.so", "/usr/lib/nginx/modules/ngx_http_lua_module.so"];

pub(super) fn render(stick: &Nginx, spec: &BalancerSpec, place: &Place<'_>) -> String {
    let Place { port, home, token, .. } = place;
    let mut text = String::new();
    let lua_path = if let Nginx::LuaCookie { path } = stick { Some(path) } else { None };
    if lua_path.is_some() {
        for module in LUA_MODULES {
            let _ = writeln!(text, "load_module {module};");
        }
    }
    let _ = write!(
        text,
        "daemon off;
worker_processes 1;
error_log stderr;
pid {home}/pid;
events {{
    worker_connections 1000;
}}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
",
        home = home.display(),
    );
    text.push_str(&lua_path.map_or_else(|| upstream(stick, spec), |path| lua_upstream(path, spec)));
    let next = if spec.retries { "error timeout http_502 http_503 http_504" } else { "off" };
    let _ = write!(
        text,
        "    server {{
        listen 127.0.0.1:{port};
        location = {TOKEN_PATH} {{
            return 200 \"{token}\";
        }}
        location / {{
            proxy_pass http://nodes;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection \"\";
            proxy_next_upstream {next};
",
    );
    for line in &spec.lines {
        let _ = writeln!(text, "            {line}");
    }
    text.push_str("        }\n    }\n}\n");
    text
}

fn upstream(stick: &Nginx, spec: &BalancerSpec) -> String {
    let mut text = "    upstream nodes {\n".to_owned();
    match stick {
        Nginx::IpHash => text.push_str("        ip_hash;\n"),
        Nginx::HashSession => drop(writeln!(text, "        hash $cookie_{SESSION_COOKIE} consistent;")),
        Nginx::RoundRobin | Nginx::LuaCookie { .. } => {}
    }
    for node in &spec.nodes {
        let _ = writeln!(text, "        server {node};");
    }
    text.push_str("        keepalive 16;\n    }\n");
    text
}

/// The cookie is written while a node is chosen, before there is a response: the application's lines come after it.
fn lua_upstream(path: &str, spec: &BalancerSpec) -> String {
    let mut text = "    init_by_lua_block {\n        local site = { nodes = {}, named = {}, turn = 0 }\n".to_owned();
    for node in &spec.nodes {
        let _ = writeln!(
            text,
            "        table.insert(site.nodes, {{ name = \"{}\", host = \"{}\", port = {} }})",
            route_of(*node),
            node.ip(),
            node.port()
        );
    }
    let tries = if spec.retries { "if not ngx.ctx.is_chosen then balancer.set_more_tries(#site.nodes - 1) end" } else { "" };
    let _ = write!(
        text,
        "        for _, node in ipairs(site.nodes) do site.named[node.name] = node end
        package.loaded.site = site
    }}
    upstream nodes {{
        server 0.0.0.1;
        balancer_by_lua_block {{
            local balancer, site = require \"ngx.balancer\", require \"site\"
            {tries}
            local node = not ngx.ctx.is_chosen and site.named[ngx.var.cookie_{COOKIE} or \"\"]
            if not node then
                site.turn = site.turn % #site.nodes + 1
                node = site.nodes[site.turn]
                ngx.header[\"Set-Cookie\"] = \"{COOKIE}=\" .. node.name .. \"; Path={path}; HttpOnly\"
            end
            ngx.ctx.is_chosen = true
            assert(balancer.set_current_peer(node.host, node.port))
        }}
        keepalive 16;
    }}
",
    );
    text
}
