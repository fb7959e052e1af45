#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| trunkline::pdu::oracle::roundtrip(data));
