//! The store contract as a user who may do what the documentation lists, and nothing else.

mod common;

use common::Prefixes;
use unstick_testkit::{
    require_server,
    servers::{RedisServer, Shared},
};

static REDIS: Shared<RedisServer> = Shared::new(|| {
    let documented: Vec<&str> = include_str!("../src/client/handle.rs").lines().filter_map(|line| line.strip_prefix("/// +")).collect();
    assert!(documented.len() > 1, "the list is there");
    let rights = format!("+{}", documented.join(" +"));
    RedisServer::builder().line(format!("user app on >word resetkeys ~t* resetchannels -@all {rights}")).start()
});

fn address(redis: &RedisServer) -> String {
    format!("redis://app:word@{}", redis.address())
}

unstick_testkit::contract_suite!(Prefixes::new(address(require_server!(REDIS.get()))));
