#![no_main]
#![doc = "Runs [`hybridge_fuzz::odata_graph`] under the fuzzer."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hybridge_fuzz::odata_graph(data));
