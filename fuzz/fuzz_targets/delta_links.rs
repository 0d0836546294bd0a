#![no_main]
#![doc = "Runs [`hybridge_fuzz::delta_links`] under the fuzzer."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hybridge_fuzz::delta_links(data));
