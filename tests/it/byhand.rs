//! Cases whose evidence is rewritten by hand: what exports and logs say in forms that no scene makes.

use std::fs;
use std::io::Write as _;

use serde_json::{Value, json};

use crate::calls::Case;
use crate::support::here;
use crate::support::run::Run;
use crate::support::scene::LOG;
use crate::support::truth::list;

/// The case `name`, of whose evidence `rewrite` makes other files: it is shown each name and text.
fn rewritten(name: &str, more: &[&str], rewrite: impl Fn(&str, &str) -> String) -> Run {
    let case = Case::open(&here("fixtures/calls").join(name)).expect("a case");
    let evidence = case.folder.path().join("evidence");
    for entry in fs::read_dir(&evidence).expect("a folder") {
        let path = entry.expect("an entry").path();
        let shown = path.file_name().expect("a name").to_string_lossy().into_owned();
        if let Ok(text) = fs::read_to_string(&path) {
            fs::write(&path, rewrite(&shown, &text)).expect("it can be written");
        }
    }
    case.run(more, &["evidence"])
}

fn legs(report: &Value) -> Vec<Value> {
    list(&report["calls"]).iter().flat_map(|call| list(&call["legs"])).cloned().collect()
}

fn source(report: &Value, path: &str) -> Value {
    list(&report["evidence"]).iter().find(|source| source["path"] == path).cloned().unwrap_or_default()
}

fn notices(report: &Value) -> Vec<String> {
    list(&report["notices"]).iter().map(|notice| notice["code"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn times_of_an_export_without_a_zone_are_in_the_zone_of_logs() {
    let of = |more: &[&str], recorded: fn(&str) -> String| {
        let rewrite = |name: &str, text: &str| if name == "recordings.json" { recorded(text) } else { text.to_owned() };
        let report = rewritten("exposure-by-recorded-times", more, rewrite).report();
        let zone = source(&report, "recordings.json")["timezone"].clone();
        (legs(&report)[0]["verdict"].clone(), zone, notices(&report).contains(&"timezone_assumed".to_owned()))
    };
    let zone = |zone: &str, from: &str| json!({"zone": zone, "from": from});
    let bare = |text: &str| text.replace("Z\"", "\"");
    let singapore = ["--log-timezone", "Asia/Singapore"];
    assert_eq!(of(&singapore, str::to_owned), (json!("exposed_unconsented"), zone("UTC", "written"), false));
    assert_eq!(of(&[], bare), (json!("exposed_unconsented"), zone("UTC", "assumed"), true));
    // Eight hours before the call nothing of it was recorded.
    assert_eq!(of(&singapore, bare), (json!("unconsented"), zone("Asia/Singapore", "configured"), false));
    // A date is no time.
    let dates = |text: &str| {
        let mut recordings: Value = serde_json::from_str(text).expect("JSON");
        for recording in recordings.as_array_mut().expect("an array") {
            for key in ["startTime", "endTime"] {
                let date = recording[key].as_str().and_then(|time| time.split('T').next()).map(str::to_owned);
                recording[key] = json!(date);
            }
        }
        recordings.to_string()
    };
    assert_eq!(of(&[], dates), (json!("unconsented"), Value::Null, false));
}

#[test]
fn a_compressed_log_whose_checksum_is_wrong_says_so_on_top() {
    let case = Case::open(&here("fixtures/calls").join("verdict-blocked-unconsented")).expect("a case");
    let evidence = case.folder.path().join("evidence");
    let log = fs::read(evidence.join(LOG)).expect("a log");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&log).expect("memory");
    let mut bytes = encoder.finish().expect("memory");
    let checksum = bytes.len() - 8;
    bytes[checksum] ^= 1;
    fs::remove_file(evidence.join(LOG)).expect("it is there");
    fs::write(evidence.join("access.log.gz"), bytes).expect("it can be written");
    let report = case.run(&[], &["evidence"]).report();
    // What was read is evidence.
    assert_eq!(legs(&report)[0]["verdict"], "blocked_unconsented");
    assert_eq!(source(&report, "access.log.gz")["anomalies"][0]["code"], "truncated_stream");
    let notice = list(&report["notices"]).iter().find(|notice| notice["code"] == "damaged_stream").expect("a notice");
    assert!(notice["text"].as_str().is_some_and(|text| text.contains("access.log.gz")), "{notice}");
}
