//! A session description: every media description it has, and no more than the limit.
#![no_main]

use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use sipconsent::sdp::{MAX_SECTIONS, Reader, whole_lines};

fuzz_target!(|body: &[u8]| {
    let mut sections = 0;
    Reader::default().read(whole_lines(body), |_| {
        sections += 1;
        if sections > MAX_SECTIONS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
});
