//! Times of exports: RFC 3339, without a zone in that of the source; epoch numbers in trace records.
//!
//! The platform writes its zone. A time without one was written by somebody else, who may have meant any.

use jiff::fmt::temporal::Pieces;

use crate::evidence::Timestamp;
use crate::settings::{SourceZone, Zones};

/// Reads the times of one export.
#[derive(Debug)]
pub(super) struct Times<'z> {
    zone: &'z SourceZone,
    /// The zones that they were read in.
    pub(super) zones: Zones,
    /// A local time that happened twice or never was met: it is none.
    pub(super) has_ambiguous: bool,
}

/// An instant, and the offset that was written with it, in seconds east of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) at: Timestamp,
    pub(super) offset: Option<i32>,
}

impl<'z> Times<'z> {
    pub(super) fn new(zone: &'z SourceZone) -> Self {
        Self { zone, zones: Zones::default(), has_ambiguous: false }
    }

    /// The instant that a text writes, with its digits. A date alone is none.
    pub(super) fn instant(&mut self, text: &[u8]) -> Option<Timestamp> {
        self.written(text).map(|written| self.used(written))
    }

    /// Notes that an instant is used, with the zone it was read in.
    pub(super) fn used(&mut self, Written { at, offset }: Written) -> Timestamp {
        self.zones.note(offset);
        at
    }

    /// The instant that a text writes, whose zone is noted once it is used.
    pub(super) fn written(&mut self, text: &[u8]) -> Option<Written> {
        let text = std::str::from_utf8(text).ok()?.trim();
        let pieces = Pieces::parse(text).ok()?;
        let civil = pieces.date().to_datetime(pieces.time()?);
        let offset = pieces.to_numeric_offset().map(jiff::tz::Offset::seconds);
        let wall = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        let (seconds, is_ambiguous) = self.zone.utc(wall.as_second(), offset)?;
        self.has_ambiguous |= is_ambiguous;
        let ns = seconds.checked_mul(1_000_000_000)?.checked_add(i64::from(wall.subsec_nanosecond()))?;
        let (_, fraction) = text.split_once(['.', ',']).unwrap_or_default();
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count().min(9) as u8;
        (!is_ambiguous).then(|| Written { at: Timestamp::new(ns, digits), offset })
    }
}

/// The instant of an epoch number in `digits` after the second: 3 for milliseconds, 6 for microseconds. A number of another
/// size is none: fields of this kind hold the fraction alone in some exports.
pub(super) fn epoch(text: &[u8], digits: u8) -> Option<Timestamp> {
    let number: i64 = std::str::from_utf8(text).ok()?.trim().parse().ok()?;
    let second = 10_i64.checked_pow(u32::from(digits))?;
    // 2001 to 2100.
    (1_000_000_000..4_102_444_800).contains(&(number / second)).then_some(())?;
    Some(Timestamp::new(number.checked_mul(1_000_000_000 / second)?, digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Settings, Zone, ZoneFrom};

    fn zone(name: Option<&str>) -> SourceZone {
        let log_timezone = name.map(|name| name.parse().expect("a zone"));
        SourceZone::new(&Settings { log_timezone, ..Settings::default() }, "a.json")
    }

    #[track_caller]
    fn check(name: Option<&str>, text: &str, expected: Option<&str>) -> Option<Zone> {
        let zone = zone(name);
        let mut times = Times::new(&zone);
        assert_eq!(times.instant(text.as_bytes()).map(Timestamp::rfc3339).as_deref(), expected, "{text}");
        zone.reported(times.zones)
    }

    #[test]
    fn times_keep_their_digits_and_their_zone() {
        for (text, expected) in [
            ("2026-03-02T10:00:00.250Z", Some("2026-03-02T10:00:00.250Z")),
            ("2026-03-02T12:00:00+02:00", Some("2026-03-02T10:00:00Z")),
            ("2026-03-02T10:00:00.000+0000", Some("2026-03-02T10:00:00.000Z")),
            ("2026-03-02T23:59:60Z", Some("2026-03-02T23:59:59Z")),
            ("2026-03-02", None),
            ("2026-03-02Z", None),
            ("10:00:00", None),
            ("yesterday", None),
            ("", None),
        ] {
            let zone = check(Some("Asia/Singapore"), text, expected);
            assert!(zone.is_none_or(|zone| zone.from == ZoneFrom::Written), "{text}");
        }
    }

    #[test]
    fn a_time_without_a_zone_is_in_that_of_the_source() {
        for (name, expected, from) in [
            (None, "2026-03-02T10:00:00.123456Z", ZoneFrom::Assumed),
            (Some("Asia/Singapore"), "2026-03-02T02:00:00.123456Z", ZoneFrom::Configured),
            (Some("-03:30"), "2026-03-02T13:30:00.123456Z", ZoneFrom::Configured),
        ] {
            for text in ["2026-03-02T10:00:00.123456", "2026-03-02 10:00:00.123456"] {
                let zone = check(name, text, Some(expected)).expect("a zone");
                assert_eq!((zone.name.as_str(), zone.from), (name.unwrap_or("UTC"), from));
            }
        }
    }

    #[test]
    fn a_local_time_that_happened_twice_is_none() {
        let zone = zone(Some("America/New_York"));
        let mut times = Times::new(&zone);
        assert_eq!((times.instant(b"2026-11-01T03:30:00").is_some(), times.has_ambiguous), (true, false));
        assert_eq!((times.instant(b"2026-11-01T01:30:00"), times.has_ambiguous), (None, true));
    }

    #[test]
    fn epochs_are_believed_where_they_can_be_one() {
        let at = Timestamp::new(1_772_445_600_250_000_000, 3);
        assert_eq!(epoch(b"1772445600250", 3), Some(at));
        assert_eq!(epoch(b"1772445600250000", 6).map(|at| at.ns), Some(at.ns));
        assert_eq!(epoch(b"250", 3), None);
        assert_eq!(epoch(b"1772445600250", 6), None);
        assert_eq!(epoch(b"9223372036854775807", 6), None);
    }
}
