//! Real servers start, answer, survive faults on the same port, and never outlive the process that started them.
#![cfg(feature = "servers")]

use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use unstick_testkit::{
    require_server,
    servers::{MariaDbServer, PostgresServer, RedisCluster, RedisServer, SeenCommand, poll, slot_of},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The faults that every kind of server has in common. `ask` must have its own bound.
macro_rules! faults {
    ($server:expr, $ask:expr) => {
        let (server, ask) = ($server, $ask);
        let first = server.pid();
        assert!(ask() && server.is_running());
        server.stop();
        assert!(!server.is_running() && server.pid() == first, "a stopped server is there, but does not run");
        server.cont();
        assert!(ask() && server.is_running());
        server.kill();
        assert!(!server.is_running() && server.pid().is_none() && !ask());
        server.restart();
        assert!(ask() && server.pid() != first);
        server.terminate();
        assert!(!server.is_running() && !ask());
        server.restart();
        assert!(ask(), "{}", server.log());
    };
}

#[test]
fn redis_survives_faults() {
    let redis = require_server!(RedisServer::builder().appendonly().start());
    redis.command(&["SET", "kept", "yes"]).unwrap();
    let port = redis.port();
    faults!(&redis, || redis.command(&["GET", "kept"]).is_ok_and(|reply| reply.text() == "yes"));
    assert_eq!(redis.url(), format!("redis://127.0.0.1:{port}"));

    let before = redis.command_counts().unwrap();
    let mut monitor = redis.monitor().unwrap();
    redis.command(&["EVAL", "return redis.call('get', KEYS[1])", "1", "kept"]).unwrap();
    let seen = monitor.read().unwrap();
    let sent: Vec<String> = seen.iter().filter(|command| command.was_sent()).map(SeenCommand::name).collect();
    assert_eq!((seen.len(), sent), (2, vec!["eval".to_owned()]), "on the wire it is one");
    assert_eq!(monitor.read().unwrap(), []);
    let counts = redis.command_counts().unwrap().since(&before);
    assert_eq!((counts["eval"], counts["get"]), (1, 1), "carried out are two");

    redis.stop();
    assert!(redis.command(&["PING"]).is_err(), "a stopped server does not answer");
}

#[test]
fn redis_takes_options() {
    let options = RedisServer::builder().user("app", "secret").max_memory("3mb", "allkeys-lru").tls().line("databases 2");
    let redis = require_server!(options.start());
    let value = |name: &str| redis.command(&["CONFIG", "GET", name]).unwrap().list()[1].text();
    assert_eq!([value("maxmemory"), value("maxmemory-policy"), value("databases")], ["3145728", "allkeys-lru", "2"]);
    assert_eq!(redis.command(&["ACL", "WHOAMI"]).unwrap().text(), "app");
    assert!(redis.url().starts_with("redis://app:secret@127.0.0.1:"));
    let tls = redis.tls_url().unwrap();
    let address = tls.strip_prefix("rediss://app:secret@").unwrap();
    let authority = redis.tls_authority().unwrap().to_str().unwrap();
    let client = ["s_client", "-connect", address, "-CAfile", authority, "-verify_return_error", "-verify_ip", "127.0.0.1"];
    let output = Command::new("openssl").args(client).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn postgres_survives_faults() {
    let postgres = require_server!(PostgresServer::start());
    let url = postgres.fresh_database();
    assert_ne!(url, postgres.fresh_database());
    let database = url.rsplit('/').next().unwrap();
    postgres.sql(database, "CREATE TABLE t (n INT)").unwrap();
    postgres.sql(database, "INSERT INTO t VALUES (7)").unwrap();
    faults!(&postgres, || postgres.sql(database, "SELECT n FROM t").is_ok_and(|text| text == "7"));
    assert_eq!(postgres.sql("postgres", "SHOW fsync").unwrap(), "on");
}

#[test]
fn mariadb_survives_faults() {
    let mariadb = require_server!(MariaDbServer::start());
    let url = mariadb.fresh_database();
    assert_ne!(url, mariadb.fresh_database());
    let database = url.rsplit('/').next().unwrap();
    mariadb.sql(database, "CREATE TABLE t (n INT)").unwrap();
    mariadb.sql(database, "INSERT INTO t VALUES (7)").unwrap();
    faults!(&mariadb, || mariadb.sql(database, "SELECT n FROM t").is_ok_and(|text| text == "7"));
}

/// Set in a copy of this test binary that only holds servers until it is killed.
const HOLDER: &str = "UNSTICK_TEST_HOLDS_SERVERS";

#[test]
fn nothing_outlives_a_killed_test_process() {
    let redis = require_server!(RedisServer::start());
    if std::env::var_os(HOLDER).is_some() {
        let postgres = PostgresServer::start();
        let stopped = RedisServer::start().unwrap();
        stopped.stop();
        let ports = [redis.port(), stopped.port()].into_iter().chain(postgres.as_ref().map(PostgresServer::port));
        println!("holding {}", ports.map(|port| port.to_string()).collect::<Vec<_>>().join(" "));
        loop {
            std::thread::park();
        }
    }
    drop(redis);
    let scratch = tempfile::tempdir().unwrap();
    let mut holder = Command::new(std::env::current_exe().unwrap());
    holder.args(["--exact", "nothing_outlives_a_killed_test_process", "--nocapture"]).env(HOLDER, "1").env("TMPDIR", scratch.path());
    open_to_all(scratch.path());
    let mut holder = holder.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines().map_while(Result::ok);
    let ports = lines.filter_map(|line| line.split_once("holding ").map(|(_, ports)| ports.to_owned())).next().unwrap();
    let ports: Vec<u16> = ports.split(' ').map(|port| port.parse().unwrap()).collect();
    let listens = |port: u16| TcpStream::connect(("127.0.0.1", port)).is_ok();
    assert!(ports.len() >= 2 && ports.iter().all(|port| listens(*port)));
    let running = || {
        let commands = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        let place = scratch.path().as_os_str().as_encoded_bytes();
        commands.filter(|command| command.windows(place.len()).any(|part| part == place)).count()
    };
    assert!(running() >= ports.len(), "the servers name the directory");

    holder.kill().unwrap(); // SIGKILL: nothing in it can clean up
    holder.wait().unwrap();

    assert!(poll(PATIENCE, || (!ports.iter().any(|port| listens(*port))).then_some(())).is_some(), "a server outlived its process");
    assert!(poll(PATIENCE, || (running() == 0).then_some(())).is_some(), "a process outlived its process");
    let is_empty = || std::fs::read_dir(scratch.path()).unwrap().next().is_none().then_some(());
    assert!(poll(PATIENCE, is_empty).is_some(), "data outlived its process");
}

/// PostgreSQL runs as a user of its own when the tests run as root.
fn open_to_all(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_cluster_replaces_a_dead_and_a_hung_master() {
    let cluster = require_server!(RedisCluster::start());
    assert_eq!((cluster.nodes().len(), cluster.masters().len()), (6, 3));
    assert_eq!(cluster.url().matches("127.0.0.1:").count(), 6);
    let old = cluster.master_of_key("k");
    old.command(&["SET", "k", "1"]).unwrap();
    for key in ["", "k", "a{b}", "a{}b", "{{x}}y", "ä"] {
        assert_eq!(old.command(&["CLUSTER", "KEYSLOT", key]).unwrap().int(), Some(i64::from(slot_of(key))), "{key}");
    }
    old.kill();
    let new = replaced(&cluster, old);
    old.restart();
    cluster.await_ok();
    new.stop();
    replaced(&cluster, new);
    new.cont();
    cluster.await_ok();
    cluster.flush_all().unwrap();
    assert_eq!(cluster.masters().len(), 3);
}

fn replaced<'a>(cluster: &'a RedisCluster, old: &RedisServer) -> &'a RedisServer {
    let new = poll(PATIENCE, || Some(cluster.master_of_key("k")).filter(|master| master.port() != old.port()));
    let new = new.expect("a replica takes over");
    assert!(poll(PATIENCE, || new.command(&["SET", "k", "2"]).ok()).is_some());
    new
}

#[test]
fn sentinels_replace_a_dead_master() {
    let group = require_server!(RedisServer::builder().password("secret").start_sentinel());
    assert!(group.url().starts_with("redis-sentinel://:secret@127.0.0.1:") && group.url().ends_with(group.name()));
    let old = group.master();
    assert_eq!(old.port(), group.nodes()[0].port());
    old.kill();
    let new = group.await_failover(old);
    assert_eq!(new.command(&["SET", "k", "2"]).unwrap().text(), "OK");
    old.restart();
    group.await_ok();
    // Not always the same one as before: on a busy machine the sentinels may have replaced that one, too.
    assert_eq!(group.master().command(&["SET", "k", "3"]).unwrap().text(), "OK");
}
