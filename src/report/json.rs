//! The report as JSON (contract §6): the schema of [`model`](super::model), indented by two blanks, with a newline at
//! its end.
//!
//! Keys and arrays come in the model's own order, so the same report gives the same bytes. Written piece by piece as it
//! is serialised, never held in memory: hand it a buffered writer. Characters that would act on a terminal are written
//! as `\uXXXX`, which means the same to every reader of JSON.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use super::calls::{Numbered, Whole};
use super::model::{Call, CallExport, CallLink, EvidenceText, Leg, Report};
use super::show::Listing;
use super::{escape, rows};

/// Writes the report. `listing` says which legs are listed; a call without any is left out, everything else is whole.
///
/// # Errors
///
/// Only those of `out`.
pub fn write<'r>(report: impl Into<Whole<'r>>, listing: &Listing, out: &mut (impl Write + Send)) -> io::Result<()> {
    let mut object = Object::open(out, Layout::INDENTED)?;
    object.report(report.into(), listing, true)?;
    object.close()?;
    out.write_all(b"\n")
}

/// Writes one value on one line, with what acts on a terminal as `\uXXXX`.
pub(super) fn line(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, Layout::LINE))?;
    out.write_all(b"\n")
}

/// Writes what stands between the quotes of a string that is `text`, or a part of it.
pub(super) fn fragment(text: &str, out: &mut impl Write) -> io::Result<()> {
    let mut quoted = Vec::with_capacity(text.len() + 2);
    text.serialize(&mut Serializer::with_formatter(&mut quoted, Layout::LINE))?;
    out.write_all(quoted.get(1..quoted.len() - 1).unwrap_or_default())
}

/// JSON on one line, or indented by two blanks; with what [`escape`] knows to act on a terminal as `\uXXXX`.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    is_indented: bool,
    depth: usize,
    /// Whether what is open holds nothing yet.
    is_empty: bool,
}

impl Layout {
    pub(super) const LINE: Self = Self { is_indented: false, depth: 0, is_empty: true };
    const INDENTED: Self = Self { is_indented: true, ..Self::LINE };

    /// Goes on to the next entry of what is open.
    #[inline]
    fn part(&self, out: &mut (impl Write + ?Sized), is_first: bool) -> io::Result<()> {
        const GAP: &[u8] = b",\n                                        ";
        let start = usize::from(is_first);
        let end = if self.is_indented { 2 + 2 * self.depth } else { 1 };
        if let Some(gap) = GAP.get(start..end) {
            return out.write_all(gap);
        }
        out.write_all(GAP.get(start..).unwrap_or_default())?;
        (GAP.len()..end).try_for_each(|_| out.write_all(b" "))
    }

    fn open(&mut self, out: &mut (impl Write + ?Sized), mark: u8) -> io::Result<()> {
        self.depth += 1;
        self.is_empty = true;
        out.write_all(&[mark])
    }

    fn close(&mut self, out: &mut (impl Write + ?Sized), mark: u8) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        if self.is_indented && !self.is_empty {
            self.part(out, true)?;
        }
        out.write_all(&[mark])
    }
}

impl Formatter for Layout {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b'[')
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b']')
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.part(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.is_empty = false;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b'{')
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b'}')
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.part(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(if self.is_indented { b": " } else { b":" })
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.is_empty = false;
        Ok(())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        // Nearly all text, and told at a fraction of the cost of looking at its characters.
        if escape::is_plain(fragment.as_bytes()) {
            return out.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some(at) = rest.find(|character| character == '\x7f' || escape::acts(character)) {
            let (inert, acting) = rest.split_at(at);
            out.write_all(inert.as_bytes())?;
            let mut characters = acting.chars();
            if let Some(character) = characters.next() {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
            rest = characters.as_str();
        }
        out.write_all(rest.as_bytes())
    }
}

/// An object on its way out, key by key.
pub(super) struct Object<'o, W> {
    out: &'o mut W,
    layout: Layout,
}

impl<'o, W: Write + Send> Object<'o, W> {
    pub(super) fn open(out: &'o mut W, mut layout: Layout) -> io::Result<Self> {
        layout.open(out, b'{')?;
        Ok(Self { out, layout })
    }

    /// One value.
    pub(super) fn field(&mut self, key: &'static str, value: &impl Serialize) -> io::Result<()> {
        self.key(key)?;
        Ok(value.serialize(&mut Serializer::with_formatter(&mut *self.out, self.layout))?)
    }

    /// An array of many.
    fn rows<T: Serialize + Sync>(&mut self, key: &'static str, values: &[T]) -> io::Result<()> {
        self.array(key, |layout, out| {
            rows::write(values, rows::SMALL, out, |value, is_first, out| {
                layout.part(out, is_first)?;
                Ok(value.serialize(&mut Serializer::with_formatter(out, layout))?)
            })?;
            Ok(values.len())
        })
    }

    /// An array of what `write` writes and counts.
    fn array(&mut self, key: &'static str, write: impl FnOnce(Layout, &mut W) -> io::Result<usize>) -> io::Result<()> {
        self.key(key)?;
        let mut layout = self.layout;
        layout.open(self.out, b'[')?;
        layout.is_empty = write(layout, self.out)? == 0;
        layout.close(self.out, b']')
    }

    fn key(&mut self, key: &'static str) -> io::Result<()> {
        self.layout.part(self.out, self.layout.is_empty)?;
        key.serialize(&mut Serializer::with_formatter(&mut *self.out, self.layout))?;
        self.layout.is_empty = false;
        self.layout.begin_object_value(self.out)
    }

    /// All that a report says; with the calls whose legs are listed, or without any.
    pub(super) fn report(&mut self, whole: Whole<'_>, listing: &Listing, with_calls: bool) -> io::Result<()> {
        // Every field by name: one that is new is not forgotten here.
        let Report {
            schema,
            generator,
            settings,
            complete,
            notices,
            evidence,
            summary,
            calls: _,
            trunks,
            unbound_refusals,
            diagnosis,
        } = whole.report;
        self.field("schema", schema)?;
        self.field("generator", generator)?;
        self.field("settings", settings)?;
        self.field("complete", complete)?;
        self.field("notices", notices)?;
        self.field("evidence", evidence)?;
        self.field("summary", summary)?;
        if with_calls {
            self.array("calls", |layout, mut out| {
                whole.calls.write(listing, &mut out, &|Numbered { call, is_first, .. }, out| {
                    layout.part(out, is_first)?;
                    Ok(ListedCall { call, listing }.serialize(&mut Serializer::with_formatter(out, layout))?)
                })
            })?;
        }
        self.field("trunks", trunks)?;
        self.rows("unbound_refusals", unbound_refusals)?;
        self.field("diagnosis", diagnosis)?;
        match listing.listed(whole) {
            Some(listed) => self.field("listing", &listed),
            None => Ok(()),
        }
    }

    pub(super) fn close(mut self) -> io::Result<()> {
        self.layout.close(self.out, b'}')
    }
}

/// A call with the legs that are listed.
struct ListedCall<'a> {
    call: &'a Call,
    listing: &'a Listing,
}

impl Serialize for ListedCall<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Call { conversation_ids, legs, export, links, escaped } = self.call;
        let legs = Legs { legs, listing: self.listing };
        CallRow { conversation_ids, legs, export: export.as_ref(), links, escaped: *escaped }.serialize(serializer)
    }
}

#[derive(Serialize)]
struct CallRow<'a> {
    conversation_ids: &'a [EvidenceText],
    legs: Legs<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    export: Option<&'a CallExport>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    links: &'a [CallLink],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    escaped: bool,
}

struct Legs<'a> {
    legs: &'a [Leg],
    listing: &'a Listing,
}

impl Serialize for Legs<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.legs.iter().filter(|leg| self.listing.lists(leg)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::report::show::Show;

    fn written(report: &Report, show: Show) -> String {
        let mut out = Vec::new();
        write(report, &show.into(), &mut out).expect("memory");
        String::from_utf8(out).expect("UTF-8")
    }

    fn value(report: &Report, show: Show) -> serde_json::Value {
        serde_json::from_str(&written(report, show)).expect("JSON")
    }

    /// The lines of `json` that hold the keys at a depth of `depth`.
    fn keys(json: &str, depth: usize) -> Vec<&str> {
        let indent = " ".repeat(2 * depth);
        let key = |line: &'_ str| line.strip_prefix(&indent)?.strip_prefix('"')?.split_once("\": ").map(|_| ());
        let lines = json.lines().filter(|line| key(line).is_some());
        lines.filter_map(|line| line.split('"').nth(1)).collect()
    }

    #[test]
    fn keys_stand_in_the_order_of_the_contract() {
        let json = written(&sample::incident(), Show::All);
        let expected = [
            "schema",
            "generator",
            "settings",
            "complete",
            "notices",
            "evidence",
            "summary",
            "calls",
            "trunks",
            "unbound_refusals",
            "diagnosis",
        ];
        assert_eq!(keys(&json, 1), expected);
        assert!(json.starts_with("{\n  \"schema\": \"sipconsent.report/1\",\n  \"generator\": {\n    \"name\": "));
        assert!(json.ends_with("  \"diagnosis\": []\n}\n"));
    }

    #[test]
    fn one_leg_in_full() {
        let mut leg = sample::incident().calls[0].legs[0].clone();
        leg.requests.truncate(1);
        leg.grounds.truncate(1);
        let expected = concat!(
            r#"{"call_id":"a84b4c76e66710@pc33.carrier.example","trunk":{"name":"SG1","kind":"byoc"},"#,
            r#""direction":"inbound","from":"sip:+6561234567@carrier.example","#,
            r#""to":"sip:+18005550100@sg1.byoc.mypurecloud.com","first":"2026-01-02T03:04:05.000Z","#,
            r#""answered":"2026-01-02T03:04:07.000Z","ended":"2026-01-02T03:04:19.000Z","final_status":200,"#,
            r#""consent":{"state":"missing","observations":[{"at":"2026-01-02T03:04:05.000Z","method":"INVITE","#,
            r#""cseq":1,"header":null,"value":null,"state":"missing","source":{"evidence":"E2","record":1}}],"#,
            r#""timeline":[{"from":"2026-01-02T03:04:05.000Z","state":"missing"}]},"#,
            r#""streams":[{"index":0,"media":"audio","codecs":["PCMU","telephone-event"],"#,
            r#""offer":{"address":"203.0.113.5","port":4000},"answer":{"address":"192.0.2.9","port":16384},"#,
            r#""start":"2026-01-02T03:04:07.000Z","end":"2026-01-02T03:04:19.000Z","end_seen":true,"#,
            r#""measured_by":"rtp","consented_s":0.0,"unconsented_s":12.0,"unknown_s":0.0,"#,
            r#""rtp":[{"ssrc":"0x1234abcd","source":"203.0.113.5:4000","destination":"192.0.2.9:16384","#,
            r#""packets":600,"bytes":96000,"lost":3,"first":"2026-01-02T03:04:07.000Z","#,
            r#""last":"2026-01-02T03:04:19.000Z"}]}],"#,
            r#""requests":[{"at":"2026-01-02T03:05:05.000Z","method":"GET","#,
            r#""target":"/api/v2/conversations/6f1b7a52-3c0e-4f0e-9d55-0a1b2c3d4e5f/recordings/r1","#,
            r#""status":202,"client":"198.51.100.7","error_code":null,"#,
            r#""link":{"by":"x-inin-cnv","strength":"bridged"},"lag_s":60.0,"#,
            r#""source":{"evidence":"E1","record":60},"error_params":null,"user":null,"correlation_id":null,"#,
            r#""answered_by":null}],"verdict":"exposed_unconsented","#,
            r#""grounds":[{"reason":"consent_missing","sources":[{"evidence":"E2","record":1}]}]}"#,
        );
        assert_eq!(serde_json::to_string(&leg).expect("JSON"), expected);
    }

    #[test]
    fn only_the_legs_asked_for_are_listed_and_nothing_else_is_left_out() {
        let report = sample::incident();
        let calls = |show| {
            let value = value(&report, show);
            let calls = value["calls"].as_array().expect("calls").clone();
            calls
                .iter()
                .map(|call| call["legs"][0]["verdict"].as_str().expect("verdict").to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(calls(Show::All).len(), 8);
        assert_eq!(calls(Show::Byoc).len(), 7);
        let findings = ["exposed_unconsented", "blocked_consented", "blocked_unconsented", "unconsented"];
        assert_eq!(calls(Show::Findings), findings);
        let (all, mut some) = (value(&report, Show::All), value(&report, Show::Findings));
        some["calls"] = all["calls"].clone();
        assert_eq!(all, some);
    }

    #[test]
    fn a_filtered_report_says_what_it_leaves_out() {
        let listing = Listing { only: vec!["clear"], trunks: vec!["SG1".to_owned()], ..Show::All.into() };
        let mut out = Vec::new();
        write(&sample::incident(), &listing, &mut out).expect("memory");
        let report: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        let expected =
            serde_json::json!({"show": "all", "only": ["clear"], "trunks": ["SG1"], "legs": 1, "not_listed": 7});
        assert_eq!(report["listing"], expected);
        assert_eq!(report["calls"].as_array().map(Vec::len), Some(1));
        assert_eq!(report["summary"], value(&sample::incident(), Show::All)["summary"]);
    }

    #[test]
    fn hostile_text_is_escaped_and_lossless() {
        let mut report = sample::incident();
        let json = written(&report, Show::All);
        assert!(json.contains(r#""call_id": "evil\u001b[2J\u202e@x""#), "{json}");
        let text = "\u{9b}2J\x7f\u{e0041}é中📞\u{200b}\"\\";
        report.calls[0].legs[0].call_id = sample::text(text);
        assert_eq!(value(&report, Show::All)["calls"][0]["legs"][0]["call_id"], text);
        let json = written(&report, Show::All);
        assert!(json.contains(r#""\u009b2J\u007f\udb40\udc41é中📞\u200b\"\\""#), "{json}");
        assert!(json.contains(r#""from": "sip:\\xff\\xfe@carrier.example""#));
        report.calls[0].legs[0].call_id.0 = b"\xff\\".to_vec();
        report.calls[0].legs[0].escaped = true;
        let leg = value(&report, Show::All)["calls"][0]["legs"][0].clone();
        assert_eq!((leg["call_id"].as_str(), leg["escaped"].as_bool()), (Some("\\xff\\\\"), Some(true)));
    }
}
