//! Small logs in every format, odd where the format's own description allows it, each held against its truth: every
//! request with all it says, and what became of every other record.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use sipconsent::Settings;
use sipconsent::access_log::{Format, LogSum};

use crate::support::normalised::{read, read_in_blocks, row};
use crate::support::{here, read as read_text};

/// What a truth says of its log.
#[derive(Debug, Default)]
struct Truth {
    format: String,
    /// Records by what became of them.
    tally: BTreeMap<String, u64>,
    /// The zone of the times, and where it came from.
    zone: String,
    /// Code, count and first record of every anomaly.
    anomalies: BTreeSet<String>,
    /// Rows as [`row`] writes them, with what else they say in any order.
    requests: Vec<String>,
}

impl Truth {
    fn parse(text: &str) -> Self {
        let mut truth = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (word, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            match word {
                "format" => truth.format = rest.to_owned(),
                "zone" => truth.zone = rest.to_owned(),
                "anomaly" => drop(truth.anomalies.insert(rest.to_owned())),
                "tally" => {
                    truth.tally = rest
                        .split(' ')
                        .map(|count| {
                            let (reason, count) = count.split_once('=').unwrap_or_else(|| panic!("{line}"));
                            (reason.to_owned(), count.parse().unwrap_or_else(|cause| panic!("{line}: {cause}")))
                        })
                        .collect();
                }
                _ => {
                    assert!(word.parse::<u64>().is_ok() && rest.starts_with("| "), "an unknown word: {line}");
                    truth.requests.push(sorted(line));
                }
            }
        }
        truth
    }
}

/// A row with what else it says in the order of the words.
fn sorted(row: &str) -> String {
    let Some((fixed, more)) = row.rsplit_once(" | ").filter(|(fixed, _)| fixed.matches(" | ").count() >= 5) else {
        return row.to_owned();
    };
    let mut more: Vec<&str> = more.split(" ; ").collect();
    more.sort_unstable();
    format!("{fixed} | {}", more.join(" ; "))
}

fn differences(truth: &Truth, log: &LogSum) -> Vec<String> {
    let mut found = Vec::new();
    let mut same = |what: &str, is: String, wanted: String| {
        if is != wanted {
            found.push(format!("{what}:\n  is     {is}\n  wanted {wanted}"));
        }
    };
    same("format", log.format.map(Format::name).unwrap_or_default().to_owned(), truth.format.clone());
    let tally: BTreeMap<String, u64> = log.tally.iter().map(|(reason, count)| (reason.to_owned(), count)).collect();
    same("tally", format!("{tally:?}"), format!("{:?}", truth.tally));
    let zone = log.zone().map(|zone| format!("{} {}", zone.name, zone.from.name())).unwrap_or_default();
    same("zone", zone, truth.zone.clone());
    let anomalies: BTreeSet<String> = log
        .anomalies
        .iter()
        // Every rejected record is in the tally too.
        .filter(|(code, _)| *code != "bad_record")
        .map(|(code, one)| format!("{code} {} {}", one.count, one.first_record.unwrap_or(0)))
        .collect();
    same("anomalies", format!("{anomalies:?}"), format!("{:?}", truth.anomalies));
    let rows: Vec<String> = log.requests.iter().map(|request| sorted(&row(request))).collect();
    for place in 0..rows.len().max(truth.requests.len()) {
        let text = |rows: &[String]| rows.get(place).cloned().unwrap_or_else(|| "nothing".to_owned());
        same("request", text(&rows), text(&truth.requests));
    }
    found
}

/// The samples with their truths.
fn samples() -> Vec<(PathBuf, Truth)> {
    let mut samples = Vec::new();
    let entries = fs::read_dir(here("fixtures/log")).expect("the samples");
    let paths: BTreeSet<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    for path in paths.iter().filter(|path| path.extension().is_none_or(|ending| ending != "truth")) {
        let truth = path.with_extension("truth");
        assert!(truth.is_file(), "{} has no truth", path.display());
        samples.push((path.clone(), Truth::parse(&read_text(&truth))));
    }
    samples
}

#[test]
fn every_sample_gives_the_records_of_its_truth() {
    let mut found = Vec::new();
    let samples = samples();
    for (path, truth) in &samples {
        let name = path.file_name().expect("a name").to_string_lossy();
        let bytes = fs::read(path).expect("a sample");
        let Some(log) = read(&bytes, &name, &Settings::default()) else {
            found.push(format!("{name}: not recognised"));
            continue;
        };
        found.extend(differences(truth, &log).into_iter().map(|text| format!("{name}: {text}")));
        let rejected = log.rejects.len() as u64;
        let counted: u64 = ["bad_record", "no_status", "not_a_request"].iter().map(|word| log.tally.count(word)).sum();
        if rejected != counted {
            found.push(format!("{name}: {counted} records gave nothing, {rejected} are kept"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let formats: BTreeSet<&str> = samples.iter().map(|(_, truth)| truth.format.as_str()).collect();
    for format in [
        "aws_alb",
        "aws_elb",
        "aws_s3",
        "cloudfront",
        "combined",
        "csv",
        "envoy",
        "har",
        "haproxy",
        "json_document",
        "json_lines",
        "logfmt",
        "newman",
        "sdk_text",
        "w3c",
    ] {
        assert!(formats.contains(format), "no sample of {format}");
    }
}

/// Of the counted records those that gave nothing.
const GAVE_NOTHING: [&str; 6] =
    ["bad_record", "entry_too_long", "line_too_long", "no_status", "not_a_request", "other_kind"];

/// What a reading of `bytes` broke that none may break; the reading itself, where there was one.
fn harm(bytes: &[u8], name: &str, size: usize) -> (Vec<String>, Option<LogSum>) {
    let Some(log) = read_in_blocks(bytes, size, name, &Settings::default()) else { return (Vec::new(), None) };
    let mut found = Vec::new();
    if log.tally.total() != log.records {
        found.push(format!("{} records, tally {:?}", log.records, log.tally));
    }
    let requests = log.tally.count("recording_request") + log.tally.count("other_request");
    if requests != log.total || log.tally.count("recording_request") != log.requests.len() as u64 {
        found.push(format!("{} requests, {} listed, tally {:?}", log.total, log.requests.len(), log.tally));
    }
    for reason in GAVE_NOTHING {
        let kept = log.rejects.iter().filter(|reject| reject.reason == reason).count() as u64;
        if kept != log.tally.count(reason) {
            found.push(format!("{kept} of {} kept as {reason}", log.tally.count(reason)));
        }
    }
    (found, Some(log))
}

#[test]
fn bent_samples_are_counted_kept_and_read_the_same_in_blocks_of_any_size() {
    let mut state = 5_u64;
    let mut dice = |sides: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % sides.max(1)
    };
    let (mut bent, mut read) = (0, 0);
    for (path, _) in samples() {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let sample = fs::read(&path).expect("a sample");
        for _ in 0..150 {
            let mut bytes = sample.clone();
            for _ in 0..dice(4) {
                let at = dice(bytes.len());
                let to = (at + dice(40)).min(bytes.len());
                match dice(6) {
                    0 if !bytes.is_empty() => bytes[at] ^= 1 << dice(8),
                    1 => bytes.truncate(at),
                    2 => drop(bytes.drain(at..to)),
                    3 => bytes.insert(at, b"{}[]\",:\\\0 \n\r\t%="[dice(15)]),
                    4 => drop(bytes.splice(at..at, bytes[at..to].to_vec())),
                    _ => drop(bytes.drain(..at.min(200))),
                }
            }
            bent += 1;
            let (found, whole) = harm(&bytes, &name, usize::MAX / 2);
            assert!(found.is_empty(), "{name}: {found:?}\n{}", bytes.escape_ascii());
            let Some(whole) = whole else { continue };
            read += 1;
            let size = [1, 7, 100, 1000][dice(4)];
            let (found, blocks) = harm(&bytes, &name, size);
            assert!(found.is_empty(), "{name} in blocks of {size}: {found:?}\n{}", bytes.escape_ascii());
            let shown = |log: &LogSum| format!("{:?} {:?} {:?}", log.requests, log.tally, log.rejects);
            let blocks = blocks.expect("it was read whole");
            assert_eq!(shown(&blocks), shown(&whole), "{name} in blocks of {size}\n{}", bytes.escape_ascii());
        }
    }
    assert!(read * 2 > bent, "{read} of {bent} were still taken for logs");
}

#[test]
fn a_wrong_truth_is_noticed() {
    let (path, _) = samples().into_iter().find(|(path, _)| path.ends_with("alb.log")).expect("a sample");
    let bytes = fs::read(&path).expect("a sample");
    let log = read(&bytes, "alb.log", &Settings::default()).expect("a log");
    let text = read_text(&path.with_extension("truth"));
    assert_eq!(differences(&Truth::parse(&text), &log), Vec::<String>::new());
    for (right, wrong) in [
        ("format aws_alb", "format aws_elb"),
        ("other_request=2", "other_request=1"),
        ("written", "assumed"),
        ("01.173000Z", "01.173001Z"),
        ("about=list", "about=media"),
        ("zone UTC", "anomaly bad_time 1 1\nzone UTC"),
        ("segment@path:r-1", "segment@path:r-2"),
    ] {
        assert!(text.contains(right), "{right}");
        let found = differences(&Truth::parse(&text.replacen(right, wrong, 1)), &log);
        assert!(!found.is_empty(), "{wrong}");
    }
    let shorter: Vec<&str> = text.lines().filter(|line| !line.starts_with("3 |")).collect();
    assert!(!differences(&Truth::parse(&shorter.join("\n")), &log).is_empty());
}
