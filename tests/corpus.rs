//! The program held against captures and logs of many makers, and against what an independent reader saw in them.
//!
//! The corpus is not part of the repository. It is looked for at `SIPCONSENT_CORPUS`, else beside the package in
//! `../shared/corpus`; where it is absent the tests say so in one line and pass, unless `CI` or
//! `SIPCONSENT_REQUIRE_CORPUS` is set. Run with `--nocapture` to see each file that was compared, and each that was
//! set aside and why.

#[path = "it/support/normalised.rs"]
mod normalised;
#[expect(dead_code, reason = "shared with the other test target, which uses all of it")]
#[path = "it/support/run.rs"]
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use sipconsent::Settings;
use sipconsent::access_log::{Format, LogSum};
use sipconsent::evidence::Timestamp;
use sipconsent::settings::AccessLog;

use run::{Run, audit};

/// Captures with INVITEs in IP fragments (`ip.fragments` in tshark): a message there has several packets.
const FRAGMENTED: [&str; 7] = [
    "sip/lab__siprec-basic-calls-30-udp-unfinished.pcap",
    "sip/lab__siprec-broadworks-3way-udp-reinvite-unanswered.pcap",
    "sip/lab__siprec-loreste-hold-resume-udp.pcap",
    "sip/master_thesis_files__covert-tc-03_suricata.pcap",
    "sip/master_thesis_files__covert-uac_train_model.pcap",
    "sip/sip_captures__private-test-sip-2.pcapng",
    "sip/wireshark__gprshome-sip.pcap",
];

/// Files of `log/` that are no access log of lines: documents, logs without requests, a program's own text.
const NO_LINES: [&str; 11] = [
    "log/PerfCascade__browsertime_sitespeed.io.har",
    "log/PerfCascade__capture-har_cnn.har",
    "log/PerfCascade__firefox_www.nghttp2.org.har",
    "log/haralyzer__humanssuck.net.har",
    "log/haralyzer__multi_test_1.har",
    "log/haralyzer__single_entry.har",
    "log/hub__freeswitch-bf.log",
    "log/hub__pfsense-rfc5424-nginx.log",
    "log/hub__zoraxy.log",
    "log/lambda-promtail__nlbaccesslog.log.gz",
    "log/lnav__logfile_json_invalid.json",
];

/// A CloudFront log of streams, whose columns hold no status.
const NO_STATUS: &str = "log/matomo-log-analytics__amazon_cloudfront_rtmp.log";
/// Documents whose entries an independent reader counted.
const DOCUMENTS: [&str; 6] = [
    "log/PerfCascade__browsertime_sitespeed.io.har",
    "log/PerfCascade__capture-har_cnn.har",
    "log/PerfCascade__firefox_www.nghttp2.org.har",
    "log/haralyzer__humanssuck.net.har",
    "log/haralyzer__multi_test_1.har",
    "log/haralyzer__single_entry.har",
];

/// The corpus, or `None` where it is absent and may be.
fn corpus() -> Option<PathBuf> {
    let set = std::env::var_os("SIPCONSENT_CORPUS").map(PathBuf::from);
    let folder = set.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"));
    if folder.join("CATALOG.tsv").is_file() {
        return Some(folder);
    }
    let required = ["CI", "SIPCONSENT_REQUIRE_CORPUS"].iter().any(|name| std::env::var_os(name).is_some());
    assert!(!required, "no corpus at {}: set SIPCONSENT_CORPUS", folder.display());
    say(&format!("no corpus at {}: nothing was compared", folder.display()));
    None
}

#[expect(clippy::print_stdout, reason = "the tests name what they compared")]
fn say(text: &str) {
    println!("{text}");
}

/// The rows of a table with their columns by name.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().trim_start_matches('#').split('\t').collect();
    lines
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            names.iter().zip(line.split('\t')).map(|(name, cell)| ((*name).to_owned(), cell.to_owned())).collect()
        })
        .collect()
}

/// One file of the catalogue.
struct Entry {
    path: String,
    file_type: String,
    link: String,
    packets: u64,
    special: String,
}

fn catalogue(corpus: &Path) -> Vec<Entry> {
    let entries: Vec<Entry> = table(&corpus.join("CATALOG.tsv"))
        .into_iter()
        .map(|mut row| {
            let mut take = |name: &str| row.remove(name).unwrap_or_else(|| panic!("no column {name}"));
            Entry {
                path: take("path"),
                file_type: take("file_type"),
                link: take("link_type"),
                packets: take("packets").parse().unwrap_or(0),
                special: take("what_is_special"),
            }
        })
        .collect();
    assert!(entries.len() > 200, "the catalogue lists {} files", entries.len());
    entries
}

impl Entry {
    fn is_capture(&self) -> bool {
        !self.path.starts_with("log/")
    }

    /// A capture file in a format that is read, with nothing broken about the file itself.
    fn is_sound(&self) -> bool {
        let broken = ["cut", "wrong", "fuzz", "invalid", "every block type", "lz4", "doesn't support"];
        matches!(self.file_type.as_str(), "pcap" | "nsecpcap" | "pcapng")
            && !broken.iter().any(|word| self.special.contains(word) || self.path.contains(word))
    }

    fn is_plain_link(&self) -> bool {
        matches!(self.link.as_str(), "ether" | "linux-sll" | "linux-sll2" | "rawip" | "rawip4" | "rawip6")
    }
}

/// One INVITE request that the independent reader saw.
struct Invite {
    frame: u64,
    call_id: String,
    transport: String,
    hop: [String; 2],
}

/// The INVITEs of a capture that somebody sent; `None` where no truth stands.
fn truth(corpus: &Path, path: &str) -> Option<Vec<Invite>> {
    let name = Path::new(path).file_name()?.to_string_lossy().into_owned();
    let by_hand = corpus.join(format!("truth/{name}.manual.tsv"));
    let by_reader = corpus.join(format!("truth/{name}.tsv"));
    let table = [by_hand, by_reader].into_iter().find(|path| path.is_file()).map(|path| table(&path))?;
    let invites = table
        .into_iter()
        .filter(|row| row.get("quoted").is_none_or(|quoted| quoted != "1"))
        .map(|mut row| {
            let mut first = |names: [&str; 2]| {
                names.iter().find_map(|name| row.remove(*name)).unwrap_or_else(|| panic!("{name}: no column {names:?}"))
            };
            Invite {
                frame: first(["frame.number", "frame.number"]).parse().expect("a frame number"),
                call_id: first(["sip.Call-ID", "Call-ID"]),
                transport: first(["transport", "transport"]),
                hop: [first(["ip.src", "hep.src"]), first(["ip.dst", "hep.dst"])],
            }
        })
        .collect();
    Some(invites)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Audits one file of the corpus by name.
fn audit_file(corpus: &Path, path: &str) -> Run {
    audit(corpus, &["--hash", "none", path])
}

/// What a run broke that none may break.
fn harm(run: &Run) -> Vec<String> {
    let mut found = Vec::new();
    if !matches!(run.code, Some(0..=3)) || run.stderr.contains("panicked") {
        found.push(run.ending());
    }
    let report = run.report();
    if report.is_null() {
        found.push(format!("no report; {}", run.ending()));
    }
    for source in list(&report["evidence"]) {
        let sum: u64 = source["tally"].as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum();
        if Some(sum) != source["records"].as_u64() {
            found.push(format!("the tally adds up to {sum}, records are {}", source["records"]));
        }
    }
    found
}

#[test]
fn every_file_is_read_without_harm_and_its_packets_are_counted() {
    let Some(corpus) = corpus() else { return };
    let mut found = Vec::new();
    for entry in catalogue(&corpus) {
        let run = audit_file(&corpus, &entry.path);
        found.extend(harm(&run).into_iter().map(|text| format!("{}: {text}", entry.path)));
        if !entry.is_capture() || !entry.is_sound() {
            continue;
        }
        let source = &run.report()["evidence"][0];
        if source["kind"] != "capture" || source["records"] != entry.packets {
            found.push(format!(
                "{}: {} with {} records, the catalogue has {} packets",
                entry.path, source["kind"], source["records"], entry.packets
            ));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Everything in which the INVITEs of a report differ from those of the truth.
fn differences(report: &Value, truth: &[Invite]) -> Vec<String> {
    let mut found = Vec::new();
    let mut observed: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for leg in list(&report["calls"]).iter().flat_map(|call| list(&call["legs"])) {
        let call_id = leg["call_id"].as_str().unwrap_or_default();
        for one in list(&leg["consent"]["observations"]) {
            let record = one["source"]["record"].as_u64().unwrap_or(0);
            match one["method"].as_str() {
                Some("INVITE") => observed.entry(call_id).or_default().push(record),
                Some("UPDATE") => {}
                other => found.push(format!("{call_id}: an observation of {other:?}")),
            }
        }
    }
    // A capture cut before the Call-ID leaves it out of the truth too: then only the frames can be compared.
    let known: BTreeSet<&str> =
        truth.iter().filter(|invite| invite.transport == "udp").map(|invite| invite.call_id.as_str()).collect();
    let others: BTreeSet<&str> =
        truth.iter().filter(|invite| invite.transport != "udp").map(|invite| invite.call_id.as_str()).collect();
    for call_id in known.iter().filter(|call_id| !call_id.is_empty() && !observed.contains_key(*call_id)) {
        found.push(format!("no leg with an INVITE for Call-ID {call_id}"));
    }
    for (call_id, records) in &observed {
        if !known.contains(call_id) && !others.contains(call_id) && !known.contains("") {
            found.push(format!("a leg with INVITEs {records:?} that nobody else saw: {call_id}"));
        }
        for record in records {
            if !truth.iter().any(|invite| invite.frame == *record) {
                found.push(format!("{call_id}: packet {record} is no INVITE for the other reader"));
            }
        }
    }
    for invite in truth.iter().filter(|invite| invite.transport == "udp" && !invite.call_id.is_empty()) {
        let Some(records) = observed.get(invite.call_id.as_str()) else { continue };
        let is_copy = truth.iter().any(|earlier| {
            earlier.frame < invite.frame
                && earlier.call_id == invite.call_id
                && earlier.hop == invite.hop
                && records.contains(&earlier.frame)
        });
        if !records.contains(&invite.frame) && !is_copy {
            found.push(format!("{}: the INVITE in packet {} was not observed", invite.call_id, invite.frame));
        }
    }
    found
}

#[test]
fn legs_and_the_packets_of_their_invites_agree_with_the_independent_reader() {
    let Some(corpus) = corpus() else { return };
    let mut found = Vec::new();
    let mut compared = 0;
    for entry in catalogue(&corpus).iter().filter(|entry| entry.is_capture()) {
        let Some(truth) = truth(&corpus, &entry.path) else { continue };
        let why = if FRAGMENTED.contains(&entry.path.as_str()) {
            Some("IP fragments")
        } else if !matches!(entry.file_type.as_str(), "pcap" | "nsecpcap" | "pcapng") || entry.path.ends_with(".lz4") {
            Some("its file format")
        } else if !entry.is_plain_link() {
            Some("its link layers")
        } else if !truth.is_empty() && truth.iter().all(|invite| invite.transport != "udp") {
            Some("no INVITE over UDP")
        } else {
            None
        };
        if let Some(why) = why {
            say(&format!("set aside {}: {why}", entry.path));
            continue;
        }
        let run = audit_file(&corpus, &entry.path);
        found.extend(differences(&run.report(), &truth).into_iter().map(|text| format!("{}: {text}", entry.path)));
        say(&format!("compared {}: {} INVITEs", entry.path, truth.len()));
        compared += 1;
    }
    assert!(compared > 60, "{compared} captures were compared");
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

#[test]
fn log_records_and_refusals_agree_with_an_independent_count() {
    let Some(corpus) = corpus() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("every-request.toml");
    // Every path a recording request: so that every 403 is a refusal.
    std::fs::write(&config, "[[access_log]]\nrecording_paths = [\"*\"]\n").expect("a configuration");
    let counts: BTreeMap<String, BTreeMap<String, String>> =
        table(&corpus.join("LOGS.tsv")).into_iter().map(|row| (row["path"].clone(), row)).collect();
    let mut found = Vec::new();
    let mut compared = 0;
    for (path, row) in counts.iter().filter(|(path, _)| !NO_LINES.contains(&path.as_str()) && *path != NO_STATUS) {
        compared += 1;
        let config = config.to_string_lossy();
        let report = audit(&corpus, &["--config", &config, "--hash", "none", path]).report();
        let requests = &report["summary"]["requests"];
        let is = [&report["evidence"][0]["records"], &requests["total"], &requests["refused"]].map(Value::to_string);
        let wanted = ["non_empty_lines", "records_with_status", "records_403"].map(|name| row[name].clone());
        if is != wanted || report["evidence"][0]["kind"] != "access_log" {
            found.push(format!(
                "{path}: {} with (lines, records, 403s) {is:?}, wanted {wanted:?}, tally {}",
                report["evidence"][0]["kind"], report["evidence"][0]["tally"]
            ));
        }
        say(&format!("compared {path}: {wanted:?}"));
    }
    assert!(compared > 40, "{compared} logs were compared");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn entries_of_documents_agree_with_an_independent_count() {
    let Some(corpus) = corpus() else { return };
    let counts: BTreeMap<String, BTreeMap<String, String>> =
        table(&corpus.join("LOGS.tsv")).into_iter().map(|row| (row["path"].clone(), row)).collect();
    for path in DOCUMENTS {
        let row = counts.get(path).unwrap_or_else(|| panic!("{path} is not in LOGS.tsv"));
        let report = audit(&corpus, &["--hash", "none", path]).report();
        let source = &report["evidence"][0];
        assert_eq!((&source["kind"], &source["format"]), (&Value::from("access_log"), &Value::from("har")), "{path}");
        // An entry that was aborted has the status 0 there, and none here.
        let aborted = source["tally"]["no_status"].as_u64().unwrap_or(0);
        let total = report["summary"]["requests"]["total"].as_u64().unwrap_or(0);
        let is = [source["records"].to_string(), (total + aborted).to_string()];
        assert_eq!(is, [row["records_with_status"].clone(), row["records_with_status"].clone()], "{path}: {source}");
        assert!(source["anomalies"].as_array().is_some_and(Vec::is_empty), "{path}: {source}");
        say(&format!("compared {path}: {is:?}"));
    }
}

/// What is derived of one log, as a line of `tests/logs.tsv`: path, format, records, requests, refusals, methods and
/// status codes with their counts, the first and the last time, and a digest of every request with all it says.
fn derived(path: &str, log: &LogSum) -> String {
    let mut digest = Sha256::new();
    let (mut methods, mut codes): (BTreeMap<String, u64>, BTreeMap<u16, u64>) = Default::default();
    let mut refused = 0;
    for request in &log.requests {
        digest.update(normalised::row(request));
        digest.update("\n");
        refused += u64::from(request.is_refused());
        // Garbage that somebody sent to a web server counts as one.
        let method = request.method();
        let is_name = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
        *methods.entry(if is_name { method.to_owned() } else { "other".to_owned() }).or_default() += 1;
        *codes.entry(request.status.0).or_default() += 1;
    }
    let digest: String = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let counts = |counts: &mut dyn Iterator<Item = (String, u64)>| {
        counts.map(|(name, count)| format!("{name}={count}")).collect::<Vec<_>>().join(" ")
    };
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), Timestamp::rfc3339);
    [
        path.to_owned(),
        log.format.map_or("-", Format::name).to_owned(),
        log.records.to_string(),
        log.total.to_string(),
        refused.to_string(),
        counts(&mut methods.into_iter()),
        counts(&mut codes.into_iter().map(|(code, count)| (code.to_string(), count))),
        time(log.first),
        time(log.last),
        digest,
    ]
    .join("\t")
}

const DERIVED: &str = "path\tformat\trecords\trequests\trefused\tmethods\tstatus\tfirst\tlast\tdigest";

/// Every request of every log of the corpus, normalised, is what it was when it was last looked at. The file holds what is
/// derived only; `SIPCONSENT_BLESS` set writes it anew. Counts are held against the independent ones as well.
#[test]
fn normalised_records_are_the_golden_ones() {
    let Some(corpus) = corpus() else { return };
    let every = AccessLog { recording_paths: vec!["*".to_owned()], ..AccessLog::default() };
    let settings = Settings { access_logs: vec![every], ..Settings::default() };
    let mut lines = vec![DERIVED.to_owned()];
    let mut found = Vec::new();
    for row in table(&corpus.join("LOGS.tsv")) {
        let path = &row["path"];
        let bytes = std::fs::read(corpus.join(path)).expect("a log");
        let shown = Path::new(path).file_name().expect("a name").to_string_lossy();
        let Some(log) = normalised::read(&bytes, &shown, &settings) else {
            lines.push(format!("{path}\tno log"));
            continue;
        };
        let line = derived(path, &log);
        let is_document = DOCUMENTS.contains(&path.as_str());
        if !is_document && !NO_LINES.contains(&path.as_str()) && path != NO_STATUS {
            let cells: Vec<&str> = line.split('\t').collect();
            let wanted = ["non_empty_lines", "records_with_status", "records_403"].map(|name| row[name].as_str());
            if cells.get(2..5) != Some(&wanted[..]) {
                found.push(format!("{path}: (lines, records, 403s) {:?}, wanted {wanted:?}", cells.get(2..5)));
            }
        }
        let unsaid = log.tally.count("no_status");
        if is_document && (log.total + unsaid).to_string() != row["records_with_status"] {
            found.push(format!(
                "{path}: {} requests, {unsaid} aborted, wanted {}",
                log.total, row["records_with_status"]
            ));
        }
        lines.push(line);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs.tsv");
    let text = lines.join("\n") + "\n";
    if std::env::var_os("SIPCONSENT_BLESS").is_some() {
        std::fs::write(&golden, &text).expect("the golden file");
    }
    let known = std::fs::read_to_string(&golden).expect("tests/logs.tsv");
    let differing: Vec<String> = known
        .lines()
        .zip(&lines)
        .filter(|(known, line)| known != line)
        .map(|(known, line)| format!("is     {line}\nwanted {known}"))
        .collect();
    assert!(known == text, "{} lines, wanted {}\n{}", lines.len(), known.lines().count(), differing.join("\n"));
}

#[test]
fn records_that_gave_nothing_are_kept_for_every_log() {
    let Some(corpus) = corpus() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("rejects.ndjson");
    let run = audit(&corpus, &["--hash", "none", "--rejects", &kept.to_string_lossy(), "log"]);
    let report = run.report();
    let mut counted: BTreeMap<(String, String), u64> = BTreeMap::new();
    for line in std::fs::read_to_string(&kept).expect("the rejects").lines().skip(1) {
        let row: Value = serde_json::from_str(line).expect("JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        *counted.entry((text(&row["path"]), text(&row["reason"]))).or_default() += 1;
    }
    let mut wanted = BTreeMap::new();
    for source in list(&report["evidence"]) {
        for reason in ["bad_record", "line_too_long", "no_status", "not_a_request"] {
            if let Some(count) = source["tally"][reason].as_u64() {
                wanted.insert((source["path"].as_str().unwrap_or_default().to_owned(), reason.to_owned()), count);
            }
        }
    }
    assert!(wanted.len() > 10, "{wanted:?}");
    assert_eq!(counted, wanted);
}

#[test]
fn a_difference_is_noticed() {
    let invite = |frame: u64, call_id: &str, transport: &str| Invite {
        frame,
        call_id: call_id.to_owned(),
        transport: transport.to_owned(),
        hop: ["a".to_owned(), "b".to_owned()],
    };
    let report = |observations: &[(&str, u64)]| {
        let legs: Vec<Value> = observations
            .iter()
            .map(|(call_id, record)| {
                serde_json::json!({"call_id": call_id, "consent": {"observations": [
                    {"method": "INVITE", "source": {"evidence": "E1", "record": record}}]}})
            })
            .collect();
        serde_json::json!({"calls": [{"legs": legs}]})
    };
    let truth = [invite(1, "a@x", "udp"), invite(3, "a@x", "udp"), invite(5, "t@x", "tcp")];
    assert_eq!(differences(&report(&[("a@x", 1)]), &truth), Vec::<String>::new(), "3 repeats 1; TCP may be unseen");
    assert_eq!(differences(&report(&[("a@x", 1), ("t@x", 5)]), &truth), Vec::<String>::new());
    for wrong in [&[][..], &[("a@x", 3)], &[("a@x", 1), ("b@x", 3)], &[("a@x", 1), ("a@x", 2)]] {
        assert!(!differences(&report(wrong), &truth).is_empty(), "{wrong:?}");
    }
    let harmed = Run { code: None, stdout: Vec::new(), stderr: "panicked".to_owned() };
    assert_eq!(harm(&harmed).len(), 2);
}
