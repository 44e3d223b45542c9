#![no_main]

#[path = "../../crates/unstick-token/tests/fuzz/token.rs"]
mod token;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    token::check(data);
});
