//! The README's first program is this crate's, it is as short as the README says, and running it prints what the README shows.

use unstick_testkit::{require_server, servers::RedisServer, transcript::Transcript};

const README: &str = include_str!("../../../README.md");
const MANIFEST: &str = include_str!("../Cargo.toml");
const PROGRAM: &str = include_str!("../src/main.rs");

/// The first fenced block of the README that is marked so.
fn block(mark: &str) -> &'static str {
    let (_, rest) = README.split_once(&format!("\n```{mark}\n")).unwrap_or_else(|| panic!("the README has no block marked `{mark}`"));
    rest.split_once("\n```\n").expect("an end of the block").0
}

/// The features that a manifest asks of a crate.
fn features<'a>(manifest: &'a str, of: &str) -> &'a str {
    let line = manifest.lines().find(|line| line.starts_with(&format!("{of} = "))).unwrap_or_else(|| panic!("no line for {of}"));
    line.split_once("features = ").expect("features").1
}

#[test]
fn the_program_is_the_readmes_and_has_less_than_20_lines() {
    assert_eq!(block("rust,no_run"), PROGRAM.trim_end());
    let lines = PROGRAM.trim_end().lines().count();
    assert!(lines < 20, "{lines} lines, with blank ones and imports");
}

#[test]
fn it_is_built_with_the_features_that_the_readme_names() {
    for of in ["unstick", "tokio"] {
        assert_eq!(features(block("toml"), of), features(MANIFEST, of), "{of}");
    }
}

#[test]
fn two_processes_of_it_share_one_cart_in_redis() {
    let redis = require_server!(RedisServer::start());
    Transcript::of(README)
        .program("cargo run -q", env!("CARGO_BIN_EXE_example-readme"))
        .address("127.0.0.1:8080")
        .address("127.0.0.1:8081")
        .env("SESSIONS", &redis.url())
        .env("SESSION_KEY", &"7e".repeat(32))
        .run()
        .unwrap_or_else(|difference| panic!("{difference}"));
}
