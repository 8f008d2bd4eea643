//! `sipconsent show`: one leg whole, found by what a user knows of its Call-ID.
//!
//! What the ladder of byoc-22 must show was read from the capture with tshark by hand, before the program was asked.

use crate::calls::Case;
use crate::support::here;
use crate::support::run::{Run, program};

fn incident(more: &[&str]) -> Run {
    program(&here("fixtures/incident"), [&["show", "-c", "sipconsent.toml"], more, &["evidence"]].concat())
}

/// The output of a run that showed something, and said nothing beside it.
fn shown(run: &Run) -> String {
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{}", run.ending());
    run.text()
}

fn case(name: &str, call_id: &str) -> String {
    let case = Case::open(&here("fixtures/calls").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    shown(&program(case.folder.path(), ["show", "-c", "sipconsent.toml", call_id, "evidence"]))
}

/// The lines from the heading that begins so up to the next empty one, without the blanks around them.
fn section<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = text.lines().skip_while(|line| !line.starts_with(heading)).skip(1);
    lines.take_while(|line| !line.is_empty()).map(str::trim).collect()
}

/// A line with its runs of blanks and of dashes made one.
fn squeezed(line: &str) -> String {
    let mut text = line.split_whitespace().collect::<Vec<_>>().join(" ");
    while text.contains("──") {
        text = text.replace("──", "─");
    }
    text
}

#[test]
fn a_leg_is_shown_with_its_verdict_its_ladder_and_its_consent_over_time() {
    let text = shown(&incident(&["byoc-22-missing-exposed@127.0.10.1"]));
    assert!(text.starts_with("exposed_unconsented\n"), "{text}");
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "Call-ID byoc-22-missing-exposed@127.0.10.1",
        "Trunk SG1 (byoc), inbound",
        "no X-Genesys-Recording-Consent field → missing [incident.pcap #3411]",
        "served: call audio was served [api-access.jsonl:48]",
    ] {
        assert!(flat.contains(part), "`{part}` is not in\n{text}");
    }
    let ladder: Vec<String> = section(&text, "LADDER: 6 messages").iter().map(|line| squeezed(line)).collect();
    let wanted = [
        "2026-11-22, UTC",
        "127.0.10.1 127.0.20.12",
        "17:29:10.023426 │─ INVITE SDP ─>│ E4 #3411 missing",
        "17:29:10.040433 │<─ 180 INVITE ─│ E4 #3415",
        "17:29:10.309043 │<─ 200 INVITE SDP ─│ E4 #3485",
        "17:29:10.311017 │─ ACK ─>│ E4 #3523",
        "17:29:10.354855 RTP audio 127.0.10.1:10440 → 127.0.20.12:20040, 113 packets until 17:29:12.825361",
        "17:29:10.355070 RTP audio 127.0.20.12:20040 → 127.0.10.1:10440, 98 packets until 17:29:12.336298",
        "17:29:12.828458 │─ BYE ─>│ E5 #1293",
        "17:29:12.831838 │<─ 200 BYE ─│ E5 #1374",
    ];
    assert_eq!(ladder[..wanted.len()], wanted);
    let requests = ladder[wanted.len()..].join(" ");
    assert!(requests.starts_with("17:29:19.537 API 403 GET /api/v2/conversations/"), "{requests}");
    assert!(requests.contains("17:29:20.295 API 200 GET /api/v2/conversations/"), "{requests}");
    assert!(requests.ends_with("[api-access.jsonl:48] E4 is incident.pcap E5 is incident.pcap1"), "{requests}");
    let timeline = section(&text, "TIMELINE");
    assert_eq!(timeline[0], "from 2026-11-22T17:29:10.023426Z missing");
    assert!(timeline[1].starts_with("consent  MMMM") && timeline[2].starts_with("audio    ····"), "{timeline:?}");
    assert!(timeline[2].ends_with("MMMM"), "{timeline:?}");
}

#[test]
fn consent_that_changes_is_drawn_where_it_changed() {
    let text = case("reinvite-withdraws", "back@x");
    let timeline = section(&text, "TIMELINE");
    let states: Vec<&str> = timeline.iter().filter_map(|line| line.strip_prefix("from ")?.rsplit(' ').next()).collect();
    assert_eq!(states, ["granted", "denied", "granted"], "{text}");
    let bar = |name: &str| {
        let line = timeline.iter().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}\n{text}"));
        let mut letters: Vec<char> = line.trim().chars().collect();
        letters.dedup();
        letters.into_iter().collect::<String>()
    };
    assert_eq!(bar("consent "), "GDG");
    assert_eq!(bar("audio "), "·GDG·", "{text}");
    assert!(section(&text, "LADDER").iter().any(|line| line.ends_with("denied")), "{text}");
}

#[test]
fn every_hop_has_its_line() {
    let text = case("leg-proxy-adds-the-field", "a@x");
    let ladder: Vec<String> = section(&text, "LADDER: 6 messages").iter().map(|line| squeezed(line)).collect();
    let hosts: Vec<&str> = ladder[1].split(' ').collect();
    assert_eq!(hosts.len(), 3, "{text}");
    let invites: Vec<&String> =
        ladder.iter().filter(|line| line.contains(" INVITE SDP ") && line.contains('>')).collect();
    assert_eq!(invites.len(), 2, "{text}");
    assert!(invites[0].ends_with("missing") && invites[1].ends_with("granted"), "{text}");
}

#[test]
fn a_call_id_used_twice_shows_both_legs() {
    let text = case("leg-reused-call-id", "a@x");
    assert_eq!(text.matches("LADDER: ").count(), 2, "{text}");
    assert!(text.contains("Consent       granted") && text.contains("Consent       missing"), "{text}");
}

#[test]
fn the_beginning_of_a_call_id_is_enough_where_it_names_one() {
    let whole = shown(&incident(&["byoc-22-missing-exposed@127.0.10.1"]));
    assert_eq!(shown(&incident(&["byoc-22"])), whole);
    let several = incident(&["byoc-2"]);
    assert_eq!((several.code, several.text().as_str()), (Some(2), ""), "{}", several.ending());
    let said = "sipconsent: byoc-2 begins 10 Call-IDs; write more of one: byoc-20-";
    assert!(several.stderr.starts_with(said), "{}", several.stderr);
    assert!(several.stderr.contains("and 2 more") && several.stderr.lines().count() == 1, "{}", several.stderr);
}

#[test]
fn a_call_id_that_nobody_has_is_told_with_those_near_to_it() {
    let run = incident(&["byoc-22-mising-exposed@127.0.10.1"]);
    assert_eq!((run.code, run.text().as_str()), (Some(2), ""), "{}", run.ending());
    let said = "sipconsent: no leg has the Call-ID byoc-22-mising-exposed@127.0.10.1; near to it: byoc-22-missing-exposed@127.0.10.1";
    assert!(run.stderr.starts_with(said), "{}", run.stderr);
    let run = incident(&["0123456789"]);
    assert!(run.stderr.contains("none of the 54 is near to it; audit --show all lists them"), "{}", run.stderr);
    let folder = tempfile::tempdir().expect("a folder");
    let run = program(folder.path(), ["show", "a@x", "."]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("the evidence holds no leg at all"), "{}", run.stderr);
}

#[test]
fn standard_input_and_missing_evidence_are_told() {
    let folder = here("fixtures/incident");
    let capture = std::fs::read(folder.join("evidence/incident.pcap")).expect("the capture");
    let run = crate::support::run::program_with(&folder, ["show", "byoc-18", "-"], &capture, &[]);
    assert!(shown(&run).contains("[- #1656]"), "{}", run.text());
    let run = program(&folder, ["show", "byoc-18", "none.pcap"]);
    assert_eq!((run.code, run.text().as_str()), (Some(2), ""));
    assert!(run.stderr.contains("none.pcap") && run.stderr.contains("files, folders, or -"), "{}", run.stderr);
}

#[test]
fn a_message_that_an_address_sends_to_itself_has_its_place_in_the_ladder() {
    let text = case("dialog-message-to-itself", "a@x");
    let ladder = section(&text, "LADDER: ");
    let of_info: Vec<String> = ladder.iter().filter(|line| line.contains("INFO")).map(|line| squeezed(line)).collect();
    let [line] = of_info.as_slice() else { panic!("{text}") };
    assert!(line.contains("│ to itself: INFO"), "{text}");
}
