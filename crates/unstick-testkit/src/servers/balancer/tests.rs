//! The configurations as they are written: read them before you change them.

use std::fs;

use proptest::prelude::*;

use super::{Apache, BalancerSpec, Caddy, HaProxy, Health, Nginx, Stick, stick::Place};

fn spec(stick: impl Into<Stick>) -> BalancerSpec {
    BalancerSpec::new(["127.0.0.1:8001", "127.0.0.1:8002"].map(|node| node.parse().unwrap()), stick)
}

/// With everything that can be asked for.
fn full(stick: impl Into<Stick>) -> BalancerSpec {
    spec(stick).health(Health::new("/health").soft_stop_on_404()).retries()
}

fn nginx_lua() -> Nginx {
    Nginx::LuaCookie { path: "/".to_owned() }
}

/// Set `UNSTICK_WRITE_SNAPSHOTS` to write them anew.
#[test]
fn configurations_are_as_they_were_read() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src/servers/balancer/rendered");
    for (name, spec) in [
        ("haproxy.conf", full(HaProxy::InsertPreserve)),
        ("nginx.conf", full(Nginx::IpHash)),
        ("nginx-lua.conf", full(nginx_lua())),
        ("apache.conf", full(Apache::HeaderAdd)),
        ("caddy.conf", full(Caddy::Cookie)),
    ] {
        let (path, text) = (format!("{dir}/{name}"), spec.config(8000));
        if std::env::var_os("UNSTICK_WRITE_SNAPSHOTS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert_eq!(text, fs::read_to_string(&path).unwrap(), "{name}");
    }
}

/// The lines that another kind of pinning adds to plain round robin, and takes away.
#[track_caller]
fn differs(plain: impl Into<Stick>, stick: impl Into<Stick>, expected: &[&str]) {
    let (plain, text) = (spec(plain).config(8000), spec(stick).config(8000));
    let (plain, text): (Vec<&str>, Vec<&str>) = (plain.lines().map(str::trim).collect(), text.lines().map(str::trim).collect());
    let gone = plain.iter().filter(|line| !text.contains(line)).map(|line| format!("-{line}"));
    let new = text.iter().filter(|line| !plain.contains(line)).map(|line| format!("+{line}"));
    assert_eq!(gone.chain(new).collect::<Vec<_>>(), expected);
}

#[test]
fn each_kind_is_these_lines() {
    let servers = ["-server n8001 127.0.0.1:8001", "-server n8002 127.0.0.1:8002"];
    let named = ["+server n8001 127.0.0.1:8001 cookie n8001", "+server n8002 127.0.0.1:8002 cookie n8002"];
    let haproxy = |stick: HaProxy, line: &str| differs(HaProxy::RoundRobin, stick, &[servers[0], servers[1], line, named[0], named[1]]);
    haproxy(HaProxy::Insert, "+cookie SRV insert");
    haproxy(HaProxy::InsertIndirect, "+cookie SRV insert indirect nocache");
    haproxy(HaProxy::InsertPreserve, "+cookie SRV insert indirect nocache preserve");
    haproxy(HaProxy::InsertPreserveDomain("a.test".to_owned()), "+cookie SRV insert indirect nocache preserve domain a.test");
    haproxy(HaProxy::Rewrite, "+cookie SID rewrite");
    haproxy(HaProxy::Prefix, "+cookie SID prefix");
    let table =
        ["+stick-table type string len 128 size 10k expire 10m", "+stick store-response res.cook(SID)", "+stick match req.cook(SID)"];
    differs(HaProxy::RoundRobin, HaProxy::StickTable, &table);
    differs(HaProxy::RoundRobin, HaProxy::Source, &["-balance roundrobin", "+balance source"]);
    differs(Nginx::RoundRobin, Nginx::IpHash, &["+ip_hash;"]);
    differs(Nginx::RoundRobin, Nginx::HashSession, &["+hash $cookie_SID consistent;"]);
    let cookie =
        |action: &str| format!("+Header {action} Set-Cookie \"ROUTEID=.%{{BALANCER_WORKER_ROUTE}}e; path=/\" env=BALANCER_ROUTE_CHANGED");
    differs(Apache::RoundRobin, Apache::HeaderAdd, &["+ProxySet stickysession=ROUTEID", &cookie("add")]);
    differs(Apache::RoundRobin, Apache::HeaderSet, &["+ProxySet stickysession=ROUTEID", &cookie("set")]);
    differs(Apache::RoundRobin, Apache::SessionSuffix, &["+ProxySet stickysession=SID"]);
    differs(Caddy::RoundRobin, Caddy::Cookie, &["-lb_policy round_robin", "+lb_policy cookie lb"]);
    differs(Caddy::RoundRobin, Caddy::IpHash, &["-lb_policy round_robin", "+lb_policy ip_hash"]);
}

#[test]
fn lines_of_the_tests_stand_where_the_site_is() {
    let line = |stick: Stick| spec(stick).line("the line").config(8000);
    let between =
        |text: String, start: &str, end: &str| text.split(start).nth(1).unwrap().split(end).next().unwrap().contains("the line\n");
    assert!(between(line(HaProxy::Source.into()), "\nbackend nodes\n", "server "));
    assert!(between(line(nginx_lua().into()), "location / {", "}"));
    assert!(between(line(Apache::HeaderAdd.into()), "<Proxy balancer://nodes>", "</Proxy>"));
    assert!(between(line(Caddy::Cookie.into()), "reverse_proxy 127.0.0.1:8001 127.0.0.1:8002 {", "}"));
}

#[test]
fn nginx_keeps_its_small_buffer() {
    assert!(!full(nginx_lua()).config(8000).contains("buffer"));
}

fn any_stick() -> impl Strategy<Value = Stick> {
    prop::sample::select(vec![
        Stick::from(HaProxy::RoundRobin),
        HaProxy::Insert.into(),
        HaProxy::StickTable.into(),
        HaProxy::Source.into(),
        Nginx::RoundRobin.into(),
        nginx_lua().into(),
        Nginx::HashSession.into(),
        Apache::RoundRobin.into(),
        Apache::HeaderSet.into(),
        Caddy::RoundRobin.into(),
        Caddy::Cookie.into(),
    ])
}

proptest! {
    /// Whatever is asked for: each node is in it once, nothing listens but on loopback, and braces close.
    #[test]
    fn every_configuration_is_whole(
        stick in any_stick(),
        ports in prop::collection::btree_set(1024_u16.., 1..5),
        health in any::<bool>(),
        retries in any::<bool>(),
    ) {
        let mut spec = BalancerSpec::new(ports.iter().map(|port| ([127, 0, 0, 1], *port).into()), stick.clone());
        if health { spec = spec.health(Health::new("/health")) }
        if retries { spec = spec.retries() }
        let place = Place { port: 1000, admin_port: 1001, home: "/home-of-it".as_ref(), token: "token-of-it" };
        let text = stick.render(&spec, &place);
        for port in &ports {
            let in_lua = format!("host = \"127.0.0.1\", port = {port} }}");
            let words = text.split(|c: char| c.is_whitespace() || c == ';').filter(|word| word.trim_start_matches("http://") == format!("127.0.0.1:{port}"));
            prop_assert_eq!(words.count() + text.matches(&in_lua).count(), 1, "{}", text);
        }
        prop_assert_eq!(text.matches('{').count(), text.matches('}').count());
        prop_assert!(text.contains("token-of-it"));
        let address = if stick.program() == "caddy" { "bind 127.0.0.1\n" } else { "127.0.0.1:1000" };
        prop_assert!(text.contains(address), "{}", text);
    }
}
