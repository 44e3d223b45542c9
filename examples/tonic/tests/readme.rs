//! What the README shows is what happens.

use unstick_testkit::{require_server, servers::RedisServer, transcript::Transcript};

#[test]
fn the_readme_is_true() {
    // Only to know that the program is there: the README starts its own.
    drop(require_server!(RedisServer::start()));
    Transcript::of(include_str!("../README.md"))
        .program("cargo run -q -p example-tonic", env!("CARGO_BIN_EXE_example-tonic"))
        .address("127.0.0.1:50051")
        .address("127.0.0.1:50052")
        .port("6390")
        .run()
        .unwrap_or_else(|difference| panic!("{difference}"));
}
