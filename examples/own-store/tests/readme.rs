//! What the README shows is what happens.

use unstick_testkit::transcript::Transcript;

#[test]
fn the_readme_is_true() {
    Transcript::of(include_str!("../README.md"))
        .program("cargo run -q -p example-own-store", env!("CARGO_BIN_EXE_example-own-store"))
        .address("127.0.0.1:8080")
        .address("127.0.0.1:8081")
        .run()
        .unwrap_or_else(|difference| panic!("{difference}"));
}

#[test]
fn the_store_is_as_short_as_the_readme_says() {
    let lines = include_str!("../src/store.rs").lines().map(str::trim);
    assert!(lines.filter(|line| !line.is_empty() && !line.starts_with("//")).count() < 150);
}
