#![no_main]

#[path = "../../crates/unstick-core/tests/fuzz/record.rs"]
mod record;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    record::check(data);
});
