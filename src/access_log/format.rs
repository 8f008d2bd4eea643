//! Tells an access log by its first bytes, never by its name.

use crate::evidence::SourceId;
use crate::settings::Settings;

use super::LogReader;
use super::line::Part;

/// How the records of an access log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// AWS Application Load Balancer.
    AwsAlb,
    /// AWS Classic Load Balancer.
    AwsElb,
    /// AWS S3 server access log.
    AwsS3,
    /// Amazon CloudFront standard log: W3C, with tabs, percent-encoded.
    CloudFront,
    /// Common log format: nothing but the bytes sent behind the status; also with a virtual host before it.
    Common,
    /// Combined log format, also with a virtual host before it or more fields behind it.
    Combined,
    /// Comma-separated values under a header line; also with `;`, tabs or `|`.
    Csv,
    /// Envoy's default text, also Istio's.
    Envoy,
    /// HAProxy's HTTP log.
    HaProxy,
    /// One JSON object a line.
    JsonLines,
    /// `key=value` pairs.
    Logfmt,
    /// W3C extended log file format, also of IIS.
    W3c,
    /// JSON objects in an array, or over several lines.
    JsonDocument,
    /// The HTTP archive of a browser, HAR 1.2.
    Har,
    /// What Newman or Postman writes of a run.
    Newman,
    /// The text log of the platform's SDKs.
    SdkText,
}

impl Format {
    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AwsAlb => "aws_alb",
            Self::AwsElb => "aws_elb",
            Self::AwsS3 => "aws_s3",
            Self::CloudFront => "cloudfront",
            Self::Csv => "csv",
            Self::Envoy => "envoy",
            Self::HaProxy => "haproxy",
            Self::Logfmt => "logfmt",
            Self::W3c => "w3c",
            Self::Common => "common",
            Self::Combined => "combined",
            Self::JsonLines => "json_lines",
            Self::JsonDocument => "json_document",
            Self::Har => "har",
            Self::Newman => "newman",
            Self::SdkText => "sdk_text",
        }
    }
}

impl Format {
    /// Whether the format itself says that times are UTC.
    pub(super) const fn is_utc(self) -> bool {
        matches!(self, Self::CloudFront | Self::W3c)
    }

    /// Whether its records hang on a header line.
    #[must_use]
    pub const fn has_header(self) -> bool {
        matches!(self, Self::CloudFront | Self::Csv | Self::W3c)
    }
}

/// The format of the access log shown as `shown` that begins with `head`: that of its first record of a request.
/// `None` where it is no access log.
///
/// A log may begin with torn lines or other programs' output, but for sixteen lines of no known form there must be a
/// request: a text that quotes a line of a log is none. Where there are several requests, lines before the first do not
/// count, and whole records of something else never do. The configuration may name fields without which no record can be
/// read.
#[must_use]
pub fn recognise(head: &[u8], shown: &str, settings: &Settings) -> Option<Format> {
    let reader = LogReader::new(SourceId(0), shown, settings);
    let log = reader.read(head, Part::WHOLE);
    let found = log.format.filter(|_| is_log(log.total, log.of_no_form(), || reader.before_requests(head)));
    found.or_else(|| log.empty_table())
}

/// How many of the records in `head` are API requests, whatever else it holds.
#[must_use]
pub fn requests_among(head: &[u8], shown: &str, settings: &Settings) -> (u64, u64) {
    let log = LogReader::new(SourceId(0), shown, settings).read(head, Part::WHOLE);
    (log.total, log.records)
}

/// The fewest requests that make a log of what follows them, whatever stands before.
const FEW: u64 = 4;

/// Whether that many requests make a log where that many records are of no known form. `before` counts those before the
/// first request.
pub(super) fn is_log(requests: u64, unknown: u64, before: impl FnOnce() -> u64) -> bool {
    let are_enough = |unknown: u64| requests > 0 && requests * 15 >= unknown;
    are_enough(unknown) || requests >= FEW && are_enough(unknown.saturating_sub(before()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &[u8], expected: Option<Format>) {
        assert_eq!(recognise(head, "a.log", &Settings::default()), expected, "{}", String::from_utf8_lossy(head));
    }

    const COMMON: &str = "192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 5\n";
    const COMBINED: &str = "192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\"\n";
    const JSON: &str = "{\"time\":\"2026-01-02T03:04:05Z\",\"uri\":\"/\",\"status\":200}\n";

    #[test]
    fn the_first_record_decides() {
        check(COMMON.as_bytes(), Some(Format::Common));
        check(COMBINED.as_bytes(), Some(Format::Combined));
        check(JSON.as_bytes(), Some(Format::JsonLines));
        check(format!("{JSON}{COMMON}").as_bytes(), Some(Format::JsonLines));
        check(format!("\u{feff}\r\n{}", COMMON.replace('\n', "\r\n")).as_bytes(), Some(Format::Common));
        check(format!("\"status\":200}}\nrubbish\n\n# comment\n{COMBINED}").as_bytes(), Some(Format::Combined));
        check(&[&[0; 5000], JSON.as_bytes()].concat(), Some(Format::JsonLines));
        check(&COMMON.as_bytes()[..COMMON.len() - 1], Some(Format::Common));
        let others = "2026-03-02 10:00:00 INFO app started\n".repeat(1000);
        check(format!("{others}{}", COMMON.repeat(4)).as_bytes(), Some(Format::Common));
        check(format!("{others}{}", "a.log,b\n".repeat(3) + &JSON.repeat(5)).as_bytes(), Some(Format::JsonLines));
    }

    #[test]
    fn what_is_no_access_log_is_none() {
        check(b"", None);
        check(b"\n\n\n", None);
        check(b"hello\n", None);
        check(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0], None);
        check(b"2023-03-06 15:13:32.685002 96.83% [WARNING] sofia_reg.c:3223 SIP auth failure (INVITE) on [123] from ip 1.2.3.4\n", None);
        check(b"{\"ts\":\"2013-09-06T20:00:48Z\",\"lvl\":\"INFO\",\"msg\":\"x\",\"path\":\"/tmp/x\"}\n", None);
        check(b"{\"ts\":\"2013-09-06T20:00:48Z\",\"status\":\"ok\",\"path\":\"/tmp/x\"}\n", None);
        check(b"{\"log\":{\"entries\":[{\"request\":{\"method\":\"GET\",\"url\":\"http://h/\"},\"response\":{\"status\":200}}]}}\n", None);
        check(b"[{\"uri\":\"/\",\"status\":200}]\n", None);
        check(format!("{}{COMMON}", "A text that quotes a log.\n".repeat(20)).as_bytes(), None);
        let quoted = COMMON.repeat(10);
        check(format!("{quoted}{}", "A text that quotes a log.\n".repeat(200)).as_bytes(), None);
        check(JSON.trim_end().strip_suffix('}').expect("brace").as_bytes(), None);
    }

    #[test]
    fn configured_fields_make_a_log_readable() {
        let log = b"{\"u\":\"/x\",\"c\":\"403\"}\n";
        check(log, None);
        let fields = crate::settings::LogFields {
            target: vec!["u".to_owned()],
            status: vec!["c".to_owned()],
            ..Default::default()
        };
        let table = crate::settings::AccessLog { fields, ..Default::default() };
        let settings = Settings { access_logs: vec![table], ..Settings::default() };
        assert_eq!(recognise(log, "a.log", &settings), Some(Format::JsonLines));
    }
}
