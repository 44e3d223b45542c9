//! What the README shows is what happens.

use unstick_testkit::transcript::Transcript;

#[test]
fn the_readme_is_true() {
    Transcript::of(include_str!("../README.md"))
        .program("cargo run -q -p example-logout-everywhere", env!("CARGO_BIN_EXE_example-logout-everywhere"))
        .address("127.0.0.1:8080")
        .address("127.0.0.1:8081")
        .run()
        .unwrap_or_else(|difference| panic!("{difference}"));
}
