//! Instants of the evidence, with the precision they were written in.

use std::cmp::Ordering;

/// An instant in UTC: nanoseconds since 1970-01-01T00:00:00Z, and how many fractional digits its source wrote.
///
/// Ordered by instant alone, then by precision so that the order is total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timestamp {
    /// Nanoseconds since the Unix epoch, leap seconds not counted (1677 to 2262).
    pub ns: i64,
    /// Fractional digits of the second that the source gives, 0 to 9.
    pub digits: u8,
}

impl Timestamp {
    /// An instant of `ns` nanoseconds since the epoch that its source wrote with `digits` fractional digits (at most 9).
    #[must_use]
    pub const fn new(ns: i64, digits: u8) -> Self {
        Self { ns, digits: if digits > 9 { 9 } else { digits } }
    }

    /// The last nanosecond that its source would have written alike: of `10:00:05` that before `10:00:06`.
    #[must_use]
    pub const fn latest_ns(self) -> i64 {
        let mut step = 1_000_000_000;
        let mut digits = self.digits;
        while digits > 0 {
            step /= 10;
            digits -= 1;
        }
        self.ns.saturating_add(if step > 1 { step - 1 } else { 0 })
    }

    /// Seconds from `earlier` to `self`, negative when `self` is the earlier one.
    #[must_use]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        // The difference of two i64 fits i128; the quotient of evidence times is far below 2^53 ms.
        let ns = i128::from(self.ns) - i128::from(earlier.ns);
        ns as f64 / 1e9
    }

    /// RFC 3339 in UTC with the source's precision, such as `2026-01-02T03:04:05.123456Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let (seconds, nanos) = (self.ns.div_euclid(1_000_000_000), self.ns.rem_euclid(1_000_000_000));
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let mut text = String::with_capacity(30);
        for (number, width, mark) in [
            (year, 4, '-'),
            (month, 2, '-'),
            (day, 2, 'T'),
            (second / 3_600, 2, ':'),
            (second / 60 % 60, 2, ':'),
            (second % 60, 2, if self.digits > 0 { '.' } else { 'Z' }),
        ] {
            push(&mut text, number, width);
            text.push(mark);
        }
        if self.digits > 0 {
            push(&mut text, nanos / 10_i64.pow(9 - u32::from(self.digits.min(9))), self.digits.into());
            text.push('Z');
        }
        text
    }
}

/// Year, month and day of the Gregorian calendar, that many days after 1970-01-01. Years are counted from March, so that a
/// leap day comes last, in eras of 400.
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

/// A number with leading zeros.
fn push(text: &mut String, number: i64, width: u32) {
    let mut unit = 10_i64.pow(width - 1);
    while unit > 0 {
        // One decimal digit.
        text.push(char::from(b'0' + (number / unit % 10) as u8));
        unit /= 10;
    }
}

impl std::str::FromStr for Timestamp {
    type Err = String;

    /// RFC 3339 with a zone; as many fractional digits as are written.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "write a time with its zone, such as 2026-03-02T10:00:00Z or 2026-03-02T18:00:00+08:00".to_owned();
        let instant: jiff::Timestamp = text.parse().ok().ok_or_else(wrong)?;
        let ns = i64::try_from(instant.as_nanosecond()).ok().ok_or_else(wrong)?;
        let digits = text.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
        Ok(Self::new(ns, digits.min(9) as u8))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        self.ns.cmp(&other.ns).then(self.digits.cmp(&other.digits))
    }
}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_lasts_as_long_as_its_source_writes_the_same() {
        for (digits, latest) in [(0, 5_999_999_999), (3, 5_000_999_999), (6, 5_000_000_999), (9, 5_000_000_000)] {
            assert_eq!(Timestamp::new(5_000_000_000, digits).latest_ns(), latest, "{digits}");
        }
        assert_eq!(Timestamp::new(i64::MAX, 0).latest_ns(), i64::MAX);
    }

    #[test]
    fn precision_of_the_source_is_kept() {
        let ns = 1_767_323_045_123_456_000;
        assert_eq!(Timestamp::new(ns, 6).rfc3339(), "2026-01-02T03:04:05.123456Z");
        assert_eq!(Timestamp::new(1_767_323_045_000_000_000, 0).rfc3339(), "2026-01-02T03:04:05Z");
        assert_eq!(Timestamp::new(ns, 9).rfc3339(), "2026-01-02T03:04:05.123456000Z");
    }

    #[test]
    fn every_time_is_written_as_a_calendar_of_others_has_it() {
        let mut ns = 1_i64;
        let edges =
            [0, -1, i64::MIN, i64::MAX, 951_782_400_000_000_000, 951_868_799_999_999_999, 4_107_542_399_000_000_000];
        for round in 0..20_000_u64 {
            ns = ns.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let ns = edges.get(round as usize).copied().unwrap_or(ns);
            let instant = jiff::Timestamp::from_nanosecond(i128::from(ns)).expect("within its years");
            for digits in [0, 3, 9, (round % 10) as u8] {
                let theirs = format!("{instant:.*}", usize::from(digits));
                assert_eq!(Timestamp::new(ns, digits).rfc3339(), theirs, "{ns}");
            }
        }
    }

    #[test]
    fn times_before_the_epoch_have_a_form_too() {
        assert_eq!(Timestamp::new(-1_000_000, 3).rfc3339(), "1969-12-31T23:59:59.999Z");
    }
}
