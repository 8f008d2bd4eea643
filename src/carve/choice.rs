//! Which calls are carved, and what the report says of where their media and requests stand.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;

use crate::evidence::SourceId;
use crate::facts::Hop;
use crate::report::model::{Leg, Report};
use crate::report::show;

/// Which calls are wanted.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Those of these Call-IDs, as the report shows them.
    Calls(Vec<String>),
    /// Those with a finding.
    Findings,
}

/// Stretches of time, in nanoseconds and both ends included, in which packets of an RTP flow belong to a carved call.
pub(super) type FlowTimes = HashMap<(Hop, u32), Vec<(i64, i64)>>;

impl Wanted {
    /// The Call-IDs of the wanted legs in the report.
    pub(super) fn choose(&self, report: &Report) -> BTreeSet<Vec<u8>> {
        let legs = report.calls.iter().flat_map(|call| &call.legs);
        legs.filter(|leg| self.wants(leg)).map(|leg| leg.call_id.0.clone()).collect()
    }

    fn wants(&self, leg: &Leg) -> bool {
        match self {
            Self::Calls(named) => named.iter().any(|name| *name == leg.call_id.lossless().0),
            Self::Findings => show::FINDINGS.contains(&leg.verdict),
        }
    }

    /// The Call-IDs that were asked for and that no leg bears.
    pub(super) fn unknown(&self, report: &Report) -> Vec<String> {
        let Self::Calls(named) = self else { return Vec::new() };
        let known: BTreeSet<_> =
            report.calls.iter().flat_map(|call| &call.legs).map(|leg| leg.call_id.lossless().0).collect();
        named.iter().filter(|name| !known.contains(name.as_str())).cloned().collect()
    }
}

/// The RTP flows tied to legs with these Call-IDs.
pub(super) fn flows(report: &Report, call_ids: &BTreeSet<Vec<u8>>) -> FlowTimes {
    let mut flows = FlowTimes::new();
    for flow in legs(report, call_ids).flat_map(|leg| &leg.streams).flat_map(|stream| &stream.rtp) {
        let ends = |text: &str| text.parse::<SocketAddr>().ok();
        let ssrc = flow.ssrc.strip_prefix("0x").and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let (Some(source), Some(destination), Some(ssrc)) = (ends(&flow.source), ends(&flow.destination), ssrc) else {
            continue;
        };
        flows
            .entry((Hop { source, destination }, ssrc))
            .or_default()
            .push((flow.first.0.ns, end_of_second(flow.last.0.ns)));
    }
    flows
}

/// The end of the second: a flow that a dialog's end cut off has the packets of that whole second.
fn end_of_second(ns: i64) -> i64 {
    ns.saturating_sub(ns.rem_euclid(1_000_000_000)).saturating_add(999_999_999)
}

/// The log records bound to legs with these Call-IDs, by source.
pub(super) fn records(report: &Report, call_ids: &BTreeSet<Vec<u8>>) -> BTreeMap<SourceId, BTreeSet<u64>> {
    let mut records: BTreeMap<SourceId, BTreeSet<u64>> = BTreeMap::new();
    for request in legs(report, call_ids).flat_map(|leg| &leg.requests) {
        let pointer = request.request.source;
        records.entry(SourceId(pointer.evidence.0)).or_default().insert(pointer.record);
    }
    records
}

fn legs<'r>(report: &'r Report, call_ids: &'r BTreeSet<Vec<u8>>) -> impl Iterator<Item = &'r Leg> {
    report.calls.iter().flat_map(|call| &call.legs).filter(|leg| call_ids.contains(&leg.call_id.0))
}
