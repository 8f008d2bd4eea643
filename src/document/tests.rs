//! The entries of documents, whatever blocks they come in and whatever is damaged.

use super::*;

/// What a document gives: its entries with their records and paths, the tally, the anomalies.
#[derive(Debug, Default, PartialEq, Eq)]
struct Given {
    entries: Vec<(u64, String)>,
    paths: Vec<String>,
    tally: Vec<(&'static str, u64)>,
    anomalies: Vec<(&'static str, u64, Option<u64>)>,
}

/// Cuts `text` as it would come in blocks of `size`.
fn cut(text: &[u8], patterns: &[&str], size: usize) -> Given {
    let plan = Plan::json(patterns.iter().map(|pattern| Pattern::new(pattern)).collect());
    cut_by(&plan, text, size)
}

/// Finds the records that have a key `r`, of members of an object only several, and those of another kind, which have a
/// key `o`.
fn probe() -> Probe {
    Probe::new(
        |sight| {
            let mut found: Vec<Found> = Vec::new();
            for candidate in &sight.candidates {
                let place = |key: &str| candidate.place(|sample| sample.has(&[key]));
                let several = candidate.samples.len() > 1 || !candidate.is_keyed();
                let Some(pattern) = place("r").filter(|_| several).or_else(|| place("o")) else { continue };
                if !found.iter().any(|found| pattern.is_within(&found.pattern)) {
                    found.push(Found { pattern, is_read: place("r").is_some() });
                }
            }
            found
        },
        |sample| sample.has(&["o"]),
    )
}

fn cut_by(plan: &Plan, text: &[u8], size: usize) -> Given {
    let mut walk = Walk::new(plan);
    let (mut given, mut tally) = (Given::default(), crate::evidence::Tally::default());
    let mut anomalies = crate::evidence::Anomalies::default();
    let (mut start, mut filled) = (0, 0);
    loop {
        filled = (filled + size).min(text.len());
        let end = filled == text.len();
        let bytes = &text[start..filled];
        let (taken, pieces) = walk.cut(bytes, end);
        for entry in pieces.entries(&bytes[..taken]) {
            given.entries.push((entry.record, String::from_utf8_lossy(entry.bytes).into_owned()));
            given.paths.push(String::from_utf8_lossy(entry.path).into_owned());
        }
        tally.merge(&pieces.tally);
        anomalies.absorb(pieces.anomalies, 0);
        start += taken;
        if end {
            break;
        }
    }
    given.paths.dedup();
    given.tally = tally.iter().collect();
    given.anomalies = anomalies.iter().map(|(code, one)| (code, one.count, one.first_record)).collect();
    given
}

#[track_caller]
fn entries(text: &str, patterns: &[&str], expected: &[&str]) -> Given {
    let given = cut(text.as_bytes(), patterns, usize::MAX / 2);
    let found: Vec<&str> = given.entries.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(found, expected, "{text}: {given:?}");
    for size in 1..30 {
        assert_eq!(cut(text.as_bytes(), patterns, size), given, "{text} in blocks of {size}");
    }
    given
}

#[test]
fn entries_stand_where_the_pattern_says() {
    entries("[]", &["[]"], &[]);
    let given = entries(
        " [ {\"a\":[1,{}]} ,\n{\"b\":\"}]\\\"\"}, 7,\"x\",null ]\n",
        &["[]"],
        &["{\"a\":[1,{}]}", "{\"b\":\"}]\\\"\"}", "7", "\"x\"", "null"],
    );
    assert_eq!(given.entries.last().map(|(record, _)| *record), Some(5));
    assert_eq!((given.tally.len(), given.anomalies.len()), (0, 0));
    let given = entries(
        "\u{feff}{\"log\":{\"pages\":[{\"x\":1}],\"entries\":[{\"y\":1},{\"y\":2}],\"z\":{\"entries\":[3]}},\"entries\":[4]}",
        &["log.entries[]"],
        &["{\"y\":1}", "{\"y\":2}"],
    );
    assert_eq!(given.paths, ["log.entries"]);
    let given = entries(
        "{\"resource\":{\"a\":{\"x\":{\"n\":1},\"y\":{\"n\":2}},\"b\":{\"z\":{}}}}",
        &["resource.*.*"],
        &["{\"n\":1}", "{\"n\":2}", "{}"],
    );
    assert_eq!(given.paths, ["resource.a.x", "resource.a.y", "resource.b.z"]);
    entries("[[1,2],[3]]", &["[][]"], &["1", "2", "3"]);
    entries("{\"a\":[1],\"b\":[2],\"a\":[3]}", &["a[]", "b[]"], &["1", "2", "3"]);
}

#[test]
fn documents_may_stand_behind_one_another() {
    entries(
        "{\"a\":1}{\"a\":2}\n{\"a\":3},\u{feff}{\"a\":4}\x1e{\"a\":5}",
        &[""],
        &["{\"a\":1}", "{\"a\":2}", "{\"a\":3}", "{\"a\":4}", "{\"a\":5}"],
    );
    let given = entries("{\"e\":[1]}\n{\"e\":[]}\n{\"f\":[9]}\n{\"e\":[2]}", &["e[]"], &["1", "2"]);
    // Two documents without an entry are records of their own.
    assert_eq!(given.entries.last(), Some(&(4, "2".to_owned())));
    assert_eq!(given.tally, [("no_entries", 2)]);
}

#[test]
fn a_document_that_breaks_off_gives_what_stands_before() {
    let given = entries("[{\"a\":1},{\"a\":2},{\"a\":", &["[]"], &["{\"a\":1}", "{\"a\":2}"]);
    assert_eq!(given.tally, [("bad_record", 1)]);
    assert_eq!(given.anomalies, [("truncated_file", 1, Some(3))]);
    let given = entries("[{\"a\":1},{\"a\":2}\n", &["[]"], &["{\"a\":1}", "{\"a\":2}"]);
    assert_eq!((given.tally, given.anomalies), (vec![], vec![("truncated_file", 1, Some(3))]));
    let given = entries("{\"log\":{\"entries\":", &["log.entries[]"], &[]);
    assert_eq!(given.anomalies, [("truncated_file", 1, Some(1))]);
    entries("[1,22", &["[]"], &["1", "22"]);
}

#[test]
fn damage_costs_the_entry_it_is_in() {
    for (text, expected) in [
        // A quote too many, one too few, a line that breaks off, one that is gone.
        ("[{\"a\":1},{\"a\":\"x\"y\"},{\"a\":3}]", ["{\"a\":1}", "{\"a\":3}"]),
        ("[{\"a\":1},{\"a\":\"x},{\"a\":3}]", ["{\"a\":1}", "{\"a\":3}"]),
        ("[{\"a\":1},\n{\"a\":\"x\n{\"a\":3}]", ["{\"a\":1}", "{\"a\":3}"]),
        ("[\n  {\n    \"a\":1},\n  {\n    \"b\":{\n  {\n    \"c\":3}\n]", ["{\n    \"a\":1}", "{\n    \"c\":3}"]),
        ("{\"a\":1}\n{\"b\":[}\n{\"c\":3}\n", ["{\"a\":1}", "{\"c\":3}"]),
        ("{\"a\":1}\n\"b\":[1]}\n{\"c\":3}\n", ["{\"a\":1}", "{\"c\":3}"]),
        ("[{\"a\":1},{\"b\":@},{\"b\":3}]", ["{\"a\":1}", "{\"b\":3}"]),
        ("[{\"a\":1},{\"b\":@},{\"a\":[{\"a\":4}]}]", ["{\"a\":1}", "{\"a\":[{\"a\":4}]}"]),
        ("[{\"a\":1} {\"a\":3}]", ["{\"a\":1}", "{\"a\":3}"]),
    ] {
        let pattern = if text.starts_with('[') { "[]" } else { "" };
        let given = entries(text, &[pattern], &expected);
        assert!(!given.anomalies.is_empty(), "{text}");
    }
    // What stands before the entries may be damaged too.
    let given = entries(
        "{\"log\":{\"x\":@@,\"entries\": [ {\"a\":1},{\"b\":2} ]}}",
        &["log.entries[]"],
        &["{\"a\":1}", "{\"b\":2}"],
    );
    assert_eq!((given.tally, given.anomalies), (vec![], vec![("damaged_document", 1, Some(1))]));
}

#[test]
fn damage_to_an_entry_is_counted_once_and_keeps_the_numbers() {
    let given = entries(
        "[{\"a\":1},{\"a\":@},{\"a\":3},{\"a\":@},{\"a\":5}]",
        &["[]"],
        &["{\"a\":1}", "{\"a\":3}", "{\"a\":5}"],
    );
    assert_eq!(given.entries.iter().map(|(record, _)| *record).collect::<Vec<_>>(), [1, 3, 5]);
    assert_eq!(given.tally, [("bad_record", 2)]);
    assert_eq!(given.anomalies, [("bad_record", 2, Some(2))]);
}

#[test]
fn an_entry_beyond_the_limit_is_set_aside_and_not_held() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(ENTRY_BYTES));
    let text = format!("[{{\"a\":1}},{long},{{\"a\":3}}]").into_bytes();
    let whole = cut(&text, &["[]"], text.len());
    assert_eq!(whole.entries, [(1, "{\"a\":1}".to_owned()), (3, "{\"a\":3}".to_owned())]);
    assert_eq!(whole.tally, [("entry_too_long", 1)]);
    assert_eq!(whole.anomalies, [("limit_entry", 1, Some(2))]);
    assert_eq!(cut(&text, &["[]"], 1 << 20), whole);
}

#[test]
fn nesting_without_end_takes_no_stack_and_linear_time() {
    let deep = "[".repeat(100_000);
    let given = cut(deep.as_bytes(), &["[]"], 1 << 20);
    assert_eq!(given.entries, []);
    assert!(given.anomalies.iter().any(|(code, ..)| *code == "limit_nesting"), "{given:?}");
    let deep = "{\"a\":[".repeat(100_000);
    let given = cut(format!("[{deep}").as_bytes(), &["[]"], 1 << 20);
    assert!(given.anomalies.iter().any(|(code, ..)| *code == "limit_nesting"), "{given:?}");
}

#[test]
fn a_sight_shows_what_may_be_entries() {
    let text =
        b" {\"log\":{\"v\":1,\"pages\":[],\"entries\":[{\"request\":{\"headers\":[{\"n\":1}]},\"x\":[2]},{\"y\":";
    let sight = sight(text).expect("JSON");
    let shown: Vec<String> = sight.candidates.iter().map(|candidate| candidate.pattern.to_string()).collect();
    assert_eq!(
        shown,
        [
            "",
            "*",
            "log.pages[]",
            "log.entries[]",
            "log.entries[].*",
            "log.entries[].request.headers[]",
            "log.entries[].x[]"
        ]
    );
    let members = sight.at("*").expect("members");
    assert!(members.is_keyed() && members.samples[0].key == Some(b"log"));
    assert_eq!(members.place(|_| true).map(|place| place.to_string()).as_deref(), Some("log"));
    assert!(sight.top().expect("an object").has(&["log"]) && !sight.spans_lines);
    let entries = &sight.at("log.entries[]").expect("entries").samples;
    assert_eq!(entries.iter().map(|entry| entry.is_whole).collect::<Vec<_>>(), [true, false]);
    assert!(entries[0].has(&["request", "x"]) && !entries[0].has(&["y"]) && entries[1].has(&["y"]));
    assert!(super::sight(b"").is_none());
    assert!(super::sight(b"hello").is_none());
    assert!(super::sight(b"\"text\"").is_none());
}

/// Entries where the plan says and where the probe finds them, the same whatever blocks the text comes in.
#[track_caller]
fn probed(text: &str, expected: &[(u64, &str)]) -> Given {
    let plan = Plan::json(vec![Pattern::new("a[]")]).probing(probe());
    let given = cut_by(&plan, text.as_bytes(), usize::MAX / 2);
    let found: Vec<(u64, &str)> = given.entries.iter().map(|(record, text)| (*record, text.as_str())).collect();
    assert_eq!(found, expected, "{text}: {given:?}");
    for size in 1..30 {
        assert_eq!(cut_by(&plan, text.as_bytes(), size), given, "{text} in blocks of {size}");
    }
    given
}

#[test]
fn records_under_any_key_are_entries() {
    let [one, two, three] = ["{\"r\":1}", "{\"r\":2}", "{\"r\":3}"];
    let both = [(1, one), (2, two), (3, three)];
    for text in [
        format!("{{\"a\":[{one}],\"b\":[{two},{three}]}}"),
        format!("{{\"x\":[{{\"y\":1}}],\"b\":[{one}],\"a\":[{two}],\"c\":{{\"d\":{{\"e\":[{three}]}}}}}}"),
        format!("{{\"a\":[{one}]}}\n{{\"b\":[{two}]}}\n{{\"b\":[{three}]}}"),
        format!("{{\"a\":[{one}],\"b\":[{{\"c\":[{two}]}},{{\"c\":[]}},{{\"d\":[[{three}]]}}]}}"),
        // By their ids, and where the places that are known have no record.
        format!("{{\"a\":[{one}],\"b\":{{\"id2\":{two},\"id3\":{three}}}}}"),
        format!("{{\"a\":{{\"id1\":{one},\"id2\":{two}}},\"b\":[{three}]}}"),
        format!("{{\"a\":[{one}]}}{{\"id2\":{two},\"x\":\"a\",\"id3\":{three}}}"),
        format!("{{\"a\":[{one}]}}[{two},{three}]"),
        format!("[{one},{two}]{{\"x\":{{\"a\":1}},\"a\" :[{three}]}}"),
        // What looks like a record in one is a part of it.
        format!("{{\"a\":[{one}],\"b\":[{two},{three}],\"c\":{{\"r\":4}}}}"),
    ] {
        let given = probed(&text, &both);
        assert_eq!((given.tally.len(), given.anomalies.len()), (0, 0), "{text}");
    }
    let inner = "{\"r\":2,\"more\":[{\"r\":3}]}";
    probed(&format!("{{\"b\":[{one},{inner}]}}"), &[(1, one), (2, inner)]);
    // The array itself goes on behind the records that were seen.
    let given = probed(&format!("{{\"b\":[{{}},{one},7]}}"), &[(1, "{}"), (2, one), (3, "7")]);
    assert_eq!(given.paths, ["b"]);
}

#[test]
fn what_an_entry_holds_is_found() {
    let within = |text: &str| {
        let pieces = probe().within(text.as_bytes())?;
        Some(pieces.entries(text.as_bytes()).map(|entry| String::from_utf8_lossy(entry.bytes).into_owned()).collect())
    };
    let found = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    assert_eq!(within("{\"x\":[{\"r\":1},{\"r\":2}]}"), found(&["{\"r\":1}", "{\"r\":2}"]));
    assert_eq!(within("[{\"x\":[{\"r\":1}]},{\"y\":{\"z\":[{\"r\":2}]}}]"), found(&["{\"r\":1}", "{\"r\":2}"]));
    assert_eq!(within("{\"x\":{\"id1\":{\"r\":1},\"id2\":{\"r\":2}}}"), found(&["{\"r\":1}", "{\"r\":2}"]));
    for nothing in ["", "7", "{\"x\":1}", "{\"x\":[{\"y\":1}]}", "{\"x\":{\"r\":1}}"] {
        assert_eq!(within(nothing), None, "{nothing}");
    }
    let other = probe().within(b"[{\"x\":[{\"o\":1}]}]").expect("records of another kind");
    assert_eq!(other.tally.iter().collect::<Vec<_>>(), [("other_kind", 1)]);
}

#[test]
fn the_members_of_an_object_are_told_by_their_own_keys() {
    let has = |text: &str| super::sight::has_member(text.as_bytes(), &[b"b", b"c"]);
    for text in ["{\"a\":1,\"b\":2}", "{ \"b\" :", "{\"a\":[{\"b\":1}],\n \"c\":[", "{\"a\":\"}\\\"\",\"c\""] {
        assert_eq!(has(text), Some(true), "{text}");
    }
    for text in
        ["{}", "{\"a\":\"b\"}{\"b\":1}", "{\"a\":{\"b\":1}}", "{\"a\":[\"b\",\"c\"]}", "{\"a\":1,\"bb\":\"c\"} "]
    {
        assert_eq!(has(text), Some(false), "{text}");
    }
    for text in ["", "{", "{\"a\":{\"b\":1}", "{\"a\":\"b", "{\"b", "{\"a\":1,"] {
        assert_eq!(has(text), None, "{text}");
    }
}

#[test]
fn records_of_another_kind_are_counted_where_they_stand() {
    let given = probed(
        "{\"a\":[{\"r\":1}],\"b\":[{\"o\":1},{\"o\":2}],\"c\":[{\"r\":2}]}",
        &[(1, "{\"r\":1}"), (4, "{\"r\":2}")],
    );
    assert_eq!(given.tally, [("other_kind", 2)]);
    assert_eq!(given.anomalies, [("other_kind", 2, Some(2))]);
}

#[test]
fn records_behind_more_than_is_looked_at_are_found() {
    let filler = format!("{{\"x\":\"{}\"}},", "x".repeat(1000)).repeat(3000);
    let text = format!("{{\"a\":[{{\"r\":1}}],\"b\":[{filler}{{\"r\":2}}],\"c\":[{{\"r\":3}}]}}");
    let plan = Plan::json(vec![Pattern::new("a[]")]).probing(probe());
    let whole = cut_by(&plan, text.as_bytes(), text.len());
    let found: Vec<(u64, &str)> = whole.entries.iter().map(|(record, text)| (*record, text.as_str())).collect();
    assert_eq!(found, [(1, "{\"r\":1}"), (2, "{\"r\":2}"), (3, "{\"r\":3}")]);
    assert_eq!(cut_by(&plan, text.as_bytes(), 64 << 10), whole);
    assert_eq!(cut_by(&plan, text.as_bytes(), 1_000_003), whole);
}

#[test]
fn a_document_that_is_nested_without_end_is_looked_at_a_few_times() {
    let deep = format!("{{\"a\":[{{\"r\":1}}],\"b\":{}", "[{\"x\":".repeat(400_000));
    let looks = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&looks);
    let counting = Probe::new(
        move |_| {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Vec::new()
        },
        |_| false,
    );
    let plan = Plan::json(vec![Pattern::new("a[]")]).probing(counting);
    let given = cut_by(&plan, deep.as_bytes(), 1 << 20);
    let looks = looks.load(std::sync::atomic::Ordering::Relaxed);
    assert!((1..=9).contains(&looks), "{looks}");
    assert_eq!(given.entries.len(), 1);
    assert!(given.anomalies.iter().any(|(code, ..)| *code == "limit_nesting"), "{:?}", given.anomalies);
}
