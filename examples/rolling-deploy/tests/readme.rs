//! What the README shows is what happens.

use unstick_testkit::{servers, transcript::Transcript};

/// Runs the README's blocks that show `command`.
fn run(command: &str) {
    let readme = include_str!("../README.md");
    let blocks = readme.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    let block = blocks.into_iter().find(|block| block.lines().next().is_some_and(|line| line.trim_start_matches("$ ") == command));
    let block = block.unwrap_or_else(|| panic!("the README does not show {command}"));
    Transcript::of(&format!("```console\n{block}```\n"))
        .program("cargo run -q -p example-rolling-deploy", env!("CARGO_BIN_EXE_example-rolling-deploy"))
        .run()
        .unwrap_or_else(|difference| panic!("{difference}"));
}

#[test]
fn round_robin() {
    run("cargo run -q -p example-rolling-deploy");
}

#[test]
fn haproxy() {
    unstick_testkit::require_server!(servers::missing("haproxy").map_or(Ok(()), Err));
    run("cargo run -q -p example-rolling-deploy -- --balancer haproxy");
}
