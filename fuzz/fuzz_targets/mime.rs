#![no_main]
#![doc = "Runs [`hybridge_fuzz::mime`] under the fuzzer."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hybridge_fuzz::mime(data));
