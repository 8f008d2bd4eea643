//! Nothing vanishes: every record of every fixture is counted, and the report's sums close.

use serde_json::{Value, json};

use crate::calls::{self, Case};
use crate::support::exports;
use crate::support::laws::broken;
use crate::support::truth::list;

/// Lines of a log that are not empty, and packets of a capture, as the scene made them.
fn records(bytes: &[u8], path: &str) -> u64 {
    let count = if path.ends_with(".pcap") {
        let mut rest = bytes.get(24..).unwrap_or_default();
        let mut packets = 0;
        while let Some(captured) = rest.get(8..12) {
            let captured = u32::from_le_bytes(captured.try_into().expect("four bytes"));
            rest = rest.get(16 + captured as usize..).unwrap_or_default();
            packets += 1;
        }
        packets
    } else if [".json", ".jsonx", ".yaml", ".tf"].iter().any(|ending| path.ends_with(ending)) {
        return exports::records(bytes);
    } else {
        bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count()
    };
    u64::try_from(count).expect("a count")
}

#[test]
fn every_packet_and_line_of_every_case_is_counted() {
    let mut found = Vec::new();
    for folder in calls::all() {
        let case = Case::open(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let report = case.run(&["--hash", "none"], &["evidence"]).report();
        let evidence = case.scene.evidence();
        if list(&report["evidence"]).len() != evidence.0.len() {
            found.push(format!("{}: {} sources of {}", case.name, list(&report["evidence"]).len(), evidence.0.len()));
        }
        for source in list(&report["evidence"]) {
            let path = source["path"].as_str().unwrap_or_default();
            let bytes = evidence.0.get(path).map_or(&[][..], Vec::as_slice);
            let wanted = (records(bytes, path), bytes.len() as u64);
            let is = (source["records"].as_u64().unwrap_or(0), source["bytes"].as_u64().unwrap_or(0));
            if is != wanted {
                found.push(format!("{}: {path} has (records, bytes) {is:?}, wanted {wanted:?}", case.name));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A report that keeps every law.
fn sound() -> Value {
    let zero = json!({"not_byoc": 0, "unclassified": 0, "recording_session": 0, "no_media": 0, "exposed_unconsented": 0,
        "blocked_unconsented": 0, "unconsented": 1, "indeterminate": 0, "blocked_consented": 0, "clear": 0});
    json!({
        "complete": true,
        "evidence": [{"id": "E1", "path": "capture.pcap", "records": 3, "tally": {"sip": 2, "rtp": 1}, "anomalies": []}],
        "summary": {"calls": 1, "legs": 1, "byoc_legs": 1, "verdicts": zero, "unconsented_streams": 1, "unconsented_media_s": 9.0,
            "requests": {"total": 1, "recording": 1, "refused": 0, "allowed": 1, "served": 0, "unbound_refusals": 0}},
        "calls": [{"legs": [{"call_id": "a@x", "trunk": {"name": "SG1", "kind": "byoc"}, "verdict": "unconsented",
            "consent": {"state": "missing", "observations": [{"source": {"evidence": "E1", "record": 1}}]},
            "streams": [{"consented_s": 0.0, "unconsented_s": 9.0, "unknown_s": 0.0}],
            "requests": [{"at": "2026-01-01T00:00:01.5Z", "source": {"evidence": "E1", "record": 2}},
                         {"at": "2026-01-01T00:00:01.500001Z", "source": {"evidence": "E1", "record": 3}}],
            "grounds": [{"reason": "x", "sources": [{"evidence": "E1", "record": 1}]}]}]}],
        "trunks": [{"name": "SG1", "kind": "byoc", "legs": 1, "verdicts": zero}],
        "unbound_refusals": [],
    })
}

#[test]
fn a_sound_report_breaks_no_law() {
    assert_eq!(broken(&sound(), Some(1)), Vec::<String>::new());
}

#[test]
fn every_law_bites() {
    let violations: [(&str, Value, &str); 16] = [
        ("/evidence/0/tally/sip", json!(1), "the tally adds up"),
        ("/evidence/0/records", json!(4), "the tally adds up"),
        ("/evidence/0/path", json!("/home/me/capture.pcap"), "not a relative path"),
        ("/evidence/0/anomalies", json!([{"code": "x", "count": 0}]), "never met"),
        ("/summary/calls", json!(2), "summary.calls"),
        ("/summary/legs", json!(2), "summary.legs"),
        ("/summary/byoc_legs", json!(0), "summary.byoc_legs"),
        ("/summary/verdicts/clear", json!(1), "summary.verdicts.clear"),
        ("/summary/unconsented_streams", json!(2), "summary.unconsented_streams"),
        ("/summary/unconsented_media_s", json!(8.5), "summary.unconsented_media_s"),
        ("/summary/requests/served", json!(2), "contradict each other"),
        ("/calls/0/legs/0/grounds", json!([]), "without grounds"),
        ("/calls/0/legs/0/grounds/0/sources/0/evidence", json!("E9"), "points nowhere"),
        ("/calls/0/legs/0/requests/0/at", json!("2026-01-01T00:00:02Z"), "out of order"),
        ("/calls/0/legs/0/streams/0/unknown_s", json!(-1.0), "unknown_s"),
        ("/trunks/0/legs", json!(0), "legs, the report holds"),
    ];
    for (place, wrong, said) in violations {
        let mut report = sound();
        *report.pointer_mut(place).unwrap() = wrong;
        let found = broken(&report, Some(1));
        assert!(found.iter().any(|text| text.contains(said)), "{place}: {found:?}");
    }
    for code in [Some(0), Some(2), Some(3), None] {
        assert!(broken(&sound(), code).iter().any(|text| text.contains("exit status")), "{code:?}");
    }
    assert!(!broken(&Value::Null, Some(0)).is_empty());
}
