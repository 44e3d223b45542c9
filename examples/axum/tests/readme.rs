//! What the README shows is what happens.

use unstick_testkit::{require_server, servers::RedisServer, transcript::Transcript};

#[test]
fn the_readme_is_true() {
    let redis = require_server!(RedisServer::start());
    Transcript::of(include_str!("../README.md"))
        .program("cargo run -q -p example-axum", env!("CARGO_BIN_EXE_example-axum"))
        .address("127.0.0.1:8080")
        .address("127.0.0.1:8081")
        .address("127.0.0.1:8082")
        .replace("redis://127.0.0.1:6379", &redis.url())
        .run()
        .unwrap_or_else(|difference| panic!("{difference}"));
}
