//! A payload as a SIP message, whole or cut: into facts, without end or panic.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sipconsent::evidence::{Anomalies, Locus, SourceId, Timestamp};
use sipconsent::facts::extract::{Extractor, Keep, Seen, signalling};
use sipconsent::facts::{Hop, SignallingBatch, Transport};
use sipconsent::settings::Settings;

static KEEP: LazyLock<Keep> = LazyLock::new(|| Keep::new(&Settings::default()));

fuzz_target!(|input: &[u8]| {
    let Some((first, payload)) = input.split_first() else { return };
    let seen = Seen {
        at: Timestamp::new(0, 6),
        locus: Locus { source: SourceId(0), record: 1 },
        hop: Hop { source: ([203, 0, 113, 5], 5060).into(), destination: ([192, 0, 2, 9], 5060).into() },
        transport: Transport::Udp,
        truncated: first & 1 == 1,
    };
    let mut batch = SignallingBatch::default();
    let _ = signalling(payload, seen, &mut Extractor::new(&KEEP), &mut batch, &mut Anomalies::default());
});
