//! Rows under a header line that names their columns: W3C extended log files, IIS, CloudFront, and CSV.
//!
//! W3C Extended Log File Format (WD-logfile): `#Fields:` may come again and change; fields are parted by blanks or, as
//! CloudFront writes them, by tabs; one may stand in quotes. CSV after RFC 4180, also with `;`, tab or `|` for the
//! comma: the first line of at least three names, of which some hold a status and a target, is the header. Columns are
//! matched by the names' table like the keys of JSON. Called by [`super::batch`].
//!
//! Keeps: a row has as many fields as the header has names, else it is none. So a torn row, and a row of another table,
//! are never read with shifted columns.

use super::fields::{Entry, Fields, Role, Table};
use super::format::Format;
use super::json::{Kind, Scalar, fold};
use super::scan::{count, find};
use super::time::joined;

/// Columns of one table that are kept. A header with more is none.
const COLUMNS: usize = 512;

/// Lines that one record of CSV may take, and their bytes.
pub(super) const RECORD_LINES: usize = 256;
pub(super) const RECORD_BYTES: usize = 64 << 10;

/// What a header line says.
#[derive(Clone, Debug)]
pub(super) struct Header {
    kind: Separator,
    columns: Vec<Option<Column>>,
    /// As the header stands in the log.
    line: Box<[u8]>,
    format: Format,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    entry: Entry,
    /// How its values are written where they are not quoted.
    kind: Kind,
    /// No other column holds the same.
    alone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Separator {
    /// Blanks, or tabs alone in a row that has one.
    Blanks,
    Byte(u8),
}

impl Header {
    /// The header in a `#` line of a W3C log; `None` for other lines.
    pub(super) fn directive(line: &[u8], table: &Table) -> Option<Self> {
        let names = line.strip_prefix(b"#")?.trim_ascii_start();
        let (word, names) = names.split_at_checked(7)?;
        if !word.eq_ignore_ascii_case(b"fields:") {
            return None;
        }
        let names: Vec<&[u8]> =
            names.split(|byte| matches!(byte, b' ' | b'\t')).filter(|name| !name.is_empty()).collect();
        let is_edge = names.iter().any(|name| name.starts_with(b"x-edge-"));
        let format = if is_edge { Format::CloudFront } else { Format::W3c };
        Self::new(Separator::Blanks, &names, line, format, table).filter(|header| header.holds(Role::Status))
    }

    /// The columns of a CloudFront log whose header is missing, if `line` is a row of one: it begins with the date and the
    /// time, each with a tab behind it, and has as many fields as a standard log.
    pub(super) fn of_edge_row(line: &[u8], table: &Table) -> Option<Self> {
        let is_edge = line.get(10) == Some(&b'\t') && line.get(19) == Some(&b'\t') && joined_at(line);
        is_edge
            .then(|| Self::directive(EDGE, table))
            .flatten()
            .filter(|header| header.row(line, &mut Fields::default()))
    }

    /// The header that a line of CSV is; `None` where it is none.
    pub(super) fn csv(line: &[u8], table: &Table) -> Option<Self> {
        // Most lines are no header: what a value would hold, a name does not.
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b" _-.@()[]$#:,;\t|\"'".contains(byte);
        let first = line.strip_prefix(b"\"").unwrap_or(line).first()?;
        if !(first.is_ascii_alphabetic() || b"_@$".contains(first)) || line.len() > 1 << 14 || !line.iter().all(is_name)
        {
            return None;
        }
        [b',', b';', b'\t', b'|'].into_iter().find_map(|separator| {
            let names: Option<Vec<Scalar<'_>>> = Cells { rest: Some(line), separator }.collect();
            let names = names.filter(|names| names.len() >= 3 && names.iter().all(|name| is_column(name.text)))?;
            let names: Vec<&[u8]> = names.iter().map(|name| name.text.trim_ascii()).collect();
            let header = Self::new(Separator::Byte(separator), &names, line, Format::Csv, table)?;
            let has_target = header.holds(Role::Target) || header.holds(Role::Request);
            (header.holds(Role::Status) && has_target).then_some(header)
        })
    }

    /// The header that stands in a log as `line`.
    pub(super) fn parse(line: &[u8], table: &Table) -> Option<Self> {
        Self::directive(line, table).or_else(|| Self::csv(line, table))
    }

    fn new(kind: Separator, names: &[&[u8]], line: &[u8], format: Format, table: &Table) -> Option<Self> {
        if names.len() > COLUMNS {
            return None;
        }
        let entries: Vec<Option<Entry>> = names.iter().map(|name| table.entry(&path(name))).collect();
        let columns = entries.iter().map(|entry| {
            let entry = (*entry)?;
            let kind = match (format, entry.0) {
                (Format::CloudFront, Role::Target | Role::Query | Role::Request) => Kind::UrlTarget,
                (Format::CloudFront, _) => Kind::Url,
                _ => Kind::Text,
            };
            let alone = entries.iter().flatten().filter(|other| **other == entry).count() == 1;
            Some(Column { entry, kind, alone })
        });
        Some(Self { kind, columns: columns.collect(), line: line.into(), format })
    }

    fn holds(&self, role: Role) -> bool {
        self.columns.iter().flatten().any(|column| column.entry.0 == role)
    }

    pub(super) const fn format(&self) -> Format {
        self.format
    }

    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Whether a record may go on in the next line.
    pub(super) fn spans_lines(&self) -> bool {
        matches!(self.kind, Separator::Byte(_))
    }

    /// Fills `fields` from a row; `false` where `line` is none.
    pub(super) fn row<'a>(&self, line: &'a [u8], fields: &mut Fields<'a>) -> bool {
        fields.clear();
        match self.kind {
            Separator::Byte(separator) => self.cells(Cells { rest: Some(line), separator }, fields),
            Separator::Blanks => match find(b'\t', line) {
                Some(_) => self.cells(line.split(|byte| *byte == b'\t').map(|cell| Some(Scalar::plain(cell))), fields),
                None => self.cells(Words { rest: line }, fields),
            },
        }
    }

    fn cells<'a>(&self, cells: impl Iterator<Item = Option<Scalar<'a>>>, fields: &mut Fields<'a>) -> bool {
        let mut columns = self.columns.iter();
        for cell in cells {
            let (Some(column), Some(cell)) = (columns.next(), cell) else { return false };
            if let Some(Column { entry, kind, alone }) = column {
                let kind = if cell.kind == Kind::Text { *kind } else { cell.kind };
                fields.offer(*entry, Scalar { kind, ..cell }, *alone);
            }
        }
        columns.next().is_none()
    }
}

/// The fields of CloudFront's standard logs since 2019.
const EDGE: &[u8] = b"#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) \
    cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken \
    x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields \
    c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start sc-range-end";

/// Whether `line` begins with a date and a time of the day.
fn joined_at(line: &[u8]) -> bool {
    line.split_at_checked(11).is_some_and(|(date, time)| {
        let (date, time) = (date.get(..10).unwrap_or_default(), time.get(..8).unwrap_or_default());
        joined(date, time, true).is_some()
    })
}

/// The path of a column's name as keys have it: `cs(User-Agent)` is a header field of the request.
fn path(name: &[u8]) -> Vec<u8> {
    let name = name.strip_suffix("\u{200b}".as_bytes()).unwrap_or(name);
    let inner = |prefix: &[u8]| {
        let (head, rest) = name.split_at_checked(prefix.len())?;
        head.eq_ignore_ascii_case(prefix).then(|| rest.strip_suffix(b")"))?
    };
    let (above, name) = if let Some(field) = inner(b"cs(") {
        (&b"requestheaders."[..], field)
    } else if let Some(field) = inner(b"sc(").or_else(|| inner(b"rs(")) {
        (&b"responseheaders."[..], field)
    } else {
        (&b""[..], name)
    };
    // A name in words: `Status Code`.
    let folded = fold(name).filter(|byte| *byte != b' ');
    above.iter().copied().chain(folded).collect()
}

/// Whether a cell of a header can be a name.
fn is_column(cell: &[u8]) -> bool {
    cell.trim_ascii().first().is_some_and(|byte| byte.is_ascii_alphabetic() || b"_@$#(".contains(byte))
}

/// The cells of a line of CSV; `None` for one that does not end as it should.
struct Cells<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Iterator for Cells<'a> {
    type Item = Option<Scalar<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.rest.take()?;
        let Some(quoted) = line.strip_prefix(b"\"") else {
            let end = find(self.separator, line);
            self.rest = end.and_then(|end| line.get(end + 1..));
            return Some(line.get(..end.unwrap_or(line.len())).map(Scalar::plain));
        };
        let (mut at, mut kind) = (0, Kind::Text);
        loop {
            let Some(step) = quoted.get(at..).and_then(|rest| find(b'"', rest)) else { return Some(None) };
            at += step;
            match quoted.get(at + 1) {
                Some(b'"') => {
                    kind = Kind::Doubled;
                    at += 2;
                }
                None => break,
                Some(byte) if *byte == self.separator => {
                    self.rest = quoted.get(at + 2..);
                    break;
                }
                // What follows a closing quote and is no separator.
                Some(_) => return Some(None),
            }
        }
        Some(quoted.get(..at).map(|text| Scalar { text, kind }))
    }
}

/// The words of a W3C row. A word in quotes may hold blanks, and quotes that are doubled.
struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Words<'a> {
    type Item = Option<Scalar<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.rest.trim_ascii_start();
        if line.is_empty() {
            return None;
        }
        if line.first() == Some(&b'"') {
            let mut cells = Cells { rest: Some(line), separator: b' ' };
            let cell = cells.next().flatten();
            self.rest = cells.rest.unwrap_or_default();
            return Some(cell);
        }
        let end = find(b' ', line).unwrap_or(line.len());
        let (word, rest) = line.split_at_checked(end)?;
        self.rest = rest;
        Some(Some(Scalar::plain(word)))
    }
}

/// The record at the front of `text`, which may go on in further lines as long as a quote is open: its bytes, what
/// follows it, and how many lines it takes beyond the first. `None` where it ends with its first line, or goes on for
/// too long to be a record.
pub(super) fn record_of_lines(text: &[u8]) -> Option<(&[u8], &[u8], u64)> {
    let (mut end, mut quotes) = (0, 0);
    for lines in 0..RECORD_LINES {
        let line = memchr::memchr(b'\n', text.get(end..)?).map_or(text.len(), |at| end + at);
        quotes += count(b'"', text.get(end..line)?);
        if quotes % 2 == 0 {
            let record = text.get(..line)?;
            let behind = text.get(line + 1..).unwrap_or_default();
            return (lines > 0).then(|| (record.strip_suffix(b"\r").unwrap_or(record), behind, lines as u64));
        }
        if line >= text.len() || line > RECORD_BYTES {
            return None;
        }
        end = line + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn table() -> Table {
        Table::new(&Settings::default(), "a.log")
    }

    fn cells(line: &str, separator: u8) -> Option<Vec<String>> {
        let cells: Option<Vec<Scalar<'_>>> = Cells { rest: Some(line.as_bytes()), separator }.collect();
        Some(cells?.iter().map(|cell| String::from_utf8_lossy(&cell.value()).into_owned()).collect())
    }

    fn words(line: &str) -> Option<Vec<String>> {
        let words: Option<Vec<Scalar<'_>>> = Words { rest: line.as_bytes() }.collect();
        Some(words?.iter().map(|word| String::from_utf8_lossy(&word.value()).into_owned()).collect())
    }

    fn owned(texts: &[&str]) -> Option<Vec<String>> {
        Some(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn csv_is_parted_as_rfc_4180_has_it() {
        assert_eq!(cells("a,b,", b','), owned(&["a", "b", ""]));
        assert_eq!(cells("\"a,b\",\"c\"\"d\",\"\"", b','), owned(&["a,b", "c\"d", ""]));
        assert_eq!(cells("a;b\"c;d", b';'), owned(&["a", "b\"c", "d"]));
        assert_eq!(cells("\"a\nb\",c", b','), owned(&["a\nb", "c"]));
        assert_eq!(cells("a,\"b", b','), None);
        assert_eq!(cells("a,\"b\"c,d", b','), None);
    }

    #[test]
    fn words_are_parted_by_any_number_of_blanks() {
        assert_eq!(words("a  b   c "), owned(&["a", "b", "c"]));
        assert_eq!(words("a \"b c; d\" e"), owned(&["a", "b c; d", "e"]));
        assert_eq!(words("a \"b \"\"c\"\"\""), owned(&["a", "b \"c\""]));
        assert_eq!(words("a \"b c"), None);
        assert_eq!(words(""), owned(&[]));
    }

    #[test]
    fn a_header_names_a_status_and_a_target() {
        let csv = |line: &str| Header::csv(line.as_bytes(), &table()).is_some();
        for line in [
            "time,method,path,status",
            "\"Time\";\"Status Code\";\"Request URI\"",
            "status\tuser\turl",
            "@timestamp,http.response.status_code,url.original",
        ] {
            assert!(csv(line), "{line}");
        }
        for line in ["status,uri", "a,b,c", "403,GET,/x", "time,status,client", "status: uri, request, 7/8", ""] {
            assert!(!csv(line), "{line}");
        }
        let directive = |line: &str| Header::directive(line.as_bytes(), &table()).map(|header| header.format);
        assert_eq!(directive("#Fields: date time cs-uri-stem sc-status"), Some(Format::W3c));
        assert_eq!(directive("#fields:\tdate\tcs-uri-stem\tsc-status\tx-edge-result-type"), Some(Format::CloudFront));
        assert_eq!(directive("#Fields: date time x-event"), None);
        assert_eq!(directive("#Version: 1.0"), None);
    }

    #[test]
    fn a_row_of_another_width_is_none() {
        let header = Header::directive(b"#Fields: date cs-uri-stem sc-status", &table()).expect("header");
        let mut fields = Fields::default();
        assert!(header.row(b"2026-01-02 /x 403", &mut fields));
        assert_eq!(fields.status(), Some(403));
        assert!(header.row(b"2026-01-02\t/x y\t403", &mut fields));
        for line in ["2026-01-02 /x 403 x", "2026-01-02 /x", "2026-01-02\t/x\t403\t"] {
            assert!(!header.row(line.as_bytes(), &mut fields), "{line}");
        }
    }

    #[test]
    fn a_record_goes_on_while_a_quote_is_open() {
        let text = b"a,\"b\r\nc\"\"\n\",d\r\nnext";
        assert_eq!(record_of_lines(text), Some((&b"a,\"b\r\nc\"\"\n\",d"[..], &b"next"[..], 2)));
        assert_eq!(record_of_lines(b"a,\"b\",c\nd"), None);
        assert_eq!(record_of_lines(b"a,\"b\nc"), None);
    }
}
