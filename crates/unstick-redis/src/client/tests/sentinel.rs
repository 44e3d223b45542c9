use unstick_testkit::{require_server, servers::RedisSentinel};

use super::{load::under_load, *};

#[tokio::test]
async fn a_killed_master_is_left_behind() {
    let sentinel = require_server!(RedisSentinel::start());
    let client = RedisClient::connect(&sentinel.url()).await.unwrap();
    let master = sentinel.master();
    let outcome = under_load(&client, &["k".into()], seconds(2), || master.kill(), seconds(10)).await;
    outcome.assert_recovered("sentinel, master killed", &[0], seconds(10));
}

#[tokio::test]
async fn a_hung_master_is_left_behind() {
    let sentinel = require_server!(RedisSentinel::start());
    let client = RedisClient::connect(&sentinel.url()).await.unwrap();
    let master = sentinel.master();
    let outcome = under_load(&client, &["k".into()], seconds(2), || master.stop(), seconds(10)).await;
    outcome.assert_recovered("sentinel, master stopped", &[0], seconds(10));
    master.cont();
    until("still fine", || works(&client)).await;
}

/// As when one machine dies that both were on.
#[tokio::test]
async fn a_master_that_hangs_together_with_the_first_sentinel_is_left_behind() {
    let sentinel = require_server!(RedisSentinel::start());
    let client = RedisClient::connect(&sentinel.url()).await.unwrap();
    let master = sentinel.master();
    let machine = || {
        master.stop();
        sentinel.sentinels()[0].stop();
    };
    let outcome = under_load(&client, &["k".into()], seconds(2), machine, seconds(14)).await;
    outcome.assert_recovered("sentinel, master and first sentinel stopped", &[0], seconds(14));
    assert!(works(&RedisClient::connect(&sentinel.url()).await.unwrap()).await, "a start asks the other sentinels");
    sentinel.sentinels()[0].cont();
    master.cont();
}

#[tokio::test]
async fn a_master_that_became_a_replica_is_left_behind() {
    let sentinel = require_server!(RedisSentinel::start());
    let client = RedisClient::connect(&sentinel.url()).await.unwrap();
    set(&client, "k", "1").await.unwrap();
    let master = sentinel.master();
    let name = sentinel.name();
    sentinel.sentinels()[0].command(&["SENTINEL", "FAILOVER", name]).unwrap();
    _ = sentinel.await_failover(master);
    until("the new master", || works(&client)).await;
}

#[tokio::test]
async fn replicas_are_waited_for() {
    let sentinel = require_server!(RedisSentinel::start());
    let wait = |replicas| RedisClient::builder(&sentinel.url()).wait_replicas(replicas, Duration::from_millis(300)).connect();
    let client = wait(2).await.unwrap();
    let writes = (0..20).map(|n| (format!("k{n}").into(), vec![Bytes::from(n.to_string())])).collect();
    for reply in client.client.run_each(&op(seconds(2)), &Script::new(SET), writes).await {
        assert_eq!(reply.unwrap()[0], Reply::Bytes("DONE".into()));
    }
    for node in sentinel.nodes() {
        assert_eq!(node.command(&["GET", "k19"]).unwrap().text(), "19", "confirmed means there");
    }
    let client = wait(3).await.unwrap();
    let error = set(&client, "k", "1").await.unwrap_err();
    assert_eq!(error.kind(), unstick_core::ErrorKind::Interrupted);
    assert!(error.to_string().contains("3 replicas"), "{error}");
    assert_eq!(value(&client, "k").await.unwrap(), Some("1".into()), "it is in all the same");
}

#[tokio::test]
async fn sentinels_have_a_login_of_their_own() {
    let sentinel = require_server!(RedisSentinel::start());
    for one in sentinel.sentinels() {
        one.command(&["ACL", "SETUSER", "watch", "on", ">word", "+@all", "~*", "&*"]).unwrap();
        one.command(&["ACL", "SETUSER", "default", "off"]).unwrap();
    }
    let client = RedisClient::builder(&sentinel.url()).sentinel_login("watch", "word").connect().await.unwrap();
    assert!(works(&client).await, "the servers themselves want none");
    let client = RedisClient::connect(&format!("{}?sentinel_user=watch&sentinel_password=word", sentinel.url())).await.unwrap();
    assert!(works(&client).await);
    let error = RedisClient::builder(&sentinel.url()).connect_timeout(seconds(1)).connect().await.unwrap_err().to_string();
    assert!(error.contains("no sentinel answers"), "{error}");
}
