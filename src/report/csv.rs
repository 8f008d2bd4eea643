//! The report's media streams as comma-separated values: one stream a row, for spreadsheets and for joins.
//!
//! Follows RFC 4180: a header row, lines that end in CRLF, quotation marks where they are needed, every row with every
//! column. UTF-8 without a mark. A leg without media streams has one row, its columns of the stream empty, so that no leg
//! vanishes. Names of columns are those of the JSON report. Text of the evidence is inert and no formula
//! ([`escape::cell`]). What a report holds beside its legs has no place in rows of streams: the other formats have it.
//!
//! Written row by row: hand it a buffered writer.

use std::fmt::Display;
use std::io::{self, Write};

use super::calls::{Numbered, Whole};
use super::escape;
use super::model::{Call, Endpoint, EvidenceText, Instant, Leg, Pointer, Report, Seconds, Stream};
use super::show::Listing;

/// The columns, in their order.
pub const COLUMNS: [&str; 37] = [
    "call",
    "conversation_ids",
    "call_id",
    "trunk",
    "trunk_kind",
    "direction",
    "from",
    "to",
    "first",
    "answered",
    "ended",
    "final_status",
    "verdict",
    "consent",
    "consent_header",
    "consent_value",
    "stream",
    "media",
    "codecs",
    "offer_address",
    "offer_port",
    "answer_address",
    "answer_port",
    "start",
    "end",
    "end_seen",
    "measured_by",
    "consented_s",
    "unconsented_s",
    "unknown_s",
    "rtp_flows",
    "rtp_packets",
    "rtp_lost",
    "requests",
    "refused",
    "allowed",
    "grounds",
];

/// Writes the report. `listing` says which legs are listed.
///
/// # Errors
///
/// Only those of `out`.
pub fn write<'r>(report: impl Into<Whole<'r>>, listing: &Listing, out: &mut (impl Write + Send)) -> io::Result<()> {
    let Whole { report, calls } = report.into();
    let mut row = Row { out, begun: false };
    for column in COLUMNS {
        row.own(column)?;
    }
    row.end()?;
    calls.write(listing, out, &|Numbered { call, number, .. }, out| {
        let mut row = Row { out, begun: false };
        for leg in call.legs.iter().filter(|leg| listing.lists(leg)) {
            for stream in leg.streams.iter().map(Some).chain(leg.streams.is_empty().then_some(None)) {
                self::leg(&mut row, number, call, leg)?;
                self::stream(&mut row, stream)?;
                outcome(&mut row, report, leg)?;
                row.end()?;
            }
        }
        Ok(())
    })?;
    Ok(())
}

fn leg<W: Write>(row: &mut Row<'_, W>, number: u64, call: &Call, leg: &Leg) -> io::Result<()> {
    row.own(&number.to_string())?;
    row.list(&call.conversation_ids)?;
    row.evidence(Some(&leg.call_id))?;
    row.text(leg.trunk.name.as_deref().unwrap_or_default())?;
    row.own(leg.trunk.kind)?;
    row.own(leg.direction)?;
    row.evidence(leg.from.as_ref())?;
    row.evidence(leg.to.as_ref())?;
    row.time(Some(leg.first))?;
    row.time(leg.answered)?;
    row.time(leg.ended)?;
    row.number(leg.final_status)?;
    row.own(leg.verdict)?;
    row.own(leg.consent.state)?;
    // The field that was read last: what stands in a request without it is in force still.
    let spoken = leg.consent.observations.iter().rfind(|observation| observation.header.is_some());
    row.evidence(spoken.and_then(|observation| observation.header.as_ref()))?;
    row.evidence(spoken.and_then(|observation| observation.value.as_ref()))
}

fn stream<W: Write>(row: &mut Row<'_, W>, stream: Option<&Stream>) -> io::Result<()> {
    row.number(stream.map(|stream| stream.index))?;
    row.evidence(stream.map(|stream| &stream.media))?;
    row.list(stream.map_or(&[], |stream| &stream.codecs))?;
    row.endpoint(stream.and_then(|stream| stream.offer.as_ref()))?;
    row.endpoint(stream.and_then(|stream| stream.answer.as_ref()))?;
    row.time(stream.and_then(|stream| stream.start))?;
    row.time(stream.and_then(|stream| stream.end))?;
    row.number(stream.map(|stream| stream.end_seen))?;
    row.own(stream.map_or("", |stream| stream.measured_by))?;
    row.seconds(stream.map(|stream| stream.consented_s))?;
    row.seconds(stream.map(|stream| stream.unconsented_s))?;
    row.seconds(stream.map(|stream| stream.unknown_s))?;
    row.number(stream.map(|stream| stream.rtp.len()))?;
    row.number(stream.map(|stream| stream.rtp.iter().map(|flow| flow.packets).sum::<u64>()))?;
    row.number(stream.map(|stream| stream.rtp.iter().map(|flow| flow.lost).sum::<u64>()))
}

fn outcome<W: Write>(row: &mut Row<'_, W>, report: &Report, leg: &Leg) -> io::Result<()> {
    let answered = |fits: fn(u16) -> bool| leg.requests.iter().filter(|bound| fits(bound.request.status)).count();
    row.number(Some(leg.requests.len()))?;
    row.number(Some(answered(|status| status == 403)))?;
    row.number(Some(answered(|status| (200..300).contains(&status))))?;
    let grounds = leg.grounds.iter().map(|ground| {
        let sources: Vec<String> = ground.sources.iter().map(|source| pointer(report, *source)).collect();
        if sources.is_empty() {
            ground.reason.to_owned()
        } else {
            format!("{} [{}]", ground.reason, sources.join(", "))
        }
    });
    row.text(&grounds.collect::<Vec<_>>().join("; "))
}

/// A pointer as text reports write it: `capture.pcap #12`, `access.log:56`.
fn pointer(report: &Report, pointer: Pointer) -> String {
    match report.evidence.get(pointer.evidence.0 as usize) {
        Some(source) if source.kind == "capture" => format!("{} #{}", source.path, pointer.record),
        Some(source) => format!("{}:{}", source.path, pointer.record),
        None => format!("{}:{}", pointer.evidence, pointer.record),
    }
}

/// One row on its way out.
struct Row<'o, W: Write> {
    out: &'o mut W,
    begun: bool,
}

impl<W: Write> Row<'_, W> {
    /// The program's own word: needs no escaping.
    fn own(&mut self, word: &str) -> io::Result<()> {
        self.begin()?;
        self.out.write_all(word.as_bytes())
    }

    /// Begins a cell.
    fn begin(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.begun, true) {
            true => self.out.write_all(b","),
            false => Ok(()),
        }
    }

    /// Text of any origin.
    fn text(&mut self, text: &str) -> io::Result<()> {
        self.shown(&escape::cell(text.as_bytes()))
    }

    fn shown(&mut self, shown: &str) -> io::Result<()> {
        // Blanks at the ends and semicolons are quoted too: some readers take the ones off and part at the others.
        let quoted = shown.bytes().any(|byte| matches!(byte, b'"' | b',' | b';' | b' ' | b'\''));
        if !quoted {
            return self.own(shown);
        }
        self.begin()?;
        self.out.write_all(b"\"")?;
        for (number, part) in shown.split('"').enumerate() {
            self.out.write_all(if number > 0 { b"\"\"" } else { b"" })?;
            self.out.write_all(part.as_bytes())?;
        }
        self.out.write_all(b"\"")
    }

    fn evidence(&mut self, text: Option<&EvidenceText>) -> io::Result<()> {
        self.shown(&text.map(|text| escape::cell(&text.0)).unwrap_or_default())
    }

    /// Several texts between single blanks; a blank within one is shown as `\x20`.
    fn list(&mut self, texts: &[EvidenceText]) -> io::Result<()> {
        let joined =
            texts.iter().map(|text| escape::bytes(&text.0).replace(' ', "\\x20")).collect::<Vec<_>>().join(" ");
        self.shown(&escape::guard(joined.into()))
    }

    fn endpoint(&mut self, endpoint: Option<&Endpoint>) -> io::Result<()> {
        self.evidence(endpoint.map(|endpoint| &endpoint.address))?;
        self.number(endpoint.and_then(|endpoint| endpoint.port))
    }

    fn number(&mut self, number: Option<impl Display>) -> io::Result<()> {
        self.begin()?;
        number.map_or(Ok(()), |number| write!(self.out, "{number}"))
    }

    fn time(&mut self, at: Option<Instant>) -> io::Result<()> {
        self.own(&at.map(|at| at.0.rfc3339()).unwrap_or_default())
    }

    fn seconds(&mut self, seconds: Option<Seconds>) -> io::Result<()> {
        self.begin()?;
        seconds.map_or(Ok(()), |seconds| write!(self.out, "{:.3}", seconds.rounded()))
    }

    fn end(&mut self) -> io::Result<()> {
        self.begun = false;
        self.out.write_all(b"\r\n")
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

    /// The rows as RFC 4180 reads them.
    fn rows(text: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '"' if quoted && characters.peek() == Some(&'"') => cell.extend(characters.next()),
                '"' => quoted = !quoted,
                ',' if !quoted => row.push(std::mem::take(&mut cell)),
                '\r' if !quoted => assert_eq!(characters.peek(), Some(&'\n')),
                '\n' if !quoted => {
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
                other => cell.push(other),
            }
        }
        assert!(cell.is_empty() && row.is_empty() && !quoted);
        rows
    }

    fn value<'a>(rows: &'a [Vec<String>], row: usize, column: &str) -> &'a str {
        &rows[row][COLUMNS.iter().position(|known| *known == column).expect("a column")]
    }

    #[test]
    fn a_stream_is_a_row_and_a_leg_without_one_has_a_row_too() {
        let mut report = sample::incident();
        let second = sample::stream(1000, 2000, 3000);
        report.calls[0].legs[0].streams.push(second);
        let rows = rows(&written(&report, Show::All));
        assert_eq!(rows[0], COLUMNS);
        assert_eq!(rows.len(), 1 + 9);
        assert!(rows.iter().all(|row| row.len() == COLUMNS.len()));
        for row in [1, 2] {
            assert_eq!(value(&rows, row, "call_id"), "a84b4c76e66710@pc33.carrier.example");
        }
        assert_eq!((value(&rows, 1, "unconsented_s"), value(&rows, 1, "rtp_packets")), ("12.000", "600"));
        assert_eq!((value(&rows, 2, "unconsented_s"), value(&rows, 2, "rtp_packets")), ("2.000", "0"));
        let busy = rows.iter().position(|row| row.contains(&"busy@carrier.example".to_owned())).expect("busy");
        for column in ["stream", "media", "offer_port", "start", "end_seen", "unconsented_s", "rtp_flows"] {
            assert_eq!(value(&rows, busy, column), "", "{column}");
        }
        assert_eq!((value(&rows, busy, "verdict"), value(&rows, busy, "final_status")), ("no_media", "486"));
    }

    #[test]
    fn one_row_in_full() {
        let text = written(&sample::incident(), Show::Findings);
        let expected = "1,6f1b7a52-3c0e-4f0e-9d55-0a1b2c3d4e5f,a84b4c76e66710@pc33.carrier.example,SG1,byoc,inbound,\
             sip:+6561234567@carrier.example,sip:+18005550100@sg1.byoc.mypurecloud.com,2026-01-02T03:04:05.000Z,\
             2026-01-02T03:04:07.000Z,2026-01-02T03:04:19.000Z,200,exposed_unconsented,missing,,,0,audio,\
             \"PCMU telephone-event\",203.0.113.5,4000,192.0.2.9,16384,2026-01-02T03:04:07.000Z,\
             2026-01-02T03:04:19.000Z,true,rtp,0.000,12.000,0.000,1,600,3,4,0,4,\
             \"consent_missing [capture.pcap #1]; audio_served [access.log:75, capture.pcap #7, capture.pcap #9]\"";
        assert_eq!(text.split("\r\n").nth(1), Some(expected));
    }

    #[test]
    fn hostile_text_is_no_formula_and_stays_in_its_cell() {
        let mut report = sample::incident();
        let leg = &mut report.calls[0].legs[0];
        leg.call_id = sample::text("=HYPERLINK(\"http://x\",\"y\")");
        leg.from = Some(sample::text("a,\"b\"\r\n=1,\u{202e}\x1b[2J\0"));
        leg.to = Some(sample::text("@SUM(1)"));
        leg.streams[0].media = sample::text("-1");
        leg.streams[0].codecs = vec![sample::text("+1"), sample::text("a b")];
        leg.trunk.name = Some("=trunk".to_owned());
        report.evidence[1].path = "=x.pcap".to_owned();
        let text = written(&report, Show::Findings);
        assert!(!text.chars().any(|character| character.is_control() && !matches!(character, '\r' | '\n')));
        assert_eq!(text.matches('\n').count(), 5);
        let rows = rows(&text);
        assert_eq!(value(&rows, 1, "call_id"), "'=HYPERLINK(\"http://x\",\"y\")");
        assert_eq!(value(&rows, 1, "from"), "a,\"b\"\\r\\n=1,\\u{202e}\\x1b[2J\\x00");
        assert_eq!(value(&rows, 1, "to"), "'@SUM(1)");
        assert_eq!(value(&rows, 1, "media"), "'-1");
        assert_eq!(value(&rows, 1, "codecs"), "'+1 a\\x20b");
        assert_eq!(value(&rows, 1, "trunk"), "'=trunk");
        for row in &rows {
            assert!(!row.iter().any(|cell| cell.starts_with(['=', '+', '-', '@', '\t', '\r'])), "{row:?}");
        }
    }
}
