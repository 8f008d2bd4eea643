//! What gives access, in each kind of export and log: it is in no report of any format, and what stands beside it is.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::run::program;

/// What must never reach a report.
const SECRET: &str = "S3CR3T";

const CALL_ID: &str = "a84b4c76e66710@pc33.example";
const CONVERSATION: &str = "c0ffee01-0000-4000-8000-000000000001";
const TRUNK: &str = "6d1f0a52-9f0e-4c57-8d0c-2f6f0f5a1b01";

/// An INVITE with credentials, and its answers, as the platform's trace has them.
fn traces() -> Value {
    let record = |second: u32, towards_platform: bool, msg: String| {
        let ends = [("203.0.113.10", "5060"), ("192.0.2.10", "5060")];
        let [source, destination] = if towards_platform { ends } else { [ends[1], ends[0]] };
        json!({"date": format!("2026-03-02T10:00:{second:02}.000Z"), "callid": CALL_ID, "conversationId": CONVERSATION,
               "sourceIp": source.0, "sourcePort": source.1, "destinationIp": destination.0, "destinationPort": destination.1,
               "msg": msg})
    };
    let head = |start: &str, cseq: &str, more: &str| {
        format!(
            "{start}\r\nVia: SIP/2.0/UDP 203.0.113.10;branch=z9hG4bK1\r\nFrom: <sip:+12025550123@203.0.113.10>;tag=1\r\n\
             To: <sip:+12025550100@sg1.byoc.mypurecloud.com>{}\r\nCall-ID: {CALL_ID}\r\nCSeq: {cseq}\r\n{more}Content-Length: 0\r\n\r\n",
            if start.starts_with("INVITE") { "" } else { ";tag=2" }
        )
    };
    let credentials = format!(
        "Proxy-Authorization: Digest username=\"{SECRET}-user\",\r\n response=\"{SECRET}-response\"\r\nAUTHORIZATION: Basic {SECRET}\r\n"
    );
    let target = "sip:+12025550100@sg1.byoc.mypurecloud.com";
    json!({"status": 200, "data": [
        record(0, true, head(&format!("INVITE {target} SIP/2.0"), "1 INVITE", &credentials)),
        record(1, false, head("SIP/2.0 200 OK", "1 INVITE", "")),
        record(2, true, head(&format!("ACK {target} SIP/2.0"), "1 ACK", "")),
        record(20, true, head(&format!("BYE {target} SIP/2.0"), "2 BYE", "")),
    ]})
}

/// Every kind of evidence that may hold secrets: its name, what of it a report shows, and its text.
fn evidence() -> Vec<(&'static str, &'static str, String)> {
    let conversations = json!({"conversations": [{
        "conversationId": CONVERSATION, "conversationStart": "2026-03-02T10:00:00.000Z", "conversationEnd": "2026-03-02T10:00:20.000Z",
        "divisionIds": ["division-1"], "externalTag": format!("{SECRET}-tag"),
        "participants": [{"participantId": "p", "purpose": "customer", "participantName": format!("{SECRET}-name"),
            "attributes": {"pin": format!("{SECRET}-pin"), "cardNumber": format!("{SECRET}-card")},
            "sessions": [{"mediaType": "voice", "protocolCallId": CALL_ID, "recording": true, "ani": format!("tel:{SECRET}"),
                "segments": [{"queueId": "queue-1", "segmentType": "interact", "properties": [{"value": SECRET}]}]}]}]}]});
    let property = |value: &str| json!({"value": {"instance": value}});
    let trunk = json!({"id": TRUNK, "name": "SG1 at the edge", "trunkType": "EXTERNAL", "trunkMetabase": {"id": "external_sip_pcv_byoc_carrier.json"},
        "properties": {"trunk_recording_enabled": {"value": {"instance": false}},
            "trunk_sip_authentication_credentials_username": property(&format!("{SECRET}-user")),
            "trunk_sip_authentication_credentials_password": property(&format!("{SECRET}-password")),
            "trunk_sip_authentication_credentials_realm": property(&format!("{SECRET}-realm"))}});
    let state = json!({"version": 4, "terraform_version": "1.9.8", "resources": [{"mode": "managed", "name": "a",
        "type": "genesyscloud_telephony_providers_edges_trunkbasesettings",
        "instances": [{"attributes": {"id": TRUNK, "name": "SG1", "trunk_meta_base_id": "external_sip_pcv_byoc_carrier.json",
            "properties": json!({"trunk_sip_authentication_credentials_password": property(&format!("{SECRET}-password"))}).to_string()},
            "sensitive_attributes": [SECRET]}]}], "outputs": {"token": {"value": SECRET, "sensitive": true}}});
    let hcl = format!(
        "provider \"genesyscloud\" {{\n  oauthclient_secret = \"{SECRET}-client\"\n}}\n\
         resource \"genesyscloud_telephony_providers_edges_trunkbasesettings\" \"a\" {{\n  name = \"SG1\"\n  \
         trunk_meta_base_id = \"external_sip_pcv_byoc_carrier.json\"\n  properties = jsonencode({{ \
         \"trunk_sip_authentication_credentials_password\" = {{ \"value\" = {{ \"instance\" = \"{SECRET}\" }} }} }})\n}}\n"
    );
    let recordings = json!([{"id": "r1", "conversationId": CONVERSATION, "media": "audio", "fileState": "AVAILABLE",
        "startTime": "2026-03-02T10:00:01.000Z", "endTime": "2026-03-02T10:00:19.000Z", "path": format!("s3://{SECRET}"),
        "mediaUris": {"0": {"mediaUri": format!("https://m/x?Signature={SECRET}"), "waveformData": [SECRET]}},
        "annotations": [{"description": SECRET}], "users": [{"name": format!("{SECRET}-name")}]}]);
    let flow = format!(
        "inboundCall:\n  name: Main\n  description: {SECRET}-description\n  variables:\n    - secure:\n        name: {SECRET}\n  \
         settingsSpeechRec:\n    suppressRecording: true\n"
    );
    let logged = json!({"time": "2026-03-02T10:00:30Z", "method": "GET", "status": 403, "client_id": "crm-sync",
        "uri": format!("/api/v2/conversations/{CONVERSATION}/recordings?access_token={SECRET}&maxWaitMs=5000"),
        "headers": {"Authorization": format!("Bearer {SECRET}"), "Cookie": format!("session={SECRET}")},
        "request_body": json!({"password": SECRET}).to_string(), "response_body": json!({"code": "missing.permissions",
            "message": format!("not for {SECRET}"), "mediaUri": format!("https://m/{SECRET}")}).to_string()});
    vec![
        ("conversation_details", "division-1", conversations.to_string()),
        ("telephony_settings", "\"inventory\"", json!({"entities": [trunk]}).to_string()),
        ("terraform", "\"inventory\"", state.to_string()),
        ("terraform", "\"inventory\"", hcl),
        ("recording_metadata", "recording_metadata", recordings.to_string()),
        ("call_flow", "call_flow", flow),
        ("sip_traces", CALL_ID, traces().to_string()),
        ("json_lines", "crm-sync", logged.to_string()),
    ]
}

#[test]
fn no_secret_of_an_export_or_a_log_reaches_a_report() {
    let config = format!(
        "[[trunk]]\nname = \"SG1\"\nkind = \"byoc\"\nid = \"{TRUNK}\"\naddresses = [\"203.0.113.0/24\"]\nplatform_addresses = [\"192.0.2.0/24\"]\n"
    );
    for (format, shown, text) in evidence() {
        assert!(text.contains(SECRET), "{format}: nothing is hidden in it");
        let folder = TempDir::new().expect("a folder");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
        write("site.toml", &config);
        fs::create_dir(folder.path().join("evidence")).expect("a folder");
        // Beside the call, which the export may say something of.
        write("evidence/traces.json", &traces().to_string());
        if format != "sip_traces" {
            write("evidence/export", &text);
        }
        let endings = ["json", "ndjson", "csv", "md", "html", "txt"];
        let names: Vec<String> = endings.iter().map(|ending| format!("report.{ending}")).collect();
        let mut arguments = vec!["audit", "-c", "site.toml", "--show", "all", "-v"];
        for name in &names {
            arguments.extend(["-o", name]);
        }
        arguments.push("evidence");
        let run = program(folder.path(), arguments);
        assert!(matches!(run.code, Some(0..=3)), "{format}: {}", run.ending());
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("a report");
        let json = read("report.json");
        assert!(json.contains(&format!("\"format\": \"{format}\"")), "{format} is not what it was taken for\n{json}");
        assert!(json.contains(shown), "{format}: `{shown}` is lost");
        for name in &names {
            assert!(!read(name).contains(SECRET), "{format}: {name} shows a secret");
        }
        assert!(read("report.html").contains("Proxy-Authorization: …"), "the ladder shows the header section");
        let ladder = program(folder.path(), ["show", "-c", "site.toml", "-v", CALL_ID, "evidence"]);
        assert_eq!(ladder.code, Some(0), "{}", ladder.ending());
        assert!(
            !ladder.text().contains(SECRET) && !run.stderr.contains(SECRET),
            "{format}: the terminal shows a secret"
        );
    }
}
