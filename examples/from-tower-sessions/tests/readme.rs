//! What the README shows is what happens.

use unstick_testkit::transcript::Transcript;

#[test]
fn the_readme_is_true() {
    let transcript = Transcript::of(include_str!("../README.md"))
        .program("cargo run -q -p example-from-tower-sessions", env!("CARGO_BIN_EXE_example-from-tower-sessions"));
    let addresses = ["127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:8083"];
    let transcript = addresses.into_iter().fold(transcript, Transcript::address);
    transcript.run().unwrap_or_else(|difference| panic!("{difference}"));
}
