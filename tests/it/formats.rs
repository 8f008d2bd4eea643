//! One incident, its access log written in every format: the same verdicts, whoever wrote the log.
//!
//! Each row of [`forms`] writes the same requests; the report must conclude of them what it concludes of plain JSON
//! lines. What a format cannot hold (a fraction of the second, who asked beside an address) no request here has.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::run::audit;
use crate::support::scene::{START_US, Scene};
use crate::support::{here, laws};

const CALLS: &str = r#"
purpose = ""
clause = ""
calls = [
  { call_id = "blocked@x", from = "carrier", to = "platform", answer_headers = ["x-inin-cnv: c0ffee01-0000-4000-8000-000000000001"] },
  { call_id = "granted@x", from = "carrier", to = "platform", at = 30, consent = "true" },
  { call_id = "served@x", from = "carrier", to = "platform", at = 60, answer_headers = ["x-inin-cnv: c0ffee01-0000-4000-8000-000000000003"] },
  { call_id = "allowed/1@x", from = "carrier", to = "platform", at = 90, consent = "true" },
  { call_id = "never@x", from = "carrier", to = "platform", at = 120 },
]
"#;

/// One request: seconds from the start, method, path, query, status.
#[derive(Clone, Copy)]
struct Asked(i64, &'static str, &'static str, &'static str, u16);

const ASKED: [Asked; 10] = [
    Asked(200, "GET", "/health", "", 200),
    Asked(201, "GET", "/api/v2/conversations/c0ffee01-0000-4000-8000-000000000001/recordings", "maxWaitMs=5000", 403),
    Asked(202, "GET", "/gw/v1/recordings", "callId=granted%40x", 403),
    Asked(203, "GET", "/api/v2/conversations/C0FFEE01-0000-4000-8000-000000000003/recordings/r1", "formatId=WAV", 200),
    Asked(204, "GET", "/gw/v1/recordings/allowed%2F1%40x", "", 200),
    Asked(205, "GET", "/api/v2/recordings", "filter=trunkId:6d1f0a52-9f0e-4c57-8d0c-2f6f0f5a1b01", 403),
    Asked(206, "GET", "/api/v2/recordings/", "", 403),
    Asked(207, "POST", "/api/v2/recording/jobs", "", 202),
    Asked(208, "PUT", "/api/v2/users/me", "", 403),
    Asked(209, "OPTIONS", "/gw/v1/recordings/allowed%2F1%40x", "", 204),
];

const CLIENT: &str = "198.51.100.7";

impl Asked {
    fn at(self) -> Timestamp {
        Timestamp::from_microsecond(START_US + self.0 * 1_000_000).expect("a time in range")
    }

    fn time(self, form: &str) -> String {
        self.at().strftime(form).to_string()
    }

    fn iso(self) -> String {
        self.time("%Y-%m-%dT%H:%M:%SZ")
    }

    fn clf(self) -> String {
        self.time("%d/%b/%Y:%H:%M:%S +0000")
    }

    fn target(self) -> String {
        let Self(_, _, path, query, _) = self;
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    fn line(self) -> String {
        format!("{} {} HTTP/1.1", self.1, self.target())
    }

    /// A field that a format leaves out as `-`.
    fn query(self) -> &'static str {
        if self.3.is_empty() { "-" } else { self.3 }
    }

    fn common(self) -> String {
        format!("{CLIENT} - - [{}] \"{}\" {} 512", self.clf(), self.line(), self.4)
    }

    fn combined(self) -> String {
        format!("{} \"-\" \"app/1.0\"", self.common())
    }

    fn flat(self) -> Value {
        json!({"time": self.iso(), "client_ip": CLIENT, "method": self.1, "uri": self.target(), "status": self.4})
    }

    fn haproxy(self) -> String {
        format!(
            "{CLIENT}:4711 [{}] in~ api/srv1 0/0/1/5/6 {} 512 - - ---- 1/1/0/0/0 0/0 {{api.example|}} {{}} \"{}\"",
            self.time("%d/%b/%Y:%H:%M:%S.000"),
            self.4,
            self.line()
        )
    }

    fn envoy(self, more: &str) -> String {
        format!(
            "[{}] \"{}\" {} - {more}0 512 5 4 \"{CLIENT}\" \"app/1.0\" \"-\" \"api.example\" \"10.0.0.1:443\"",
            self.time("%Y-%m-%dT%H:%M:%S.000Z"),
            self.line(),
            self.4
        )
    }
}

/// A way to write the log: its name here, the report's word for it, what stands first, and a line.
type Form = (&'static str, &'static str, &'static str, fn(Asked) -> String);

const IIS: &str = "#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n#Date: 2026-03-02 10:00:00\n\
                   #Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) \
                   cs(Referer) sc-status sc-substatus sc-win32-status time-taken\n";
const EDGE: &str = "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status \
                    cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type\n";

/// The formats.
fn forms() -> Vec<Form> {
    vec![
        ("json lines", "json_lines", "", |one| one.flat().to_string()),
        ("ecs", "json_lines", "", |one| {
            json!({"@timestamp": one.iso(), "http": {"request": {"method": one.1}, "response": {"status_code": one.4.to_string()}},
                   "url": {"path": one.2, "query": one.3}, "client": {"ip": CLIENT}})
            .to_string()
        }),
        ("caddy", "json_lines", "", |one| {
            json!({"level": "info", "ts": one.at().as_second() as f64 + 0.0, "logger": "http.log.access", "msg": "handled request",
                   "request": {"remote_ip": CLIENT, "method": one.1, "uri": one.target(), "headers": {"Accept": ["*/*"]}},
                   "duration": 0.002, "status": one.4, "resp_headers": {"Server": ["Caddy"]}})
            .to_string()
        }),
        ("traefik", "json_lines", "", |one| {
            json!({"ClientAddr": format!("{CLIENT}:4711"), "ClientHost": CLIENT, "ClientUsername": "-", "DownstreamStatus": one.4,
                   "Duration": 17, "OriginStatus": one.4, "RequestMethod": one.1, "RequestPath": one.target(),
                   "StartUTC": one.iso(), "level": "info", "msg": "", "time": one.iso()})
            .to_string()
        }),
        ("cloudflare", "json_lines", "", |one| {
            json!({"ClientIP": CLIENT, "ClientRequestMethod": one.1, "ClientRequestURI": one.target(),
                   "EdgeStartTimestamp": one.at().as_nanosecond() as i64, "EdgeResponseStatus": one.4})
            .to_string()
        }),
        ("fastly", "json_lines", "", |one| {
            let record = json!({"timestamp": one.time("%Y-%m-%dT%H:%M:%S+0000"), "client_ip": CLIENT, "url": one.target(),
                                "request_method": one.1, "response_status": one.4});
            format!("<134>{} cache-1 s3logs[1]: {record}", one.time("%Y-%m-%dT%H:%M:%SZ"))
        }),
        ("api gateway", "json_lines", "", |one| {
            json!({"requestTime": one.clf(), "ip": CLIENT, "httpMethod": one.1, "path": one.2, "queryString": one.3,
                   "resourcePath": "/{proxy+}", "status": one.4.to_string()})
            .to_string()
        }),
        ("envoy json", "json_lines", "", |one| {
            json!({"start_time": one.iso(), "method": one.1, "path": one.target(), "response_code": one.4, "response_flags": "-",
                   "downstream_remote_address": format!("{CLIENT}:4711"), "upstream_host": null})
            .to_string()
        }),
        ("cloudfront json", "json_lines", "", |one| {
            json!({"date": one.time("%Y-%m-%d"), "time": one.time("%H:%M:%S"), "c-ip": CLIENT, "cs-method": one.1,
                   "cs-uri-stem": one.2, "cs-uri-query": one.query(), "sc-status": one.4.to_string()})
            .to_string()
        }),
        ("epoch milliseconds", "json_lines", "", |one| {
            json!({"ts": one.at().as_millisecond(), "ip": CLIENT, "request": one.line(), "status": one.4}).to_string()
        }),
        ("epoch microseconds as text", "json_lines", "", |one| {
            json!({"ts": one.at().as_microsecond().to_string(), "ip": CLIENT, "request": one.line(), "status": one.4})
                .to_string()
        }),
        ("common", "common", "", Asked::common),
        ("combined", "combined", "", Asked::combined),
        ("combined with a virtual host", "combined", "", |one| format!("api.example:443 {}", one.combined())),
        ("combined and more", "combined", "", |one| {
            format!("{} \"-\" rt=0.002 5e6dd5e995b61e467dd5bbbe7b03d0e{}", one.combined(), one.0 % 10)
        }),
        ("traefik's common", "combined", "", |one| {
            format!("{} 12 \"r@docker\" \"http://10.0.0.1\" 1ms", one.combined())
        }),
        ("combined behind syslog", "combined", "", |one| format!("Mar  2 10:03:20 web1 nginx: {}", one.combined())),
        ("combined behind RFC 5424", "combined", "", |one| {
            format!("<190>1 {} web1 nginx 77 - [a@1 b=\"c\"] {}", one.iso(), one.combined())
        }),
        ("combined in docker's JSON", "combined", "", |one| {
            json!({"log": format!("{}\n", one.combined()), "stream": "stdout", "time": "2026-03-02T11:00:00Z"})
                .to_string()
        }),
        ("json in the journal", "json_lines", "", |one| {
            let mut record = one.flat();
            record.as_object_mut().expect("an object").remove("time");
            json!({"__REALTIME_TIMESTAMP": "1", "time": one.iso(), "_COMM": "gateway", "MESSAGE": record.to_string()})
                .to_string()
        }),
        ("json of a container", "json_lines", "", |one| {
            format!("2026-03-02T11:00:00.123456789+01:00 stdout F {}", one.flat())
        }),
        ("json of docker compose", "json_lines", "", |one| format!("gateway-1  | {}", one.flat())),
        ("iis", "w3c", IIS, |one| {
            format!(
                "{} 10.0.0.1 {} {} {} 443 - {CLIENT} app/1.0+(x) - {} 0 0 5",
                one.time("%Y-%m-%d %H:%M:%S"),
                one.1,
                one.2,
                one.query(),
                one.4
            )
        }),
        ("cloudfront", "cloudfront", EDGE, |one| {
            format!(
                "{}\tFRA1\t512\t{CLIENT}\t{}\tapi.example\t{}\t{}\t-\tapp/1.0%20(x)\t{}\t-\tMiss",
                one.time("%Y-%m-%d\t%H:%M:%S"),
                one.1,
                one.2.replace('%', "%25"),
                one.4,
                one.query().replace('%', "%25")
            )
        }),
        ("cloudfront without its header", "cloudfront", "", |one| {
            let more = "\t-".repeat(18);
            format!(
                "{}\tFRA1\t512\t{CLIENT}\t{}\tapi.example\t{}\t{}\t-\tapp/1.0%20(x)\t{}\t-\tMiss\t-{more}",
                one.time("%Y-%m-%d\t%H:%M:%S"),
                one.1,
                one.2.replace('%', "%25"),
                one.4,
                one.query().replace('%', "%25")
            )
        }),
        ("alb", "aws_alb", "", |one| {
            format!(
                "https {} app/lb/50dc6c49 {CLIENT}:4711 10.0.0.1:80 0.000 0.001 0.000 {} {} 34 512 \"{} https://api.example:443{} \
                 HTTP/1.1\" \"app/1.0\" ECDHE TLSv1.2 arn:aws:tg \"-\" \"api.example\" \"arn:aws:acm\" 1 {} \"forward\" \"-\" \
                 \"-\" \"10.0.0.1:80\" \"403\" \"-\" \"-\"",
                one.time("%Y-%m-%dT%H:%M:%S.000000Z"),
                one.4,
                one.4,
                one.1,
                one.target(),
                one.time("%Y-%m-%dT%H:%M:%S.000000Z")
            )
        }),
        ("elb", "aws_elb", "", |one| {
            format!(
                "{} lb {CLIENT}:4711 10.0.0.1:80 0.000 0.001 0.000 {} {} 0 512 \"{} https://api.example:443{} HTTP/1.1\" \"app\" - -",
                one.time("%Y-%m-%dT%H:%M:%S.000000Z"),
                one.4,
                one.4,
                one.1,
                one.target()
            )
        }),
        ("s3", "aws_s3", "", |one| {
            format!(
                "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be bucket [{}] {CLIENT} - 3E57427F{} REST.GET.OBJECT \
                 key \"{}\" {} - 512 - 7 - \"-\" \"app/1.0\" -",
                one.clf(),
                one.0,
                one.line(),
                one.4
            )
        }),
        ("haproxy", "haproxy", "", Asked::haproxy),
        ("haproxy behind syslog", "haproxy", "", |one| {
            format!("<134>Mar  2 10:03:20 lb1 haproxy[77]: {}", one.haproxy())
        }),
        ("envoy", "envoy", "", |one| one.envoy("")),
        ("istio", "envoy", "", |one| one.envoy("via_upstream - \"-\" ")),
        ("logfmt", "logfmt", "", |one| {
            format!(
                "ts={} level=info msg=\"request done\" method={} uri=\"{}\" client_ip={CLIENT} status={}",
                one.iso(),
                one.1,
                one.target(),
                one.4
            )
        }),
        ("logfmt behind syslog", "logfmt", "", |one| {
            format!(
                "<158>1 {} host heroku router - at=info method={} path=\"{}\" fwd=\"{CLIENT}\" client_ip={CLIENT} status={}",
                one.iso(),
                one.1,
                one.target(),
                one.4
            )
        }),
        ("csv", "csv", "time,client_ip,method,uri,status\r\n", |one| {
            format!("{},{CLIENT},{},{},{}\r", one.iso(), one.1, one.target(), one.4)
        }),
        (
            "csv in another order, quoted",
            "csv",
            "\"Status Code\";\"Request URI\";\"Note\";\"Method\";\"Client IP\";\"Date\";\"Time\"\n",
            |one| {
                format!(
                    "{};\"{}\";\"a;\"\"b\nc\";{};{CLIENT};{}",
                    one.4,
                    one.target(),
                    one.1,
                    one.time("%Y-%m-%d;%H:%M:%S")
                )
            },
        ),
        (
            "tab-separated",
            "csv",
            "@timestamp\tclient.ip\thttp.request.method\turl.original\thttp.response.status_code\n",
            |one| format!("{}\t{CLIENT}\t{}\t{}\t{}", one.at().as_second(), one.1, one.target(), one.4),
        ),
    ]
}

/// What is concluded, without what a format adds: the scheme and host of a target, and who answered.
fn concluded(report: &Value) -> Value {
    let mut said =
        json!({"summary": report["summary"], "complete": report["complete"], "legs": [], "unbound": [], "trunks": []});
    let request = |request: &Value| {
        let target = request["target"].as_str().unwrap_or_default().replace("https://api.example:443", "");
        let at = request["at"].as_str().unwrap_or_default().split(['.', 'Z']).next().unwrap_or_default().to_owned();
        json!([at, request["method"], target, request["status"], request["client"], request["link"], request["reason"]])
    };
    let requests = |list: &Value| list.as_array().into_iter().flatten().map(request).collect::<Vec<_>>();
    for call in report["calls"].as_array().into_iter().flatten() {
        for leg in call["legs"].as_array().into_iter().flatten() {
            let row = json!([leg["call_id"], leg["verdict"], requests(&leg["requests"])]);
            said["legs"].as_array_mut().expect("a list").push(row);
        }
    }
    said["unbound"] = requests(&report["unbound_refusals"]).into();
    for trunk in report["trunks"].as_array().into_iter().flatten() {
        let row = json!([trunk["name"], trunk["requests"], requests(&trunk["refusals"])]);
        said["trunks"].as_array_mut().expect("a list").push(row);
    }
    let weighed = report["diagnosis"].as_array().into_iter().flatten();
    let weighed = weighed.filter(|one| one["hypothesis"] != "gateway_refusal");
    said["diagnosis"] =
        weighed.map(|one| json!([one["trunk"], one["hypothesis"], one["status"], one["counts"]])).collect();
    said
}

/// The report on the calls with `log` as the access log.
fn report(log: &[u8]) -> (Value, Option<i32>) {
    let folder = tempfile::tempdir().expect("a folder");
    Scene::parse(CALLS).expect("a scene").evidence().write_to(folder.path());
    std::fs::write(folder.path().join("log"), log).expect("the log can be written");
    let config = here(crate::calls::CONFIG);
    let run = audit(folder.path(), &["--config", &config.to_string_lossy(), "capture.pcap", "log"]);
    (run.report(), run.code)
}

/// The log of the incident in one form.
fn log(form: &Form) -> String {
    let (.., head, line) = form;
    let lines: String = ASKED.iter().map(|one| line(*one) + "\n").collect();
    format!("{head}{lines}")
}

#[test]
fn the_incident_is_concluded_the_same_in_every_format() {
    let forms = forms();
    let (plain, code) = report(log(&forms[0]).as_bytes());
    let wanted = concluded(&plain);
    assert_eq!(code, Some(1));
    let verdicts: Vec<&str> =
        wanted["legs"].as_array().expect("legs").iter().filter_map(|leg| leg[1].as_str()).collect();
    assert_eq!(verdicts, ["blocked_unconsented", "blocked_consented", "exposed_unconsented", "clear", "unconsented"]);
    assert_eq!(plain["summary"]["requests"]["total"], 10);
    assert_eq!(wanted["unbound"].as_array().map(Vec::len), Some(1));
    let mut found = Vec::new();
    for form in &forms {
        let (name, word, ..) = form;
        let (report, _) = report(log(form).as_bytes());
        let is = concluded(&report);
        for part in ["complete", "summary", "legs", "unbound", "trunks", "diagnosis"] {
            if is[part] != wanted[part] {
                found.push(format!("{name}: {part}: {}\nwanted {}", is[part], wanted[part]));
            }
        }
        let source = &report["evidence"][1];
        if source["format"] != *word || source["anomalies"] != json!([]) {
            found.push(format!("{name}: format {}, anomalies {}", source["format"], source["anomalies"]));
        }
        found.extend(laws::broken(&report, code).into_iter().map(|law| format!("{name}: law broken: {law}")));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_log_may_change_its_format_anywhere() {
    let forms = forms();
    let wanted = concluded(&report(log(&forms[0]).as_bytes()).0);
    // One line in each form that needs no header, in turn, then tables one behind the other.
    let mixed: String = ASKED
        .iter()
        .enumerate()
        .map(|(place, one)| {
            let (.., head, line) = forms[(place * 7 + 3) % forms.len()];
            format!("{head}{}\n", line(*one))
        })
        .collect();
    let is = concluded(&report(mixed.as_bytes()).0);
    for part in ["summary", "legs", "unbound", "trunks"] {
        assert_eq!(is[part], wanted[part], "{part}\n{mixed}");
    }
}

#[test]
fn logs_of_windows_tools_are_read() {
    let forms = forms();
    let wanted = concluded(&report(log(&forms[0]).as_bytes()).0);
    for name in ["iis", "json lines", "csv"] {
        let form = forms.iter().find(|form| form.0 == name).expect(name);
        let text = log(form).replace('\n', "\r\n").replace("\r\r", "\r");
        let units: Vec<u16> = text.encode_utf16().collect();
        let bytes = |order: fn(u16) -> [u8; 2], mark: bool| -> Vec<u8> {
            mark.then_some(0xfeff).into_iter().chain(units.iter().copied()).flat_map(order).collect()
        };
        let spellings = [
            ("UTF-8 with a mark", format!("\u{feff}{text}").into_bytes()),
            ("UTF-16 LE with a mark", bytes(u16::to_le_bytes, true)),
            ("UTF-16 LE", bytes(u16::to_le_bytes, false)),
            ("UTF-16 BE with a mark", bytes(u16::to_be_bytes, true)),
            ("UTF-16 BE", bytes(u16::to_be_bytes, false)),
        ];
        for (spelling, log) in spellings {
            let (report, _) = report(&log);
            let is = concluded(&report);
            for part in ["complete", "summary", "legs", "unbound", "trunks"] {
                assert_eq!(is[part], wanted[part], "{name} as {spelling}: {part}");
            }
            assert_eq!(report["evidence"][1]["format"], form.1, "{name} as {spelling}");
            let bytes = report["evidence"][1]["bytes"].as_u64();
            assert_eq!(bytes, Some(log.len() as u64), "{name} as {spelling}: the bytes are the file's");
        }
    }
}
