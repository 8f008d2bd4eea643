//! The incident's log in every form of document, and what only documents say: bodies, batches, secrets.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::here;
use crate::support::run::{Run, audit, program, program_with};
use crate::support::truth::list;

/// What must never reach a report.
const SECRET: &str = "S3CR3T";

/// One request of the incident's log.
struct Logged {
    at: jiff::Timestamp,
    /// The client's wall clock.
    local: String,
    record: Value,
}

impl Logged {
    fn text(&self, key: &str) -> &str {
        self.record[key].as_str().unwrap_or_default()
    }

    fn status(&self) -> u64 {
        self.record["status"].as_u64().expect("a status")
    }

    /// The URL with a token that gives access, signed.
    fn url(&self) -> String {
        let target = self.text("request_uri");
        let mark = if target.contains('?') { '&' } else { '?' };
        format!("https://api.mypurecloud.com{target}{mark}access_token={SECRET}-url&X-Amz-Signature={SECRET}-sig")
    }

    /// Header fields of the request and of the answer.
    fn headers(&self) -> [Vec<(String, String)>; 2] {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request = [
            field("Authorization", &format!("Bearer {SECRET}-bearer")),
            field("Cookie", &format!("session={SECRET}-cookie")),
            field("X-SIP-Call-ID", self.text("sip_call_id")),
            field("X-Client-Id", self.text("client")),
        ];
        let date = self.at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let answer = [
            field("Date", &date),
            field("ININ-Correlation-Id", self.text("correlation_id")),
            field("Set-Cookie", &format!("a={SECRET}-cookie")),
        ];
        let said = |fields: &[(String, String)]| {
            fields.iter().filter(|(_, value)| !value.is_empty()).cloned().collect::<Vec<_>>()
        };
        [said(&request), said(&answer)]
    }

    fn answer(&self) -> String {
        match self.text("error_code") {
            "" => format!("{{\"a\":\"https://m/x?Signature={SECRET}-body\"}}"),
            code => {
                json!({"code": code, "status": self.status(), "message": format!("no {SECRET}-message")}).to_string()
            }
        }
    }

    fn request_body(&self) -> String {
        format!("{{\"password\":\"{SECRET}-password\"}}")
    }
}

fn logged() -> Vec<Logged> {
    let text = fs::read_to_string(here("fixtures/incident/evidence/api-access.jsonl")).expect("the incident's log");
    let read = |line: &str| {
        let record: Value = serde_json::from_str(line).expect("a record");
        let written = record["time"].as_str().expect("a time").to_owned();
        let at = written.parse().expect("a time with an offset");
        let local = written.get(..23).expect("a wall clock").replace('T', " ");
        Logged { at, local, record }
    };
    text.lines().map(read).collect()
}

fn pairs(headers: &[(String, String)], name: &str) -> Vec<Value> {
    headers.iter().map(|(key, value)| json!({name: key, "value": value})).collect()
}

fn object(headers: &[(String, String)]) -> Value {
    headers
        .iter()
        .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// As a browser writes it; every other body in Base64.
fn har_entry(one: &Logged, number: usize) -> Value {
    let [request, answer] = one.headers();
    let content = if number.is_multiple_of(2) {
        json!({"size": 1, "mimeType": "application/json", "text": one.answer()})
    } else {
        json!({"size": 1, "mimeType": "application/json", "text": base64(one.answer().as_bytes()), "encoding": "base64"})
    };
    json!({
        "_initiator": {"type": "script", "stack": {"callFrames": [{"url": "https://app/x.js"}]}},
        "startedDateTime": one.at.to_string(),
        "time": 12.5,
        "request": {"method": one.text("request_method"), "url": one.url(), "httpVersion": "HTTP/2",
            "headers": pairs(&request, "name"), "queryString": [], "cookies": [{"name": "session", "value": SECRET}],
            "postData": {"mimeType": "application/json", "text": one.request_body()}},
        "response": {"status": one.status(), "statusText": "x", "headers": pairs(&answer, "name"), "content": content},
        "serverIPAddress": "192.0.2.80", "cache": {}, "timings": {"send": 0, "wait": 1, "receive": 1}
    })
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

fn har(logged: &[Logged], pages: Value) -> Value {
    let entries: Vec<Value> = logged.iter().enumerate().map(|(number, one)| har_entry(one, number)).collect();
    json!({"log": {"version": "1.2", "creator": {"name": "WebInspector", "version": "537.36"}, "pages": pages, "entries": entries}})
}

fn newman(logged: &[Logged]) -> Value {
    let execution = |one: &Logged| {
        let [request, answer] = one.headers();
        let target = one.url();
        let (path, query) = target.split_once('?').expect("a query");
        let path: Vec<&str> = path.split('/').skip(3).collect();
        let query: Vec<Value> = query
            .split('&')
            .map(|parameter| {
                let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                json!({"key": key, "value": value})
            })
            .collect();
        json!({
            "cursor": {"position": 0, "iteration": 0},
            "item": {"id": "1", "name": "x", "request": {"method": "PUT", "url": "https://not/this"}},
            "request": {"url": {"protocol": "https", "path": path, "host": ["api", "mypurecloud", "com"], "query": query},
                "header": pairs(&request, "key"), "method": one.text("request_method"),
                "body": {"mode": "raw", "raw": one.request_body()}},
            "response": {"id": "2", "status": "Reason", "code": one.status(), "header": pairs(&answer, "key"),
                "stream": {"type": "Buffer", "data": one.answer().as_bytes()}, "responseTime": 12}
        })
    };
    let executions: Vec<Value> = logged.iter().map(execution).collect();
    json!({"collection": {"_postman_id": "c", "info": {"name": "x"}, "item": []}, "run": {"stats": {}, "executions": executions}})
}

fn sdk_text(logged: &[Logged]) -> String {
    let mut text = String::from("2026-11-23 01:00:00,000 INFO starting\n");
    for one in logged {
        let [mut request, answer] = one.headers();
        for (name, value) in &mut request {
            if name == "Authorization" {
                value.clone_from(&"[REDACTED]".to_owned());
            }
        }
        let lines = |headers: &[(String, String)]| {
            headers.iter().map(|(name, value)| format!("\n\t{name}: {value}")).collect::<String>()
        };
        text += &format!(
            "{} ERROR \n=== REQUEST ===\nURL: {}\nMethod: {}\nHeaders: {}\nBody: {}\n=== RESPONSE ===\nStatus: {}\n\
             Headers: {}\nCorrelationId: {}\nBody: {}\n",
            one.local.replace('.', ","),
            one.url(),
            one.text("request_method"),
            lines(&request),
            one.request_body(),
            one.status(),
            lines(&answer),
            one.text("correlation_id"),
            one.answer(),
        );
    }
    text
}

fn sdk_json(one: &Logged) -> Value {
    let [request, answer] = one.headers();
    let (date, time) = one.local.split_once(' ').expect("a date and a time");
    let (year, day) = date.split_once('-').expect("a year");
    json!({
        "level": "error", "date": format!("{day}-{year}, {}", time.get(..8).expect("seconds")),
        "method": one.text("request_method"), "url": one.url(), "requestBody": one.request_body(),
        "responseBody": one.answer(), "statusCode": one.status(), "requestHeaders": object(&request),
        "responseHeaders": object(&answer)
    })
}

/// The record with the secrets in its URL.
fn record(one: &Logged) -> Value {
    let mut record = one.record.clone();
    record["request_uri"] = one.url().into();
    record["authorization"] = format!("Bearer {SECRET}").into();
    record
}

fn lines(values: impl Iterator<Item = Value>) -> String {
    values.map(|value| format!("{value}\n")).collect()
}

fn utf16(text: &str) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// Every form of document: its name, the format the report names, and its bytes.
fn documents() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let logged = logged();
    let records: Vec<Value> = logged.iter().map(record).collect();
    let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("JSON");
    let hits: Vec<Value> = records.iter().map(|record| json!({"_index": "i", "_id": "1", "_source": record})).collect();
    let long_pages: Vec<Value> =
        (0..2_000).map(|page| json!({"id": format!("page_{page}"), "title": "x".repeat(60)})).collect();
    let with_mark = format!("\u{feff}\r\n {}", pretty(&har(&logged, json!([]))).replace('\n', "\r\n"));
    let concatenated: String = records.iter().map(pretty).collect();
    let (one, other) = logged.split_at(30);
    // As Loki's API hands lines out, and as shippers push them.
    let shipped = |logged: &[Logged]| -> Vec<Value> {
        logged.iter().map(|one| json!([one.at.as_nanosecond().to_string(), record(one).to_string()])).collect()
    };
    let streams = |key: &str| {
        let streams =
            [one, other].map(|logged| json!({key: {"status": "200", "job": "gw"}, "values": shipped(logged)}));
        Value::from(streams.to_vec())
    };
    let answer =
        json!({"status": "success", "data": {"resultType": "streams", "result": streams("stream"), "stats": {}}});
    vec![
        ("Loki's answer", "json_document", answer.to_string().into_bytes()),
        ("what is pushed to Loki", "json_document", pretty(&json!({"streams": streams("stream")})).into_bytes()),
        ("an array", "json_document", Value::from(records.clone()).to_string().into_bytes()),
        ("an array over many lines", "json_document", pretty(&Value::from(records.clone())).into_bytes()),
        ("an array in UTF-16", "json_document", utf16(&pretty(&Value::from(records.clone())))),
        ("an object with an array", "json_document", json!({"took": 3, "logs": records}).to_string().into_bytes()),
        ("records over many lines", "json_document", concatenated.into_bytes()),
        ("hits of a search", "json_document", pretty(&json!({"hits": {"total": 1, "hits": hits}})).into_bytes()),
        ("lines in UTF-16", "json_lines", utf16(&lines(records.iter().cloned()))),
        ("HAR", "har", har(&logged, json!([])).to_string().into_bytes()),
        ("HAR with a mark and CRLF", "har", with_mark.into_bytes()),
        ("HAR with a long head", "har", har(&logged, long_pages.into()).to_string().into_bytes()),
        (
            "two HARs behind one another",
            "har",
            format!("{}\n{}", har(&logged[..30], json!([])), har(&logged[30..], json!([]))).into_bytes(),
        ),
        ("Newman", "newman", pretty(&newman(&logged)).into_bytes()),
        ("the SDK's text", "sdk_text", sdk_text(&logged).into_bytes()),
        ("the SDK's text with CRLF", "sdk_text", sdk_text(&logged).replace('\n', "\r\n").into_bytes()),
        ("the SDK's JSON", "json_lines", lines(one.iter().chain(other).map(sdk_json)).into_bytes()),
    ]
}

/// The incident with its log written as `bytes`.
fn incident_with(bytes: &[u8]) -> (tempfile::TempDir, Run) {
    let folder = tempfile::tempdir().expect("a folder");
    let evidence = folder.path().join("evidence");
    fs::create_dir(&evidence).expect("a folder");
    for entry in fs::read_dir(here("fixtures/incident/evidence")).expect("the incident") {
        let path = entry.expect("an entry").path();
        if path.file_name().is_some_and(|name| name != "api-access.jsonl") {
            fs::copy(&path, evidence.join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
    fs::write(evidence.join("api-access.jsonl"), bytes).expect("the log");
    fs::copy(here("fixtures/incident/sipconsent.toml"), folder.path().join("sipconsent.toml")).expect("a copy");
    let arguments = ["--config", "sipconsent.toml", "--log-timezone", "Asia/Singapore", "evidence"];
    let run = audit(folder.path(), &arguments);
    (folder, run)
}

/// Of every leg its verdict and its requests by status, binding and error code; then the refusals that are bound to
/// nothing.
fn concluded(report: &Value) -> Vec<String> {
    let mut rows = Vec::new();
    for leg in list(&report["calls"]).iter().flat_map(|call| list(&call["legs"])) {
        let mut requests: BTreeMap<String, u32> = BTreeMap::new();
        for request in list(&leg["requests"]) {
            let link = &request["link"];
            let row = format!("{} {} {}", request["status"], link["by"], link["strength"]);
            *requests.entry(row).or_default() += 1;
        }
        rows.push(format!("{} {} {requests:?}", leg["call_id"], leg["verdict"]));
    }
    let mut unbound: Vec<String> =
        list(&report["unbound_refusals"]).iter().map(|one| format!("{} {}", one["status"], one["reason"])).collect();
    unbound.sort();
    rows.extend(unbound);
    rows
}

fn api_log(report: &Value) -> Value {
    let is = |source: &&Value| source["path"].as_str().is_some_and(|path| path.ends_with("api-access.jsonl"));
    list(&report["evidence"]).iter().find(is).cloned().unwrap_or_default()
}

#[test]
fn the_incident_in_every_form_of_document_gives_the_same_verdicts() {
    let plain = fs::read(here("fixtures/incident/evidence/api-access.jsonl")).expect("the log");
    let (_folder, plain) = incident_with(&plain);
    let expected = concluded(&plain.report());
    assert!(expected.iter().any(|row| row.contains("403")), "{expected:?}");
    for (name, format, bytes) in documents() {
        let (_folder, run) = incident_with(&bytes);
        let report = run.report();
        let source = api_log(&report);
        assert_eq!(
            (&source["kind"], &source["format"]),
            (&"access_log".into(), &format.into()),
            "{name}: {}",
            run.ending()
        );
        assert_eq!(concluded(&report), expected, "{name}: {source}");
        assert_eq!(run.code, plain.code, "{name}");
        assert_eq!(source["anomalies"], json!([]), "{name}: {source}");
        assert_eq!(report["summary"]["requests"], plain.report()["summary"]["requests"], "{name}");
    }
}

#[test]
fn no_secret_of_any_document_reaches_a_report() {
    for (name, _, bytes) in documents() {
        let (folder, run) = incident_with(&bytes);
        assert!(!run.text().contains(SECRET), "{name}: the JSON report shows a secret");
        assert!(run.text().contains("access_token=…"), "{name}: nothing says that a token is hidden");
        let arguments = ["audit", "--config", "sipconsent.toml", "--show", "all", "evidence"];
        let text = program(folder.path(), arguments);
        assert!(text.text().contains("recordings"), "{name}: {}", text.ending());
        assert!(!text.text().contains(SECRET) && !text.stderr.contains(SECRET), "{name}: the text shows a secret");
    }
}

#[test]
fn what_is_carved_of_a_document_is_a_document_that_says_the_same() {
    let (_folder, plain) =
        incident_with(&fs::read(here("fixtures/incident/evidence/api-access.jsonl")).expect("a log"));
    let report = plain.report();
    let mut legs = list(&report["calls"]).iter().flat_map(|call| list(&call["legs"]));
    let refused = |leg: &&Value| list(&leg["requests"]).iter().any(|request| request["status"] == 403);
    let call_id = legs.find(refused).expect("a refused call")["call_id"].as_str().expect("text").to_owned();
    for (name, format, bytes) in documents() {
        let (folder, _) = incident_with(&bytes);
        let arguments = ["--config", "sipconsent.toml", "--log-timezone", "Asia/Singapore"];
        let mut carve = vec!["carve", "--call", &call_id, "-o", "out"];
        carve.extend(arguments);
        carve.push("evidence");
        let run = program(folder.path(), carve);
        assert_eq!(run.code, Some(0), "{name}: {}", run.ending());
        let mut again = arguments.to_vec();
        again.push("out");
        let report = audit(folder.path(), &again).report();
        let source = api_log(&report);
        assert_eq!(source["format"], format, "{name}: {source}");
        assert!(source["records"].as_u64().is_some_and(|records| (1..10).contains(&records)), "{name}: {source}");
        assert!(refused(&leg(&report, &call_id)), "{name}: the refusal was not carved");
    }
}

/// Two calls of the incident with their conversations: the first leg of each.
fn two_calls(report: &Value) -> [(String, String); 2] {
    let mut found = list(&report["calls"]).iter().filter_map(|call| {
        let [conversation] = list(&call["conversation_ids"]) else { return None };
        Some((conversation.as_str()?.to_owned(), list(&call["legs"]).first()?["call_id"].as_str()?.to_owned()))
    });
    [found.next().expect("a call"), found.next().expect("another call")]
}

fn leg<'r>(report: &'r Value, call_id: &str) -> &'r Value {
    let mut legs = list(&report["calls"]).iter().flat_map(|call| list(&call["legs"]));
    legs.find(|leg| leg["call_id"] == call_id).expect("the leg")
}

#[test]
fn a_batch_is_bound_to_every_call_that_it_names_and_says_its_errors() {
    let (_folder, plain) = incident_with(b"");
    let calls = two_calls(&plain.report());
    let names: Vec<Value> = calls.iter().map(|(id, _)| json!({"conversationId": id, "recordingId": "r"})).collect();
    let body = json!({"batchDownloadRequestList": names}).to_string();
    let results = json!({"jobId": "j-1", "expectedResultCount": 2, "resultCount": 2, "errorCount": 1, "results": [
        {"conversationId": calls[0].0, "recordingId": "r1", "resultUrl": format!("https://m/x?Signature={SECRET}"), "contentType": "audio/wav"},
        {"conversationId": calls[1].0, "recordingId": "r2", "errorMsg": "Recording is not accessible"}]});
    let entry = |second: u32, method: &str, path: &str, status: u16, post: &str, text: &str| {
        json!({"startedDateTime": format!("2026-11-23T04:00:{second:02}.000Z"),
            "request": {"method": method, "url": format!("https://api.mypurecloud.com/api/v2/recording/{path}"), "headers": [],
                "postData": {"text": post}},
            "response": {"status": status, "headers": [], "content": {"text": text}}})
    };
    let entries = [
        entry(1, "POST", "batchrequests", 403, &body, "{\"code\":\"missing.any.permissions\",\"contextId\":\"k-9\"}"),
        entry(2, "GET", "batchrequests/j-1", 200, "", &results.to_string()),
    ];
    let har = json!({"log": {"version": "1.2", "creator": {}, "entries": entries}});
    let (_folder, run) = incident_with(har.to_string().as_bytes());
    let report = run.report();
    for (_, call_id) in &calls {
        let requests = list(&leg(&report, call_id)["requests"]);
        let rows: Vec<String> = requests
            .iter()
            .filter(|request| request["target"].as_str().is_some_and(|target| target.contains("batchrequests")))
            .map(|request| format!("{} {} {}", request["status"], request["error_code"], request["link"]["strength"]))
            .collect();
        assert_eq!(rows, ["403 \"missing.any.permissions\" \"bridged\"", "200 null \"bridged\""], "{call_id}");
        let errors = &requests.last().expect("the job")["batch_errors"];
        let expected =
            json!([{"conversation_id": calls[1].0, "recording_id": "r2", "message": "Recording is not accessible"}]);
        assert_eq!(*errors, expected);
    }
    let refused = |report: &Value| report["summary"]["requests"]["refused"].as_u64().unwrap_or(0);
    assert_eq!(refused(&report), refused(&plain.report()) + 1, "errors inside a 200 are no refusals");
    let notices = list(&report["notices"]);
    let notice = notices.iter().find(|notice| notice["code"] == "batch_errors").expect("a notice");
    assert!(notice["text"].as_str().is_some_and(|text| text.contains("record 2 of api-access.jsonl")), "{notice}");
    assert!(!run.text().contains(SECRET));
}

/// What a list hands out when its logged body has a media URI, in a HAR.
#[test]
fn a_list_serves_audio_by_the_media_uri_of_its_body() {
    let served = |text: &str| {
        let har = json!({"log": {"version": "1.2", "creator": {}, "entries": [{"startedDateTime": "2026-11-23T04:00:00Z",
            "request": {"method": "GET", "url": "https://h/api/v2/conversations/c/recordings", "headers": []},
            "response": {"status": 200, "headers": [], "content": {"text": text}}}]}});
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("a.har"), har.to_string()).expect("a file");
        audit(folder.path(), &["a.har"]).report()["summary"]["requests"]["served"].clone()
    };
    let list = r#"[{"id":"r","media":"audio","mediaUris":{"0":{"mediaUri":"https://m/x?Signature=s"}}}]"#;
    assert_eq!(served(list), 1);
    assert_eq!(served("[]"), 0);
    assert_eq!(served(&list.replace("\"audio\"", "\"screen\"")), 0);
    assert_eq!(served(list.get(..40).expect("a part")), 0);
}

/// Writes `bytes` and gives the evidence row of an audit of it alone.
fn read(folder: &Path, bytes: &[u8]) -> (Value, Option<i32>) {
    fs::write(folder.join("a.har"), bytes).expect("a file");
    let run = audit(folder, &["a.har"]);
    (run.report()["evidence"][0].clone(), run.code)
}

#[test]
fn hostile_documents_are_read_as_far_as_they_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let logged = logged();
    let whole = serde_json::to_string_pretty(&har(&logged, json!([]))).expect("JSON");
    let (source, code) = read(folder.path(), whole.as_bytes());
    let records = source["records"].as_u64().expect("records");
    assert_eq!((records, code), (logged.len() as u64, Some(3)));
    // Cut anywhere behind the first entry: what stands before the cut is read.
    for part in [2, 3, 5, 7] {
        let (cut, code) = read(folder.path(), whole.as_bytes().get(..whole.len() / 8 * part).expect("a part"));
        assert_eq!(code, Some(3), "{cut}");
        let kept = cut["records"].as_u64().expect("records");
        assert!(kept >= records / 8 * part as u64 - 2 && kept <= records, "{part}: {cut}");
        assert_eq!(cut["anomalies"][0]["code"], "truncated_file", "{cut}");
    }
    // A damaged entry costs itself, wherever the damage is.
    for (from, to) in
        [("\"time\": 12.5", "\"time\": NaN"), ("\"time\": 12.5", "\"time\": 1\"2"), ("\"time\": 12.5,", "{")]
    {
        let damaged = whole.replacen(from, to, 1);
        let (source, _) = read(folder.path(), damaged.as_bytes());
        assert_eq!(
            (&source["records"], &source["tally"]["bad_record"]),
            (&records.into(), &1.into()),
            "{to}: {source}"
        );
        assert_eq!(source["anomalies"][0]["first_record"], 1, "{to}: {source}");
    }
    // Bytes that are no UTF-8 stand in strings; a key that stands twice is said.
    let bytes = whole.replacen("\"mimeType\": \"application/json\"", "\"mimeType\": \"\u{1}\u{2}\"", 1);
    let bytes: Vec<u8> = bytes
        .bytes()
        .map(|byte| match byte {
            1 => 0xff,
            2 => 0xc0,
            byte => byte,
        })
        .collect();
    let (source, _) = read(folder.path(), &bytes);
    assert_eq!((&source["records"], &source["anomalies"]), (&records.into(), &json!([])));
    let twice = whole.replacen("\"time\": 12.5", "\"startedDateTime\": \"2020-01-01T00:00:00Z\"", 1);
    let (source, _) = read(folder.path(), twice.as_bytes());
    assert_eq!(source["anomalies"][0]["code"], "duplicate_key", "{source}");
    // A body of many bytes is an entry like others.
    let long = whole.replacen("\"time\": 12.5", &format!("\"time\": \"{}\"", "x".repeat(20 << 20)), 1);
    let (source, _) = read(folder.path(), long.as_bytes());
    assert_eq!((&source["records"], &source["anomalies"]), (&records.into(), &json!([])));
}

/// A request about recordings, answered so, that many seconds after noon.
fn request(status: u16, second: u64) -> Value {
    json!({
        "time": format!("2026-03-02T12:00:{second:02}.000Z"),
        "method": "GET",
        "path": format!("/api/v2/conversations/c0ffee00-0000-4000-8000-000000000001/recordings/r{second}"),
        "status": status,
    })
}

/// The row and the records of the refusals that an audit of `bytes` alone gives.
fn refusals(bytes: &[u8]) -> (Value, Vec<u64>) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("evidence"), bytes).expect("a file");
    let report = audit(folder.path(), &["evidence"]).report();
    let refused = list(&report["unbound_refusals"]).iter();
    let records = refused.map(|refusal| refusal["source"]["record"].as_u64().expect("a record")).collect();
    (report["evidence"][0].clone(), records)
}

#[test]
fn records_under_every_key_of_a_document_are_read_in_its_order() {
    let [one, two, three] = [request(200, 1), request(403, 2), request(403, 3)];
    let long = request(200, 4).as_object().map(|one| {
        let mut long = one.clone();
        long.insert("body".to_owned(), "x".repeat(100 << 10).into());
        Value::Object(long)
    });
    for text in [
        json!({"allowed": [one], "denied": [two, three]}).to_string(),
        serde_json::to_string_pretty(&json!({"allowed": [one], "denied": [two, three]})).expect("JSON"),
        json!({"hosts": [{"name": "a"}], "east": {"requests": [one]}, "west": {"requests": [two, three]}}).to_string(),
        json!({"2026-03-02": [one, two], "2026-03-03": [three]}).to_string(),
        json!([{"day": 1, "requests": [one]}, {"day": 2, "refused": [two, three]}]).to_string(),
        lines([json!({"page": 0, "Hits": [one]}), json!({"page": 1, "hits": [two, three]})].into_iter()),
        // Behind what is looked at first.
        json!({"allowed": [long], "denied": [two, three]}).to_string(),
    ] {
        let (source, records) = refusals(text.as_bytes());
        assert_eq!((&source["records"], &source["anomalies"]), (&3.into(), &json!([])), "{text}: {source}");
        assert_eq!(records, [2, 3], "{source}");
    }
}

fn conversation(number: u64) -> Value {
    json!({
        "conversationId": format!("c0ffee00-0000-4000-8000-00000000000{number}"),
        "conversationStart": "2026-03-02T10:00:00.000Z",
        "participants": [{"purpose": "customer", "sessions": [{"mediaType": "voice", "protocolCallId": "one@x"}]}],
    })
}

#[test]
fn an_export_is_read_under_every_key_and_says_what_else_it_holds() {
    let days = json!({"monday": {"conversations": [conversation(1)]}, "tuesday": {"conversations": [conversation(2)]}});
    let (source, _) = refusals(days.to_string().as_bytes());
    assert_eq!((&source["format"], &source["tally"]), (&"conversation_details".into(), &json!({"conversation": 2})));
    let both =
        json!({"conversations": [conversation(1), conversation(2)], "requests": [request(403, 1), request(403, 2)]});
    let (source, records) = refusals(both.to_string().as_bytes());
    assert_eq!(source["tally"], json!({"recording_request": 2, "other_kind": 2}), "{source}");
    let anomaly = &source["anomalies"][0];
    assert_eq!(
        (&anomaly["code"], &anomaly["count"], &anomaly["first_record"]),
        (&"other_kind".into(), &2.into(), &1.into())
    );
    assert_eq!((&source["records"], records), (&4.into(), vec![3, 4]));
}

#[test]
fn records_at_differing_depths_of_one_document_are_all_read() {
    let [one, two, three] = [request(200, 1), request(403, 2), request(403, 3)];
    for (name, text) in [
        ("a list before a record", json!([{"requests": [one, two]}, three])),
        ("a record before a list", json!([one, {"requests": [two, three]}])),
        ("a list in the list", json!([[one, two], three])),
        ("a list behind a record", json!([one, [two, [three]]])),
        ("deeper in one of several", json!({"x": [{"inner": [one]}, two], "y": {"z": [three]}})),
        ("by their ids", json!({"requests": {"id1": one, "id2": two, "id3": three}})),
        ("by their ids at the top", json!({"id1": one, "id2": two, "id3": three})),
        ("by their ids in one of several", json!([one, {"asked": {"id2": two, "id3": three}}])),
        ("by their ids beside a list", json!({"first": [one], "ids": {"id2": two, "id3": three}})),
    ] {
        for text in [text.to_string(), serde_json::to_string_pretty(&text).expect("JSON")] {
            let (source, records) = refusals(text.as_bytes());
            assert_eq!(source["tally"], json!({"recording_request": 3}), "{name}: {source}");
            assert_eq!((&source["anomalies"], records.len()), (&json!([]), 2), "{name}: {source}");
        }
    }
    // Behind what is looked at first, where the document seems to be known.
    let many: Vec<Value> = (0..1000).map(|_| request(200, 1)).collect();
    let (source, records) = refusals(json!([{"requests": many}, two, {"requests": [three]}]).to_string().as_bytes());
    assert_eq!((&source["tally"], records), (&json!({"recording_request": 1002}), vec![1001, 1002]), "{source}");
    let text = format!("{}\n{two}\n{{\"more\":[{three}]}}\n", json!({"hits": many}));
    let (source, records) = refusals(text.as_bytes());
    assert_eq!((&source["tally"], records), (&json!({"recording_request": 1002}), vec![1001, 1002]), "{source}");
    // In lines.
    let text = format!("{one}\n{{\"page\":1,\"hits\": [ {two},{three}]}}\n{{\"level\":\"info\"}}\n");
    let (source, records) = refusals(text.as_bytes());
    assert_eq!(source["format"], "json_lines", "{source}");
    assert_eq!(source["tally"], json!({"recording_request": 3, "not_a_request": 1}), "{source}");
    assert_eq!((&source["records"], records), (&4.into(), vec![2, 2]), "{source}");
    // Entries of another kind are counted wherever they stand.
    let (source, _) = refusals(json!([one, {"conversations": [conversation(1)]}]).to_string().as_bytes());
    assert_eq!(source["tally"], json!({"recording_request": 1, "other_kind": 1}), "{source}");
    assert_eq!(source["anomalies"][0]["first_record"], 2, "{source}");
}

#[test]
fn members_of_a_record_are_no_records() {
    // What a stream's labels, or one part of a record, look like is not counted once more.
    let label = json!({"status": "403", "path": "/api/v2/recordings/r", "method": "GET"});
    let shipped = json!([["1772445601123456789", request(403, 1).to_string()]]);
    let (source, records) = refusals(json!({"streams": [{"stream": label, "values": shipped}]}).to_string().as_bytes());
    assert_eq!((&source["tally"], records.len()), (&json!({"recording_request": 1}), 1), "{source}");
    let with_parts = json!({"note": "x", "query": request(403, 1)});
    let (source, _) = refusals(json!([request(403, 2), with_parts]).to_string().as_bytes());
    assert_eq!(source["tally"], json!({"recording_request": 1, "not_a_request": 1}), "{source}");
    // An answer that was logged with its body is a request, whatever the body holds.
    let mut asked = request(403, 1);
    asked["responseBody"] = json!({"conversations": [conversation(1)]});
    for text in [format!("{asked}\n"), json!([asked]).to_string()] {
        let (source, records) = refusals(text.as_bytes());
        assert_eq!((&source["tally"], records.len()), (&json!({"recording_request": 1}), 1), "{source}");
    }
}

#[test]
fn a_complete_request_is_one_whatever_else_it_carries() {
    let with = |fields: Value| {
        let mut asked = request(403, 1);
        let Some(own) = asked.as_object_mut() else { panic!("an object") };
        own.extend(fields.as_object().expect("fields").clone());
        asked
    };
    for fields in [
        json!({"callId": "a@x", "msg": "request completed"}),
        json!({"callId": "a@x", "sourceIp": "192.0.2.1"}),
        json!({"conversationId": "c", "participants": []}),
        json!({"conversationId": "c", "id": "r", "mediaSubtype": "Trunk"}),
        json!({"trunkType": "EXTERNAL", "resource": {"genesyscloud_x": {"a": {}}}}),
        json!({"data": [{"callid": "a@x", "msg": "x"}], "entities": [{"trunkType": "EXTERNAL"}]}),
        json!({"run": {"executions": []}}),
        json!({"requestBody": {"log": {"version": "1.2", "creator": {}, "entries": [{"startedDateTime": "x", "request": {}}]}}}),
        json!({"responseBody": [{"id": "r", "conversationId": "c", "media": "audio", "mediaUris": {}}]}),
    ] {
        let [one, two] = [with(fields.clone()), request(403, 2)];
        for text in [format!("{two}\n{one}\n{two}\n"), format!("{one}\n"), json!([one, two]).to_string()] {
            let (source, records) = refusals(text.as_bytes());
            let count = source["records"].as_u64().expect("records");
            assert_eq!(source["kind"], "access_log", "{text}: {source}");
            assert_eq!(
                (&source["tally"], records.len()),
                (&json!({"recording_request": count}), count as usize),
                "{text}"
            );
        }
    }
    // One of the other kind among many is counted as such.
    let log = lines((1..20).map(|second| request(403, second)).chain([conversation(1)]));
    let (source, _) = refusals(log.as_bytes());
    assert_eq!(source["tally"], json!({"recording_request": 19, "other_kind": 1}), "{source}");
    let export = lines((1..9).map(conversation).chain([request(403, 1)]));
    let (source, _) = refusals(export.as_bytes());
    assert_eq!(source["tally"], json!({"conversation": 8, "other_kind": 1}), "{source}");
}

#[test]
fn an_export_by_ids_is_read() {
    let [one, two] = [conversation(1), conversation(2)];
    for text in [
        json!({"entities": {"id1": one, "id2": two}}),
        json!({"entities": {"id1": one, "id2": two}, "pageSize": 25}),
        json!({"id1": one, "id2": two}),
        json!([{"conversation": one}, {"conversation": two}]),
        json!([one, {"conversations": [two]}]),
        json!([{"conversations": [one]}, two]),
        json!([{"conversations": [one]}, {"id2": two}]),
        json!({"conversations": [one], "last": two}),
        json!({"conversations": [one], "more": {"id2": two}}),
    ] {
        for text in [text.to_string(), serde_json::to_string_pretty(&text).expect("JSON")] {
            let (source, _) = refusals(text.as_bytes());
            assert_eq!(source["format"], "conversation_details", "{text}: {source}");
            assert_eq!(source["tally"], json!({"conversation": 2}), "{text}: {source}");
            assert_eq!(source["anomalies"], json!([]), "{text}: {source}");
        }
    }
    let (source, _) = refusals(json!([one, {"requests": [request(403, 1)]}]).to_string().as_bytes());
    assert_eq!(source["tally"], json!({"recording_request": 1, "other_kind": 1}), "{source}");
}

#[test]
fn what_a_file_is_may_show_late() {
    let others = |count: usize| "2026-03-02 10:00:00 INFO app something happened\n".repeat(count);
    let requests = lines((0..6).map(|second| request(403, second)));
    let long = format!("{{\"note\":\"{}\"}}\n", "x".repeat(200 << 10));
    let mut first = request(403, 9);
    first["body"] = "x".repeat(200 << 10).into();
    let mut blob = conversation(1);
    blob["attributes"] = "z".repeat(100 << 10).into();
    // Keys are written in the order of the alphabet.
    for (name, bytes, records) in [
        ("a long line", format!("{long}{requests}").into_bytes(), 7),
        ("many lines", format!("{}{requests}", others(100)).into_bytes(), 106),
        ("very many lines", format!("{}{requests}", others(20_000)).into_bytes(), 20_006),
        ("UTF-16", utf16(&format!("{}{requests}", others(2_000))), 2_006),
        ("a long entry", json!([first, request(403, 1)]).to_string().into_bytes(), 2),
        ("a long conversation", json!({"conversations": [blob]}).to_string().into_bytes(), 1),
    ] {
        let (source, refused) = refusals(&bytes);
        assert_eq!(source["records"], records, "{name}: {source}");
        assert_eq!(source["bytes"], bytes.len(), "{name}");
        let digest: String = {
            use sha2::Digest as _;
            sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let digest = format!("sha256:{digest}");
        assert_eq!(source["digest"], digest, "{name}");
        let expected = if name == "a long entry" {
            2
        } else if name == "a long conversation" {
            0
        } else {
            6
        };
        assert_eq!(refused.len(), expected, "{name}");
        // The same through a pipe.
        let folder = tempfile::tempdir().expect("a folder");
        let piped = program_with(folder.path(), ["audit", "--format", "json", "-"], &bytes, &[]).report();
        assert_eq!(
            (&piped["evidence"][0]["records"], &piped["evidence"][0]["digest"]),
            (&records.into(), &digest.into()),
            "{name}"
        );
    }
}

#[test]
fn requests_in_text_that_is_no_log_are_told_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let evidence = folder.path().join("evidence");
    fs::create_dir(&evidence).expect("a folder");
    let quoted = format!("{}{}\n", "A text that quotes a log.\n".repeat(100), request(403, 1));
    fs::write(evidence.join("notes.txt"), quoted).expect("a file");
    let report = audit(folder.path(), &["evidence"]).report();
    let notice = list(&report["notices"]).iter().find(|notice| notice["code"] == "unread_requests").expect("a notice");
    assert!(notice["text"].as_str().is_some_and(|text| text.contains("notes.txt")), "{notice}");
    assert_eq!(report["evidence"][0]["anomalies"][0]["code"], "unread_requests", "{report}");
    let text = program(folder.path(), ["audit", "evidence"]).text();
    assert!(text.starts_with("NOTICE"), "{text}");
    // One member of an object is no list: it may be a part of it.
    let keyed = json!({"day": 1, "last": request(403, 1)});
    fs::write(evidence.join("keyed.json"), serde_json::to_string_pretty(&keyed).expect("JSON")).expect("a file");
    let named = audit(folder.path(), &["evidence/keyed.json"]);
    assert!(named.stderr.contains("1 of 1 records"), "{}", named.stderr);
    let named = audit(folder.path(), &["evidence/notes.txt"]);
    assert!(named.stderr.contains("1 of 101 records"), "{}", named.stderr);
}

/// What makes a record look like an entry of an export, or like a document of another form.
fn looks() -> Vec<Value> {
    let item =
        json!({"id": "r", "conversationId": "c", "media": "audio", "mediaUris": {"0": {"mediaUri": "https://m"}}});
    let har = json!({"log": {"version": "1.2", "creator": {}, "entries": [
        {"startedDateTime": "2026-03-02T12:00:00Z", "request": {"method": "GET", "url": "https://h/x"}, "response": {"status": 200}}]}});
    vec![
        json!({"callId": "one@x", "msg": "request completed"}),
        json!({"callId": "one@x", "sourceIp": "192.0.2.1", "destinationIp": "192.0.2.2", "msg": "INVITE sip:x SIP/2.0"}),
        json!({"callId": "one@x", "conversationId": "c", "cseq": "1 INVITE"}),
        json!({"conversationId": "c", "participants": []}),
        json!({"conversationId": "c", "id": "r", "mediaSubtype": "Trunk"}),
        json!({"trunkType": "EXTERNAL", "trunkBase": {"id": "b"}, "mediaModel": "x"}),
        json!({"resource": {"genesyscloud_x": {"y": {}}}}),
        json!({"entities": [{"id": "t", "trunkType": "EXTERNAL"}]}),
        json!({"data": [{"callid": "one@x", "msg": "INVITE sip:x SIP/2.0"}]}),
        json!({"run": {"executions": []}}),
        json!({"responseBody": [item]}),
        json!({"response": {"body": [item]}}),
        json!({"responseBody": {"conversations": [conversation(1)]}}),
        json!({"requestBody": har}),
    ]
}

#[test]
fn a_record_with_a_target_and_a_status_is_a_request_whatever_else_it_carries() {
    let plain = request(403, 1);
    for look in looks() {
        let mut both = request(403, 2);
        both.as_object_mut().expect("an object").extend(look.as_object().expect("an object").clone());
        for (name, text) in [
            ("lines", lines([both.clone(), both.clone(), both.clone()].into_iter())),
            ("a line among others", lines([plain.clone(), both.clone(), plain.clone()].into_iter())),
            ("one that is cut", format!("{both}\n{both}\n{both}\n{}", both.to_string().get(..40).expect("a part"))),
            ("an array", json!([both, both, both]).to_string()),
            ("an array among others", serde_json::to_string_pretty(&json!([plain, both, plain])).expect("JSON")),
            ("under a key", json!({"requests": [both, plain, both]}).to_string()),
        ] {
            let (source, records) = refusals(text.as_bytes());
            assert_eq!(source["kind"], "access_log", "{name}: {look}: {source}");
            assert_eq!(source["tally"]["recording_request"], 3, "{name}: {look}: {source}");
            assert_eq!(records.len(), 3, "{name}: {look}: {source}");
        }
    }
}

#[test]
fn what_a_file_is_is_told_record_by_record() {
    let trace = json!({"callid": "one@x", "date": "2026-03-02T10:00:00Z", "sourceIp": "192.0.2.1", "sourcePort": 5060,
        "destinationIp": "192.0.2.2", "destinationPort": 5060, "msg": "INVITE sip:x SIP/2.0\r\nCall-ID: one@x\r\n\r\n"});
    let requests = |count: u64| lines((0..count).map(|second| request(403, second)));
    let page = json!({"events": [request(403, 1), request(403, 2)]});
    let exchange = |number: u64| {
        json!({"startedDateTime": "2026-03-02T12:00:00Z", "request": {"method": "GET", "headers": [],
            "url": format!("https://h/api/v2/recordings/r{number}")}, "response": {"status": 403, "headers": [], "content": {}}})
    };
    let har = json!({"log": {"version": "1.2", "creator": {}, "entries": [exchange(1), exchange(2)]}});
    let pretty = serde_json::to_string_pretty(&har).expect("JSON");
    for (name, text, refused, others) in [
        ("an export's entry before lines", format!("{}\n{}", conversation(1), requests(20)), 20, 1),
        ("an export's entries behind lines", format!("{}{}\n{trace}\n", requests(3), conversation(1)), 3, 2),
        ("a trace in a list", json!([request(403, 1), trace, request(403, 2)]).to_string(), 2, 1),
        ("a page among lines", format!("{}{page}\n{}", requests(2), requests(1)), 5, 0),
        ("a HAR before lines", format!("{har}\n{}", requests(3)), 5, 0),
        ("a HAR behind lines", format!("{}{har}\n", requests(3)), 5, 0),
        ("a HAR on many lines", format!("{pretty}\n{}", requests(3)), 5, 0),
        ("HARs on lines", format!("{har}\n{har}\n"), 4, 0),
        ("records under a wrapper's name", json!({"data": [request(403, 1), request(403, 2)]}).to_string(), 2, 0),
        ("lines of them", lines((0..3).map(|_| json!({"data": [request(403, 1), request(403, 2)]}))), 6, 0),
    ] {
        let (source, records) = refusals(text.as_bytes());
        assert_eq!((&source["kind"], records.len()), (&"access_log".into(), refused), "{name}: {source}");
        assert_eq!(source["tally"]["other_kind"].as_u64().unwrap_or(0), others, "{name}: {source}");
        let total: u64 = source["tally"].as_object().expect("a tally").values().filter_map(Value::as_u64).sum();
        assert_eq!(
            (total, total),
            (refused as u64 + others, source["records"].as_u64().unwrap_or(0)),
            "{name}: {source}"
        );
    }
    // Behind what is looked at first the kind of the file holds, and says what it does not read.
    let mut long = conversation(1);
    long["attributes"] = "z".repeat(5 << 10).into();
    let (source, _) = refusals(format!("{}{}", lines((0..30).map(|_| long.clone())), requests(2)).as_bytes());
    assert_eq!(source["tally"], json!({"conversation": 30, "other_kind": 2}), "{source}");
    assert_eq!(source["anomalies"][0]["first_record"], 31, "{source}");
}

#[test]
fn records_of_another_kind_are_told_first() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("both.log"), format!("{}\n{}\n", request(403, 1), conversation(1))).expect("a file");
    let report = audit(folder.path(), &["both.log"]).report();
    let notice = list(&report["notices"]).iter().find(|notice| notice["code"] == "other_kind").expect("a notice");
    assert!(notice["text"].as_str().is_some_and(|text| text.contains("both.log")), "{notice}");
    assert!(!report["notices"].to_string().contains("unread_requests"), "{report}");
}

#[test]
fn requests_among_whole_records_of_a_program_are_read() {
    let others =
        |count: u64| lines((0..count).map(|n| json!({"level": "info", "msg": format!("x{n}"), "callId": "one@x"})));
    for between in [15, 16, 100, 2_000] {
        let text: String = (0..3).map(|second| format!("{}\n{}", request(403, second), others(between))).collect();
        let (source, records) = refusals(text.as_bytes());
        let expected = json!({"recording_request": 3, "not_a_request": 3 * between});
        assert_eq!((&source["tally"], records.len()), (&expected, 3), "{between}: {source}");
    }
    let (source, records) = refusals(format!("{}{}\n", others(3_000), request(403, 1)).as_bytes());
    assert_eq!((&source["format"], records), (&"json_lines".into(), vec![3_001]), "{source}");
}

#[test]
fn what_a_store_of_logs_puts_into_arrays_is_the_records_own() {
    // Elasticsearch's `fields` hold each value in an array.
    let [time, method, path, status] = ["@timestamp", "http.request.method", "url.path", "http.response.status_code"];
    let fields =
        json!({ time: ["2026-03-02T10:01:00Z"], method: ["GET"], path: ["/api/v2/recordings/1"], status: [403] });
    let answer = json!({ "hits": { "hits": [{ "_id": "1", "fields": fields }] } });
    let (row, records) = refusals(answer.to_string().as_bytes());
    assert_eq!((&row["kind"], records.as_slice()), (&json!("access_log"), &[1][..]), "{row}");
}
