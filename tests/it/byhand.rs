//! Cases whose evidence is rewritten by hand: what exports and logs say in forms that no scene makes.

use std::fs;
use std::io::Write as _;

use serde_json::{Value, json};

use crate::calls::Case;
use crate::support::run::{Run, audit};
use crate::support::scene::LOG;
use crate::support::truth::list;
use crate::support::{here, read};

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

const CONVERSATION: &str = "/api/v2/conversations/0b5e8a3c-1d2e-4f60-8a9b-0c1d2e3f4a5b/recordings";

/// A request that was refused, as a line of JSON that also says `more`.
fn refused(second: u32, more: &str) -> String {
    format!(
        "{{\"time\":\"2026-03-02T12:00:{second:02}Z\",\"method\":\"GET\",\"uri\":\"{CONVERSATION}\",\"status\":403{more}}}"
    )
}

/// What the program makes of a file `name` that holds `text`.
fn alone(name: &str, text: &str) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(name), text).expect("it can be written");
    audit(folder.path(), &[name]).report()
}

#[track_caller]
fn check_tally(report: &Value, format: &str, tally: &Value) {
    let source = &report["evidence"][0];
    assert_eq!((&source["format"], &source["tally"]), (&json!(format), tally), "{source}");
}

#[test]
fn json_lines_among_the_blocks_of_a_text_log_are_read() {
    let sdk = read(&here("fixtures/log/sdk-text.log"));
    let lines: Vec<String> = (0..3).map(|second| refused(second, "")).collect();
    let text = format!("{sdk}{}\nINFO: the client ends\n{sdk}", lines.join("\n"));
    let report = alone("client.log", &text);
    // What stands before the first record and behind the lines is nobody's.
    check_tally(&report, "sdk_text", &json!({"not_a_request": 3, "other_request": 2, "recording_request": 5}));
    let first_line = sdk.lines().count() + 1;
    let records: Vec<u64> = list(&report["unbound_refusals"])
        .iter()
        .filter(|refusal| refusal["target"] == CONVERSATION)
        .filter_map(|refusal| refusal["source"]["record"].as_u64())
        .collect();
    assert_eq!(records, [0, 1, 2].map(|line| first_line as u64 + line));
    // A body that goes over lines holds none.
    let body = "Body: [\n{\"uri\":\"/a\",\"id\":1},\n{\"uri\":\"/b\",\"id\":2}\n]";
    let text = sdk.replace("Body: {\"code\":\"missing.permissions\",\"status\":403}", body);
    let usual = json!({"not_a_request": 1, "other_request": 1, "recording_request": 1});
    check_tally(&alone("client.log", &text), "sdk_text", &usual);
}

#[test]
fn json_lines_behind_a_run_of_several_lines_are_read() {
    let run: Value = serde_json::from_str(&read(&here("fixtures/log/newman.json"))).expect("JSON");
    let pretty = serde_json::to_string_pretty(&run).expect("JSON");
    let usual = alone("run.json", &pretty)["evidence"][0]["tally"].clone();
    let lines: Vec<String> = (0..3).map(|second| refused(second, "")).collect();
    let report =
        alone("run.json", &format!("{pretty}\n{}\n{{\"events\":[{},{}]}}\n", lines.join("\n"), lines[0], lines[1]));
    let mut expected = usual;
    expected["recording_request"] = json!(expected["recording_request"].as_u64().expect("some") + 5);
    check_tally(&report, "newman", &expected);
}

#[test]
fn a_request_among_the_entries_of_an_export_is_none_of_them_wherever_it_stands() {
    let conversation = r#"{"conversationId":"c1","participants":[{"purpose":"customer"}]}"#;
    for before in [3, 3_000] {
        let text = format!(
            "{}{}\n",
            format!("{conversation}\n").repeat(before),
            refused(1, ",\"conversationId\":\"c1\",\"participants\":[]")
        );
        let report = alone("details.json", &text);
        check_tally(&report, "conversation_details", &json!({"conversation": before, "other_kind": 1}));
        assert!(notices(&report).contains(&"other_kind".to_owned()), "{}", report["notices"]);
    }
}

#[test]
fn a_list_whose_answer_hands_out_another_conversations_media_exposes_nothing() {
    let of = |below: &str, body: &Value, as_text: bool| {
        let body = if as_text { json!(body.to_string()) } else { body.clone() };
        let line = json!({
            "time": "2026-03-02T10:03:20Z", "method": "GET", "target": format!("{CONVERSATION}{below}"), "status": 200,
            "response_body": body,
        });
        let rewrite = |name: &str, text: &str| if name == LOG { line.to_string() } else { text.to_owned() };
        legs(&rewritten("request-bridged", &[], rewrite).report())[0]["verdict"].clone()
    };
    let own = "0b5e8a3c-1d2e-4f60-8a9b-0c1d2e3f4a5b";
    let uris = || json!({"0": {"mediaUri": "https://m"}});
    let handed = |id: &str| json!({"id": "r", "conversationId": id, "mediaUris": uris()});
    for as_text in [false, true] {
        for (body, expected) in [
            (json!([handed(own)]), "exposed_unconsented"),
            (json!([handed(&own.to_uppercase())]), "exposed_unconsented"),
            (json!([handed("77"), handed(own)]), "exposed_unconsented"),
            // Of which conversation it is the answer does not say.
            (json!([handed("77"), {"id": "q", "mediaUris": uris()}]), "exposed_unconsented"),
            (json!([handed("77")]), "unconsented"),
            // The own recording is there and nothing of it is handed out.
            (json!([{"id": "q", "conversationId": own, "media": "audio"}, handed("77")]), "unconsented"),
            (json!({"entities": [handed("77"), handed("78")]}), "unconsented"),
        ] {
            assert_eq!(of("", &body, as_text), expected, "{body} {as_text}");
        }
        let one = |id: &str| json!({"id": "r1", "conversationId": id, "media": "audio"});
        assert_eq!(of("/r1", &one(own), as_text), "exposed_unconsented");
        assert_eq!(of("/r1", &one("77"), as_text), "unconsented");
    }
}

#[test]
fn requests_behind_megabytes_of_another_programs_text_are_read() {
    let other = "2026-03-02 10:00:00 INFO some other program said this line, and it is none of a log of requests\n";
    let foreign = other.repeat((9 << 20) / other.len());
    let of = |requests: u32, behind: usize| {
        let lines: String = (0..requests).map(|second| refused(second % 60, "") + "\n").collect();
        alone("service.log", &format!("{foreign}{lines}{}", other.repeat(behind)))
    };
    let report = of(30, 100);
    let source = &report["evidence"][0];
    assert_eq!(
        (&source["kind"], &source["tally"]["recording_request"]),
        (&json!("access_log"), &json!(30)),
        "{source}"
    );
    let sum: u64 = source["tally"].as_object().expect("a tally").values().filter_map(Value::as_u64).sum();
    assert_eq!(
        (source["records"].as_u64(), report["summary"]["requests"]["unbound_refusals"].as_u64()),
        (Some(sum), Some(30))
    );
    let line = foreign.lines().count() as u64 + 1;
    assert_eq!(report["unbound_refusals"][0]["source"]["record"], line);
    // A few that are quoted make no log, and are told.
    let report = of(3, 0);
    assert_eq!(
        (&report["evidence"][0]["kind"], &report["summary"]["requests"]["total"]),
        (&json!("unrecognised"), &json!(0))
    );
    assert!(notices(&report).contains(&"unread_requests".to_owned()), "{}", report["notices"]);
    // Nothing at all is nothing.
    let report = of(0, 0);
    assert_eq!(report["evidence"][0]["anomalies"], json!([]));
    assert_eq!(
        (&report["evidence"][0]["kind"], &report["evidence"][0]["records"]),
        (&json!("unrecognised"), &json!(0))
    );
}
