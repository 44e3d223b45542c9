use unstick_core::EventKind;
use unstick_testkit::{
    require_server,
    servers::{RedisCluster, slot_of},
};

use super::{load::under_load, *};

/// A key on each of the masters, the first on `first`.
fn keys(cluster: &RedisCluster) -> Vec<String> {
    let mut keys: Vec<(u16, String)> = Vec::new();
    for n in 0..1000 {
        let key = format!("key{n}");
        let port = cluster.master_of_slot(slot_of(&key)).port();
        if !keys.iter().any(|(other, _)| *other == port) {
            keys.push((port, key));
        }
        if keys.len() == 3 {
            break;
        }
    }
    keys.into_iter().map(|(_, key)| key).collect()
}

#[tokio::test]
async fn keys_of_all_slots_are_reached_and_moved_slots_are_followed() {
    let cluster = require_server!(RedisCluster::start());
    let client = RedisClient::connect(&cluster.url()).await.unwrap();
    for n in 0..200 {
        let key = format!("k{{{n}}}x");
        set(&client, &key, &n.to_string()).await.unwrap();
        assert_eq!(value(&client, &key).await.unwrap(), Some(n.to_string().into()));
    }
    let calls = (0..100).map(|n| (format!("each{n}").into(), vec![Bytes::from(n.to_string())])).collect();
    for reply in client.client.run_each(&op(seconds(2)), &Script::new(SET), calls).await {
        assert_eq!(reply.unwrap()[0], Reply::Bytes("DONE".into()));
    }
    assert_eq!(value(&client, "each99").await.unwrap(), Some("99".into()));

    // while a slot is on its way: ASK, then MOVED
    let (key, moved) = ("moving", slot_of("moving").to_string());
    let from = cluster.master_of_key(key);
    let to = cluster.masters().into_iter().find(|node| node.port() != from.port()).unwrap();
    let id = |node: &unstick_testkit::servers::RedisServer| node.command(&["CLUSTER", "MYID"]).unwrap().text();
    to.command(&["CLUSTER", "SETSLOT", &moved, "IMPORTING", &id(from)]).unwrap();
    from.command(&["CLUSTER", "SETSLOT", &moved, "MIGRATING", &id(to)]).unwrap();
    set(&client, key, "asked").await.unwrap();
    assert_eq!(value(&client, key).await.unwrap(), Some("asked".into()));
    for node in [to, from] {
        node.command(&["CLUSTER", "SETSLOT", &moved, "NODE", &id(to)]).unwrap();
    }
    set(&client, key, "moved").await.unwrap();
    assert_eq!(value(&client, key).await.unwrap(), Some("moved".into()));
    until("the new owner", || async {
        let nodes = client.client.0.wire().nodes();
        nodes.owner(slot_of(key)).is_some_and(|node| node.name() == to.address())
    })
    .await;
}

#[tokio::test]
async fn a_killed_master_is_left_behind() {
    let cluster = require_server!(RedisCluster::start());
    let client = RedisClient::connect(&cluster.url()).await.unwrap();
    let keys = keys(&cluster);
    let victim = cluster.master_of_key(&keys[0]);
    let outcome = under_load(&client, &keys, seconds(2), || victim.kill(), seconds(10)).await;
    outcome.assert_recovered("cluster, master killed", &[0], seconds(10));
}

#[tokio::test]
async fn a_hung_master_is_left_behind() {
    let cluster = require_server!(RedisCluster::start());
    let (log, events) = log();
    let client = RedisClient::builder(&cluster.url()).events(events).connect().await.unwrap();
    let keys = keys(&cluster);
    let victim = cluster.master_of_key(&keys[0]);
    let outcome = under_load(&client, &keys, seconds(2), || victim.stop(), seconds(10)).await;
    outcome.assert_recovered("cluster, master stopped", &[0], seconds(10));
    assert!(log.count(EventKind::BackendReconnected) > 0);
    // the old master comes back as a replica, with what was written to its sockets
    victim.cont();
    until("still fine", || works(&client)).await;
}

#[tokio::test]
async fn a_hung_master_is_left_behind_by_a_single_caller() {
    let cluster = require_server!(RedisCluster::start());
    let client = RedisClient::connect(&cluster.url()).await.unwrap();
    set(&client, "key", "1").await.unwrap();
    let victim = cluster.master_of_key("key");
    victim.stop();
    let start = std::time::Instant::now();
    until("a success", || async { set(&client, "key", "2").await.is_ok() }).await;
    println!("cluster, master stopped, one caller: works after {:?}", start.elapsed());
}

#[tokio::test]
async fn an_applications_own_client_is_told_to_leave_a_hung_master_behind() {
    use fred::{
        interfaces::ClientLike,
        types::config::{ClusterDiscoveryPolicy, Config, ReconnectPolicy},
    };
    let cluster = require_server!(RedisCluster::start());
    let nodes = cluster.nodes().iter().map(|node| ("127.0.0.1", node.port())).collect();
    let mut config = Config { server: fred::types::config::ServerConfig::new_clustered(nodes), ..Config::default() };
    config.version = fred::types::RespVersion::RESP3;
    config.server.set_cluster_discovery_policy(ClusterDiscoveryPolicy::UseCache).unwrap();
    let fred = fred::types::Builder::from_config(config)
        .with_connection_config(|connection| {
            (connection.connection_timeout, connection.internal_command_timeout) = (seconds(1), seconds(1));
            connection.max_redirections = 0;
        })
        .set_policy(ReconnectPolicy::new_constant(0, 100))
        .build()
        .unwrap();
    let connection = fred.init().await.unwrap();
    let client = RedisClient::from_fred(fred.clone());
    let keys = keys(&cluster);
    let victim = cluster.master_of_key(&keys[0]);
    let outcome = under_load(&client, &keys, seconds(2), || victim.stop(), seconds(14)).await;
    outcome.assert_recovered("cluster, master stopped, the application's own client", &[0], seconds(14));
    drop(client);
    connection.abort();
}
