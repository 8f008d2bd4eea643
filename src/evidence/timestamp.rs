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
        match jiff::Timestamp::from_nanosecond(i128::from(self.ns)) {
            Ok(instant) => format!("{instant:.*}", usize::from(self.digits)),
            // Unreachable by range: i64 nanoseconds lie within jiff's years -9999 to 9999.
            Err(_) => String::new(),
        }
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
    fn times_before_the_epoch_have_a_form_too() {
        assert_eq!(Timestamp::new(-1_000_000, 3).rfc3339(), "1969-12-31T23:59:59.999Z");
    }
}
