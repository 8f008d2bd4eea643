//! The messages of SIP trace records into signalling facts, as packets' payloads become them.

use crate::evidence::{Anomalies, Tally};
use crate::facts::extract::{self, Extracted, Extractor, Keep, Seen};
use crate::facts::{Store, TracedMessage};

/// The reason of a trace record whose message is none.
pub(super) const NOT_SIP: &str = "trace_not_sip";

/// Reads `messages` into `store`. A record whose message is none is counted as `trace_not_sip`; which those are is told.
pub(super) fn signalling(
    messages: &[TracedMessage],
    (keep, store): (&Keep, &Store),
    tally: &mut Tally,
    anomalies: &mut Anomalies,
) -> Vec<u64> {
    let mut not_sip = Vec::new();
    let (mut batch, mut extractor) = (store.batch(), Extractor::new(keep));
    for message in messages {
        let TracedMessage { at, locus, hop, transport, truncated, bytes } = message;
        let seen = Seen { at: *at, locus: *locus, hop: *hop, transport: *transport, truncated: *truncated };
        store.make_room(&mut batch);
        match extract::signalling(bytes, seen, &mut extractor, &mut batch, anomalies) {
            Extracted::Message => {}
            Extracted::NoCallId | Extracted::NotSip => {
                tally.shift("sip_trace", NOT_SIP, 1);
                not_sip.push(locus.record);
            }
        }
    }
    store.give_back(batch);
    not_sip
}
