//! Times of exports: RFC 3339, or without a zone, which the platform means in UTC; epoch numbers in trace records.

use crate::evidence::Timestamp;

/// The instant that a text writes, with its digits.
pub(super) fn instant(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (_, fraction) = text.split_once(['.', ',']).unwrap_or_default();
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count().min(9) as u8;
    let zoned = text.parse::<jiff::Timestamp>().ok();
    let instant = zoned.or_else(|| {
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })?;
    Some(Timestamp::new(i64::try_from(instant.as_nanosecond()).ok()?, digits))
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

    #[test]
    fn times_keep_their_digits_and_their_zone() {
        for (text, expected) in [
            ("2026-03-02T10:00:00.250Z", Some("2026-03-02T10:00:00.250Z")),
            ("2026-03-02T12:00:00+02:00", Some("2026-03-02T10:00:00Z")),
            ("2026-03-02T10:00:00.000+0000", Some("2026-03-02T10:00:00.000Z")),
            ("2026-03-02 10:00:00", Some("2026-03-02T10:00:00Z")),
            ("2026-03-02T10:00:00.123456", Some("2026-03-02T10:00:00.123456Z")),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(instant(text.as_bytes()).map(Timestamp::rfc3339).as_deref(), expected, "{text}");
        }
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
