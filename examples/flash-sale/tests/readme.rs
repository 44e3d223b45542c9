//! What the README shows is what happens.

use unstick_testkit::transcript::Transcript;

#[test]
fn the_readme_is_true() {
    Transcript::of(include_str!("../README.md"))
        .program("cargo run -q -p example-flash-sale", env!("CARGO_BIN_EXE_example-flash-sale"))
        .run()
        .unwrap_or_else(|difference| panic!("{difference}"));
}
