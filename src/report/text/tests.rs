use super::*;
use crate::report::model::{EvidenceId, Notice, Pointer};
use crate::report::sample;
use crate::sentence::Sentence;

const FINDINGS_ONLY: &Listing = &Listing { show: Show::Findings, only: Vec::new(), trunks: Vec::new() };
const BYOC: &Listing = &Listing { show: Show::Byoc, only: Vec::new(), trunks: Vec::new() };
const ALL: &Listing = &Listing { show: Show::All, only: Vec::new(), trunks: Vec::new() };

const OPTIONS: Options<'_> =
    Options { medium: columns(100), listing: FINDINGS_ONLY, verbose: false, closing: Some("Exit status 1.") };

const fn columns(width: usize) -> Medium {
    Medium::Terminal { width, color: false }
}

fn rendered(report: &Report, options: &Options<'_>) -> String {
    let mut out = Vec::new();
    write(report, options, &mut out).expect("memory");
    String::from_utf8(out).expect("UTF-8")
}

/// The text on one line.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_whole_report_of_a_small_incident() {
    let expected = r#"Recording consent and recording requests, as the evidence shows them

SUMMARY
  Result     4 findings among 7 legs on BYOC trunks, 1 undecided
  Read       1 capture (700 packets), 1 access log (20 lines), 1 file not recognised;
             2026-01-02T03:04:05.000Z to 2026-01-02T03:05:55.000Z
  Calls      8 calls with 8 legs, 7 of them on BYOC trunks
  Media      29.000 s without a consent signal, in 3 media streams on BYOC trunks
  Requests   20 API requests, 8 of them for recordings: 4 refused (403), 4 allowed (2xx), 1 served
             call audio; 2 refusals bound to nothing

       1  exposed_unconsented  media without a consent signal, and call audio was served
       1  blocked_unconsented  media without a consent signal, and a 403
       1  unconsented          media without a consent signal, neither exposed nor blocked as far as
                               the logs show
       1  blocked_consented    consent throughout, and a 403
       1  indeterminate        the evidence does not decide
       1  clear                consent throughout, and no 403
       1  no_media             no media flowed
       1  not_byoc             on standard trunks: the control

  "Unconsented" means: no consent signal by the rule X-Genesys-Recording-Consent = "true" (denied by
  "false"), for inbound calls.
  The report says what was seen together, not what caused what. Times are UTC. A pointer names a
  file with its packet (#), or with its line or record (:).

FINDINGS: 4 legs, gravest first

1.  exposed_unconsented
    Call-ID       a84b4c76e66710@pc33.carrier.example
    Conversation  6f1b7a52-3c0e-4f0e-9d55-0a1b2c3d4e5f
    Parties       sip:+6561234567@carrier.example → sip:+18005550100@sg1.byoc.mypurecloud.com
    Trunk         SG1 (byoc), inbound
    Time          first message 2026-01-02T03:04:05.000Z, answered 2026-01-02T03:04:07.000Z, ended
                  2026-01-02T03:04:19.000Z, final status 200
    Consent       missing
                  2026-01-02T03:04:05.000Z INVITE (CSeq 1): no X-Genesys-Recording-Consent field →
                  missing [capture.pcap #1]
    Media         audio (PCMU, telephone-event): 12.000 s unconsented, 2026-01-02T03:04:07.000Z to
                  2026-01-02T03:04:19.000Z, by RTP (1 flow, 600 packets, 3 lost)
    Requests      202 GET 2026-01-02T03:05:05.000Z to 2026-01-02T03:05:15.000Z, 3 times
                    /api/v2/conversations/6f1b7a52-3c0e-4f0e-9d55-0a1b2c3d4e5f/recordings/r1
                    client 198.51.100.7, bound by x-inin-cnv (bridged), 60.000 to 70.000 s after the
                    first message [access.log:60, :65, :70]
                  200 GET 2026-01-02T03:05:20.000Z
                    /api/v2/conversations/6f1b7a52-3c0e-4f0e-9d55-0a1b2c3d4e5f/recordings/r1
                    client 198.51.100.7, bound by x-inin-cnv (bridged), 75.000 s after the first
                    message [access.log:75]
    Grounds       consent_missing: the INVITE that counts was captured whole and carries nothing
                  that a rule reads [capture.pcap #1]
                  audio_served [access.log:75, capture.pcap #7, #9]

2.  blocked_unconsented
    Call-ID       blocked@carrier.example
    Conversation  6f1b7a52-3c0e-4f0e-9d55-0a1b2c3d4e5f
    Parties       sip:+6561234567@carrier.example → sip:+18005550100@sg1.byoc.mypurecloud.com
    Trunk         SG1 (byoc), inbound
    Time          first message 2026-01-02T03:04:05.000Z, answered 2026-01-02T03:04:07.000Z, ended
                  2026-01-02T03:04:19.000Z, final status 200
    Consent       partial
                  2026-01-02T03:04:05.000Z INVITE (CSeq 1): X-Genesys-Recording-Consent: " True " →
                  granted [capture.pcap #1]
                  2026-01-02T03:04:14.000Z UPDATE (CSeq 2): x-genesys-recording-consent: "false" →
                  denied [capture.pcap #901]
                  2026-01-02T03:04:14.500Z INVITE (CSeq 3): no X-Genesys-Recording-Consent field,
                  denied stays [capture.pcap #951]
    Media         audio (PCMU, telephone-event): 5.000 s unconsented, 7.000 s consented,
                  2026-01-02T03:04:07.000Z to 2026-01-02T03:04:19.000Z, by signalling
    Requests      403 GET 2026-01-02T03:05:25.000Z
                    /api/v2/conversations/6f1b7a52-3c0e-4f0e-9d55-0a1b2c3d4e5f/recordings/r1
                    error not.authorized, client 198.51.100.7, bound by x-inin-cnv (bridged), 80.000
                    s after the first message [access.log:80]
    Grounds       consent_missing: the INVITE that counts was captured whole and carries nothing
                  that a rule reads [capture.pcap #1]

3.  unconsented
    Call-ID       evil\x1b[2J\u{202e}@x
    Parties       sip:\xff\xfe@carrier.example → (not read)
    Trunk         SG1 (byoc), inbound
    Time          first message 2026-01-02T03:04:05.000Z, answered 2026-01-02T03:04:07.000Z, ended
                  2026-01-02T03:04:19.000Z, final status 200
    Consent       invalid
                  2026-01-02T03:04:05.000Z INVITE (CSeq 1):
                  X-Genesys-Recording-Consent: "\x1b]0;\"t\x07" → invalid [capture.pcap #1]
    Media         audio (PCMU, telephone-event): 12.000 s unconsented, 2026-01-02T03:04:07.000Z to
                  2026-01-02T03:04:19.000Z, by signalling
    Requests      none for this leg in the logs
    Grounds       consent_missing: the INVITE that counts was captured whole and carries nothing
                  that a rule reads [capture.pcap #1]

4.  blocked_consented
    Call-ID       consented@carrier.example
    Parties       sip:+6561234567@carrier.example → sip:+18005550100@sg1.byoc.mypurecloud.com
    Trunk         SG1 (byoc), inbound
    Time          first message 2026-01-02T03:04:05.000Z, answered 2026-01-02T03:04:07.000Z, ended
                  2026-01-02T03:04:19.000Z, final status 200
    Consent       granted
                  2026-01-02T03:04:05.000Z INVITE (CSeq 1): X-Genesys-Recording-Consent: "true" →
                  granted [capture.pcap #1]
    Media         audio (PCMU, telephone-event): 12.000 s consented, 2026-01-02T03:04:07.000Z to
                  2026-01-02T03:04:19.000Z, by signalling
    Requests      403 GET 2026-01-02T03:05:35.000Z
                    /api/v2/recordings?callId=consented
                    error not.authorized, client 198.51.100.7, bound by call_id (weak), 90.000 s
                    after the first message [access.log:90]
    Grounds       consent_missing: the INVITE that counts was captured whole and carries nothing
                  that a rule reads [capture.pcap #1]

UNDECIDED: 1 leg that the evidence does not decide
  cut@carrier.example 2026-01-02T03:04:05.000Z
    indeterminate, SG1 (byoc), inbound, consent unknown; invite_cut [capture.pcap #40]

UNBOUND REFUSALS: 2 refusals (403) bound to no leg, call or trunk
  2 no_such_call: no leg of the evidence bears the identifier
    403 GET 2026-01-02T03:05:45.000Z /api/v2/conversations/ffff/recordings error not.authorized,
    client 198.51.100.7 [access.log:100]
    403 GET 2026-01-02T03:05:55.000Z /api/v2/conversations/ffff/recordings error not.authorized,
    client 198.51.100.7 [access.log:110]

TRUNKS: calls by consent and outcome of their recording requests
  Trunk   Kind      Legs  Consent  Refused  Allowed  Mixed
  SG1     byoc         7  with           1        0      0
                          without        0        1      0
  Office  standard     1  with           0        0      0
                          without        0        0      0
  SG1: 1 registration, 1 of them successful; 42 packets in 1 connection under TLS, not read; 1
  refusal (403) of queries by trunk
    403 GET 2026-01-02T03:05:40.000Z /api/v2/recordings?trunkId=sg1 error not.authorized, client
    198.51.100.7 [access.log:95]

EVIDENCE
  E1  access.log
      access log, json_lines, gzip, 2048 bytes, sha256:0123456789abcdef…
      20 lines, 2026-01-02T03:05:05.000Z to 2026-01-02T03:05:55.000Z, times without a zone taken as
      UTC (assumed)
      of them: 19 api_request, 1 bad_record
      anomaly bad_record: 1, first at line 13 (no JSON object)
  E2  capture.pcap
      capture, pcap, 123456 bytes
      700 packets, 2026-01-02T03:04:05.000Z to 2026-01-02T03:04:19.000Z
      of them: 600 rtp, 100 sip
  E3  notes.txt
      not recognised, so not read, 12 bytes

Exit status 1.
"#;
    assert_eq!(rendered(&sample::incident(), &OPTIONS), expected);
}

#[test]
fn what_must_be_known_first_opens_the_report() {
    let mut report = sample::incident();
    let never = Sentence::own("The field \u{1b}X occurs on no INVITE of the evidence.");
    let incomplete = Sentence::own("Not everything named could be read whole.");
    report.notices =
        vec![Notice { code: "rule_never_seen", text: never }, Notice { code: "incomplete", text: incomplete }];
    let expected = "NOTICE: The field \\x1bX occurs on no INVITE of the evidence. [rule_never_seen]\n\
                    INCOMPLETE: Not everything named could be read whole. [incomplete]\n\n\
                    Recording consent";
    assert!(rendered(&report, &OPTIONS).starts_with(expected));
}

#[test]
fn at_80_columns_only_evidence_that_cannot_be_broken_is_wider() {
    let narrow = rendered(&sample::incident(), &Options { medium: columns(80), ..OPTIONS });
    for line in narrow.lines() {
        let words = line.split_whitespace().count();
        assert!(line.chars().count() <= 80 || words == 1, "{line}");
    }
    assert!(narrow.contains("/api/v2/conversations/6f1b7a52-3c0e-4f0e-9d55-0a1b2c3d4e5f/recordings/r1\n"));
}

#[test]
fn no_line_ends_in_blanks_and_nothing_acts_on_the_terminal() {
    for (listing, verbose) in [(FINDINGS_ONLY, false), (ALL, true)] {
        let text = rendered(&sample::incident(), &Options { listing, verbose, ..OPTIONS });
        assert!(text.lines().all(|line| line == line.trim_end()));
        assert!(!text.chars().any(|character| character.is_control() && character != '\n'));
        assert!(!text.contains('\u{202e}'));
    }
}

#[test]
fn the_other_legs_of_a_call_and_what_joins_them_are_said() {
    let text = rendered(&sample::joined(), &OPTIONS);
    for line in [
        "Call          2 legs, 1 of them on BYOC trunks; beside this one\n",
        "agent@pbx.example: Office (standard), inbound, not_byoc\n",
        "one call by X-Own-Id, protocolCallId 6f1b7a52-3c0e-4f0e-9d55-0a1b2c3d4e5f\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!rendered(&sample::incident(), &OPTIONS).contains("one call by"));
}

#[test]
fn colour_adds_nothing_but_colour() {
    let report = sample::incident();
    let colored = rendered(&report, &Options { medium: Medium::Terminal { width: 100, color: true }, ..OPTIONS });
    assert!(colored.contains("\x1b[1m\x1b[31mexposed_unconsented\x1b[0m"));
    assert_eq!(anstream::adapter::strip_str(&colored).to_string(), rendered(&report, &OPTIONS));
}

#[test]
fn the_legs_asked_for_are_listed() {
    let report = sample::incident();
    let findings = rendered(&report, &OPTIONS);
    assert!(!findings.contains("OTHER LEGS") && findings.contains("cut@carrier.example"));
    let byoc = rendered(&report, &Options { listing: BYOC, ..OPTIONS });
    assert!(byoc.contains("OTHER LEGS: 2 legs\n  clear@carrier.example 2026-01-02T03:04:05.000Z\n"));
    let said =
        "no_media, SG1 (byoc), inbound, consent missing; final_refusal (a final refusal was seen) [capture.pcap #61]";
    assert!(flat(&byoc).contains(said), "{byoc}");
    assert!(!byoc.contains("office@pbx.example"));
    let all = rendered(&report, &Options { listing: ALL, ..OPTIONS });
    assert!(all.contains("OTHER LEGS: 3 legs") && all.contains("office@pbx.example"));
}

#[test]
fn many_undecided_legs_are_cut_short_and_it_is_said() {
    let mut report = sample::incident();
    let cut = report.calls[5].clone();
    report.calls.extend(std::iter::repeat_n(cut, 25));
    report.summary.verdicts.indeterminate += 25;
    let text = rendered(&report, &OPTIONS);
    assert_eq!(text.matches("cut@carrier.example").count(), MOST_UNDECIDED);
    assert!(text.contains("  and 6 more legs; --show byoc lists them all\n"));
    let all = rendered(&report, &Options { listing: BYOC, ..OPTIONS });
    assert_eq!(all.matches("cut@carrier.example").count(), 26);
}

#[test]
fn legs_that_a_text_does_not_show_are_not_needed() {
    let only = Listing { only: vec!["clear", "indeterminate"], ..Show::Findings.into() };
    let trunk = Listing { trunks: vec!["SG1".to_owned()], ..Show::Byoc.into() };
    for listing in [FINDINGS_ONLY, BYOC, ALL, &only, &trunk] {
        let whole = sample::incident();
        let mut few = whole.clone();
        few.calls.retain(|call| call.legs.iter().any(|leg| shows(listing, &leg.into())));
        assert_eq!(few.calls.len() < whole.calls.len(), listing != ALL, "{listing:?}");
        for verbose in [false, true] {
            let options = Options { listing, verbose, ..OPTIONS };
            assert_eq!(rendered(&few, &options), rendered(&whole, &options), "{listing:?}");
        }
    }
}

#[test]
fn verbose_lists_flows_digests_and_every_pointer() {
    let mut report = sample::incident();
    report.calls[0].legs[0].grounds[0].sources = (1..=9).map(sample::packet).collect();
    let brief = rendered(&report, &OPTIONS);
    assert!(brief.contains("that a rule reads [capture.pcap #1, #2, #3, #4 and 5 more]\n"));
    assert!(!brief.contains("0x1234abcd"));
    let verbose = rendered(&report, &Options { verbose: true, medium: columns(160), ..OPTIONS });
    assert!(flat(&verbose).contains("nothing that a rule reads [capture.pcap #1, #2, #3, #4, #5, #6, #7, #8, #9]"));
    assert!(verbose.contains("RTP 0x1234abcd 203.0.113.5:4000 → 192.0.2.9:16384: 600 packets, 96000 bytes, 3 lost"));
    assert!(verbose.contains(&"0123456789abcdef".repeat(4)));
}

#[test]
fn sources_named_alike_are_told_apart_by_their_id() {
    let mut report = sample::incident();
    report.evidence[2].path = "capture.pcap".to_owned();
    assert!(rendered(&report, &OPTIONS).contains("[capture.pcap (E2) #1]"));
    let names = Names::new(&report.evidence);
    let listed = names.list(&[Pointer { evidence: EvidenceId(9), record: 4 }], 1);
    let mut out = Vec::new();
    Page::new(&mut out, Form::Terminal { width: 80, color: false }).indented(0, &listed).expect("memory");
    assert_eq!(out, b"[E10:4]\n");
}

#[test]
fn an_empty_report_says_so() {
    let mut report = sample::incident();
    report.calls.clear();
    report.trunks.clear();
    report.evidence.clear();
    report.unbound_refusals.clear();
    report.summary = Default::default();
    let text = rendered(&report, &Options { closing: None, ..OPTIONS });
    assert!(text.contains("  Result     no leg on a BYOC trunk in the evidence\n  Read       nothing\n"));
    assert!(!text.contains("FINDINGS") && !text.contains("TRUNKS") && text.ends_with("EVIDENCE\n"));
}

#[test]
fn a_filtered_report_opens_by_saying_so() {
    let listing = Listing { only: vec!["clear", "unconsented"], ..Show::All.into() };
    let text = rendered(&sample::incident(), &Options { listing: &listing, ..OPTIONS });
    let opening = "FILTERED: --only clear --only unconsented: 2 legs listed, 6 not; the figures are those of all.\n\n";
    assert!(text.starts_with(opening), "{text}");
    assert!(text.contains("FINDINGS: 1 leg,") && text.contains("OTHER LEGS: 1 leg\n"));
    assert!(text.contains("4 findings among 7 legs") && !text.contains("UNDECIDED"));
}

#[test]
fn the_same_report_as_markdown() {
    let text = rendered(&sample::incident(), &Options { medium: Medium::Markdown, ..OPTIONS });
    let expected = "# Recording consent and recording requests, as the evidence shows them\n\n## Summary\n\n\
                    - **Result**: **4 findings among 7 legs on BYOC trunks, 1 undecided**\n\
                    - **Read**: 1 capture (700 packets), 1 access log (20 lines), 1 file not recognised; ";
    assert!(text.starts_with(expected), "{text}");
    for expected in [
        "\n## Findings: 4 legs, gravest first\n\n### 1. `exposed_unconsented`\n\n- **Call-ID**: `a84b4c76e66710@pc33.carrier.example`\n",
        "\n- **Consent**: `missing`\n  - `2026-01-02T03:04:05.000Z` `INVITE` (CSeq 1): no `X-Genesys-Recording-Consent` field → missing \\[`capture.pcap #1`\\]\n",
        "\n- **Requests**:\n  - 202 `GET` `2026-01-02T03:05:05.000Z` to `2026-01-02T03:05:15.000Z`, **3 times**\n    - `/api/v2/",
        "\n- **Grounds**:\n  - `consent_missing`: the INVITE that counts was captured whole and carries nothing that a rule reads \\[`capture.pcap #1`\\]\n  - `audio_served` \\[`access.log:75`, `capture.pcap #7`, `#9`\\]\n\n### 2. ",
        "\n| Trunk | Kind | Legs | Consent | Refused | Allowed | Mixed |\n| --- | --- | ---: | --- | ---: | ---: | ---: |\n| SG1 | byoc | 7 | with | 1 | 0 | 0 |\n",
        "\n## Evidence\n\n- **E1**: `access.log`\n  - access log, `json_lines`, gzip,",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(!text.contains("\n\n\n"), "{text}");
}

#[test]
fn markdown_of_the_evidence_is_inert() {
    const ATTACKS: [&str; 10] = [
        "a`b`<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "![x](https://evil.example/x.png)",
        "a | b | c",
        "@someone #1 www.evil.example",
        "x\n# heading\n- item",
        "\x1b[2J\u{202e}\0",
        "<!-- -->",
        "``` ~~~",
        "[1]: https://evil.example",
    ];
    for attack in ATTACKS {
        let mut report = sample::incident();
        let leg = &mut report.calls[0].legs[0];
        leg.call_id = sample::text(attack);
        leg.from = Some(sample::text(attack));
        leg.streams[0].media = sample::text(attack);
        let request = std::sync::Arc::make_mut(&mut leg.requests[0].request);
        request.target = sample::text(attack);
        request.client = Some(sample::text(attack));
        leg.trunk.name = Some(attack.to_owned());
        report.trunks[0].name = Some(attack.to_owned());
        report.evidence[0].path = attack.to_owned();
        report.evidence[0].anomalies[0].detail = Sentence::own(attack);
        report.notices =
            vec![Notice { code: "rule_never_seen", text: Sentence::own(format!("The field {attack} occurs")) }];
        let text = rendered(&report, &Options { medium: Medium::Markdown, verbose: true, ..OPTIONS });
        // Nothing of the attack stands outside a code span: there only plain words and the report's own marks are left.
        for line in text.lines() {
            let outside: String = line.split('`').step_by(2).collect();
            assert_eq!(line.matches('`').count() % 2, 0, "{line}");
            assert!(!outside.contains(['<', '>', '@', '!', '&', '~', '$', '\u{202e}']), "{line}");
            assert!(!outside.replace("\\[", "").contains("[") && !outside.contains("]("), "{line}");
            assert!(!outside.contains("www.") && !outside.contains("://"), "{line}");
            assert!(!line.chars().any(char::is_control), "{line}");
            assert!(!line.starts_with("# heading") && !line.starts_with("- item"), "{line}");
        }
    }
}
