#![no_main]
#![doc = "Runs [`hybridge_fuzz::notifications`] under the fuzzer."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hybridge_fuzz::notifications(data));
