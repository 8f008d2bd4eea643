//! The program on a real terminal: what its width does, what is shown while it works, and that no text of the evidence is
//! obeyed.

use unicode_width::UnicodeWidthStr as _;

use crate::hostile::{hostile_texts, obeyed};
use crate::support::here;
use crate::support::terminal::{Output, Terminal, without_colour};

const WIDTHS: [u16; 2] = [80, 160];

/// What the incident looks like on a terminal of this width, without its colours.
fn incident(columns: u16, command: &[&str]) -> String {
    let arguments = [command, &["-c", "sipconsent.toml", "evidence"]].concat();
    let (status, shown) = Terminal::start(&here("fixtures/incident"), columns, Output::Terminal, &arguments).end();
    assert!(matches!(status, Some(0 | 1)), "{command:?}: {status:?}\n{shown}");
    assert!(shown.contains("\u{1b}["), "a terminal shows colour");
    without_colour(&shown)
}

/// Lines wider than the terminal: only a text without a blank may be, such as a URI.
fn too_wide(text: &str, columns: u16) -> Vec<&str> {
    let wide = |line: &&str| line.width() > usize::from(columns) && line.trim_start().contains(' ');
    text.lines().filter(wide).collect()
}

#[test]
fn reports_and_legs_keep_to_the_width_of_the_terminal() {
    for columns in WIDTHS {
        let audit = incident(columns, &["audit", "--show", "all", "-v"]);
        let show = incident(columns, &["show", "byoc-22-missing-exposed@127.0.10.1"]);
        for text in [&audit, &show] {
            assert_eq!(too_wide(text, columns), [""; 0], "{columns} columns");
            // And what room there is, is used.
            assert!(text.lines().any(|line| line.width() > usize::from(columns) * 3 / 4), "{columns} columns\n{text}");
        }
        assert!(show.contains("│─") && show.contains(">│"), "a ladder at {columns} columns\n{show}");
    }
}

#[test]
fn a_line_that_is_too_wide_is_noticed() {
    assert_eq!(too_wide("short\n  /a/uri/without/blanks\n", 8), [""; 0]);
    assert_eq!(too_wide("two words of it\nshort\n", 8), ["two words of it"]);
}

#[test]
fn progress_is_shown_while_evidence_comes_and_taken_away() {
    let folder = here("fixtures/incident");
    let capture = std::fs::read(folder.join("evidence/incident.pcap")).expect("the capture");
    let (half, rest) = capture.split_at(capture.len() / 2);
    for command in [&["audit", "-c", "sipconsent.toml", "-"][..], &["init", "-"], &["show", "byoc-01", "-"]] {
        let mut terminal = Terminal::start(&folder, 80, Output::Elsewhere, command);
        terminal.feed(half);
        terminal.wait_for(" kB/s");
        terminal.feed(rest);
        let (_, shown) = terminal.end();
        assert!(shown.contains("\rreading ") && !shown.contains('\u{1b}'), "{command:?}: {shown:?}");
        let after = shown.rsplit("/s").next().expect("what follows");
        assert!(after.contains('\r') && after.trim().is_empty(), "{command:?}: {shown:?} stays");
    }
}

#[test]
fn progress_is_for_terminals_and_for_those_who_want_it() {
    let folder = here("fixtures/incident");
    let capture = std::fs::read(folder.join("evidence/incident.pcap")).expect("the capture");
    for quiet in [&["--no-progress"][..], &["-q"]] {
        let arguments = [&["audit", "-c", "sipconsent.toml"], quiet, &["-"]].concat();
        let mut terminal = Terminal::start(&folder, 80, Output::Elsewhere, &arguments);
        terminal.feed(&capture);
        assert_eq!(terminal.end(), (Some(1), String::new()), "{quiet:?}");
    }
}

#[test]
fn hostile_text_on_a_terminal_is_inert() {
    let (folder, _scene) = hostile_texts();
    let config = here("fixtures/calls/sipconsent.toml");
    let config = config.to_string_lossy();
    for columns in WIDTHS {
        for command in [
            &["audit", "--show", "all", "-v"][..],
            &["show", r"esc\x1b[31m@x"],
            &["show", "=cmd"],
            &["show", "none\u{1b}[31m"],
        ] {
            let arguments = [command, &["-c", &config, "."]].concat();
            let (status, shown) = Terminal::start(folder.path(), columns, Output::Terminal, &arguments).end();
            let bad: Vec<_> = without_colour(&shown).chars().filter(|character| obeyed(*character)).collect();
            assert_eq!(bad, [' '; 0], "{command:?}: {}", shown.escape_unicode());
            assert!(status.is_some(), "{command:?}");
        }
    }
}
