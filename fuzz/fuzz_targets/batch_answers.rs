#![no_main]
#![doc = "Runs [`hybridge_fuzz::batch_answers`] under the fuzzer."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hybridge_fuzz::batch_answers(data));
