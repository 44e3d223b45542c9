#![no_main]

#[path = "../../crates/unstick-core/tests/fuzz/credential.rs"]
mod credential;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    credential::check(data);
});
