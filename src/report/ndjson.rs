//! The report as newline-delimited JSON: a line for each listed leg, then one with the rest (contract §6).
//!
//! A leg's line is the leg of [`model`](super::model) with `"type": "leg"` before it, and what only its call knows: the
//! `conversation_ids`, the `call`'s number in the report's order, which joins the legs of a call that has none, what the
//! platform's exports state of the call (`export`), and the `links` that name the leg. The last line has `"type": "report"` and all the rest, so a file without it was cut. Written
//! line by line: hand it a buffered writer.

use std::io::{self, Write};

use serde::Serialize;

use super::calls::{Numbered, Whole};
use super::json::{self, Layout, Object};
use super::model::{Call, CallExport, CallLink, EvidenceText, Leg};
use super::show::Listing;

/// Writes the report. `listing` says which legs are listed.
///
/// # Errors
///
/// Only those of `out`.
pub fn write<'r>(report: impl Into<Whole<'r>>, listing: &Listing, out: &mut (impl Write + Send)) -> io::Result<()> {
    let whole = report.into();
    whole.calls.write(listing, out, &|Numbered { call, number, .. }, out| {
        for leg in call.legs.iter().filter(|leg| listing.lists(leg)) {
            let links = call.links.iter().filter(|link| link.legs.contains(&leg.call_id)).collect();
            let Call { conversation_ids, legs: _, export, links: _, escaped } = call;
            // The leg writes its own.
            let escaped = *escaped && !leg.escaped;
            let export = export.as_ref();
            let line = LegLine { r#type: "leg", call: number, conversation_ids, escaped, leg, export, links };
            json::line(&line, out)?;
        }
        Ok(())
    })?;
    let mut object = Object::open(out, Layout::LINE)?;
    object.field("type", &"report")?;
    object.report(whole, listing, false)?;
    object.close()?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct LegLine<'a> {
    r#type: &'static str,
    call: u64,
    conversation_ids: &'a [EvidenceText],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    escaped: bool,
    #[serde(flatten)]
    leg: &'a Leg,
    #[serde(skip_serializing_if = "Option::is_none")]
    export: Option<&'a CallExport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<&'a CallLink>,
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::sample;
    use crate::report::show::Show;

    fn lines(listing: &Listing) -> Vec<Value> {
        let mut out = Vec::new();
        write(&sample::incident(), listing, &mut out).expect("memory");
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(text.ends_with("}\n"));
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn whole(show: Show) -> Value {
        let mut out = Vec::new();
        json::write(&sample::incident(), &show.into(), &mut out).expect("memory");
        serde_json::from_slice(&out).expect("JSON")
    }

    #[test]
    fn the_lines_hold_what_the_document_holds() {
        let mut lines = lines(&Show::All.into());
        let mut whole = whole(Show::All);
        let calls = whole.as_object_mut().and_then(|report| report.remove("calls")).expect("calls");
        let mut rest = lines.pop().expect("the last line");
        let kind = rest.as_object_mut().and_then(|report| report.remove("type"));
        assert_eq!((kind, rest), (Some("report".into()), whole));
        let calls = calls.as_array().expect("calls");
        assert_eq!(lines.len(), calls.len(), "every call of the sample has one leg");
        for ((number, call), line) in (1..).zip(calls).zip(&mut lines) {
            let line = line.as_object_mut().expect("object");
            assert_eq!(line.remove("type"), Some("leg".into()));
            assert_eq!(line.remove("call"), Some(number.into()));
            assert_eq!(line.remove("conversation_ids").as_ref(), Some(&call["conversation_ids"]));
            assert_eq!(Value::Object(line.clone()), call["legs"][0]);
        }
    }

    #[test]
    fn what_exports_state_of_a_call_stands_with_its_legs() {
        let mut report = sample::incident();
        let queue = sample::text("q1");
        report.calls[1].export = Some(CallExport {
            divisions: Vec::new(),
            queues: vec![queue],
            agents: Vec::new(),
            flows: Vec::new(),
            recorded: Some(true),
            sources: Vec::new(),
            escaped: false,
        });
        let mut out = Vec::new();
        write(&report, &Show::All.into(), &mut out).expect("memory");
        let lines: Vec<Value> = String::from_utf8(out)
            .expect("UTF-8")
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(lines[1]["export"]["queues"], serde_json::json!(["q1"]));
        assert_eq!((lines[1]["export"]["recorded"].as_bool(), lines[0].get("export")), (Some(true), None));
    }

    #[test]
    fn keys_begin_with_what_tells_a_line() {
        let mut out = Vec::new();
        write(&sample::incident(), &Show::All.into(), &mut out).expect("memory");
        let text = String::from_utf8(out).expect("UTF-8");
        let first = text.lines().next().expect("a line");
        assert!(first.starts_with(r#"{"type":"leg","call":1,"conversation_ids":["#), "{first}");
        let last = text.lines().last().expect("a line");
        assert!(last.starts_with(r#"{"type":"report","schema":"sipconsent.report/1","generator":{"#), "{last}");
    }

    #[test]
    fn hostile_text_stays_on_its_line_and_acts_on_nothing() {
        let mut report = sample::incident();
        report.calls[0].legs[0].call_id = sample::text("a\n{\"type\":\"report\"}\r\u{2028}\x1b[2J\0\u{202e}");
        let mut out = Vec::new();
        write(&report, &Show::All.into(), &mut out).expect("memory");
        let text = String::from_utf8(out).expect("UTF-8");
        assert_eq!(text.lines().count(), 9);
        assert!(!text.chars().any(|character| character != '\n' && character.is_control()));
        assert!(!text.contains(['\u{2028}', '\u{202e}']));
        let first: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        assert_eq!(first["call_id"], "a\n{\"type\":\"report\"}\r\u{2028}\x1b[2J\0\u{202e}");
    }

    #[test]
    fn only_the_legs_asked_for_have_a_line() {
        assert_eq!(lines(&Show::Findings.into()).len(), 5);
        let none = lines(&Listing { trunks: vec!["none".to_owned()], ..Show::All.into() });
        assert_eq!(none.len(), 1, "the report itself is always there");
        assert_eq!(none[0]["listing"]["not_listed"], 8);
    }
}
