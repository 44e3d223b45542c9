#![no_main]

#[path = "../../crates/unstick-session/tests/fuzz/cookie.rs"]
mod cookie;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    cookie::check(data);
});
