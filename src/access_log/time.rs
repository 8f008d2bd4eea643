//! Times as logs write them, to instants: RFC 3339 and its relatives, CLF, HTTP dates, and epoch numbers.
//!
//! Keeps the digits of the second as written. A time without an offset is taken in the log's zone, and [`Zones`] keeps
//! where the zones came from. Nothing that cannot be read is guessed: it gives `None`.
//!
//! # Incomplete support
//!
//! Zone abbreviations other than `Z`, `UTC` and `GMT` are not read: they name no single offset.

use crate::evidence::Timestamp;
use crate::settings::{Settings, SourceZone, Zone, Zones};

/// Reads the times of one log.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    zone: SourceZone,
}

/// An instant, and whether its local time happened twice or never: then it is the earlier one, or the one after the gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instant {
    pub(super) at: Timestamp,
    pub(super) ambiguous: bool,
    /// Whether no zone was written with it.
    pub(super) local: bool,
}

impl Clock {
    /// The clock of the log shown as `shown`.
    pub(super) fn new(settings: &Settings, shown: &str) -> Self {
        Self { zone: SourceZone::new(settings, shown) }
    }

    /// The instant that `text` states; `None` where it states none that can be read.
    pub(super) fn read(&self, text: &[u8], zones: &mut Zones) -> Option<Instant> {
        let written = parse(text)?;
        let (seconds, ambiguous) = self.zone.utc(written.seconds, written.offset)?;
        let ns = seconds.checked_mul(1_000_000_000)?.checked_add(i64::from(written.nanos))?;
        zones.note(written.offset);
        Some(Instant { at: Timestamp::new(ns, written.digits), ambiguous, local: written.offset.is_none() })
    }

    /// [`read`](Self::read) with the last time at hand: times of one log mostly differ in the second alone.
    pub(super) fn read_like(&self, text: &[u8], memo: &mut Memo, zones: &mut Zones) -> Option<Instant> {
        if let Some(instant) = memo.recall(text) {
            return Some(instant);
        }
        let instant = self.read(text, zones)?;
        memo.keep(text, instant);
        Some(instant)
    }

    /// The zone to report for times that were read in `zones`; `None` where no time was read.
    pub(super) fn zone(&self, zones: Zones) -> Option<Zone> {
        self.zone.reported(zones)
    }
}

/// A time that was read, up to its minute: all of its text but the second and the fraction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memo {
    /// 0 where nothing is kept.
    length: usize,
    /// Four words of the text that overlap, and which of their bytes count.
    words: [(usize, u64, u64); 4],
    /// Where the second begins, and how many digits its fraction has.
    second: usize,
    digits: usize,
    /// Nanoseconds of the last of them.
    unit: i64,
    minute_ns: i64,
    ambiguous: bool,
    local: bool,
}

impl Memo {
    /// The instant of `text`, where it differs from the time kept in the second and its fraction alone.
    pub(super) fn recall(&self, text: &[u8]) -> Option<Instant> {
        if self.length != text.len() || self.length == 0 {
            return None;
        }
        for (at, word, mask) in self.words {
            if u64::from_le_bytes(*text.get(at..)?.first_chunk()?) & mask != word {
                return None;
            }
        }
        let (second, part) = text.get(self.second..)?.split_first_chunk::<2>()?;
        let mut bad = false;
        let second = number(*second, &mut bad);
        let mut nanos = 0;
        if self.digits > 0 {
            for digit in part.get(1..=self.digits)? {
                nanos = nanos * 10 + number([*digit], &mut bad);
            }
            nanos *= self.unit;
        }
        if bad || second > 60 {
            return None;
        }
        let ns = self.minute_ns.checked_add(second.min(59) * 1_000_000_000 + nanos)?;
        // At most nine digits.
        let Self { ambiguous, local, .. } = *self;
        Some(Instant { at: Timestamp::new(ns, self.digits as u8), ambiguous, local })
    }

    /// Keeps `text`, which states `instant`, where it is of a form that ends in seconds.
    fn keep(&mut self, text: &[u8], instant: Instant) {
        self.length = 0;
        let second = match (text.get(2), text.get(4)) {
            _ if !text.first().is_some_and(u8::is_ascii_digit) || text.len() > 32 => return,
            (_, Some(b'-' | b'/')) => 17,
            (Some(b'/'), _) => 18,
            _ => return,
        };
        let Some((now, part)) = text.get(second..).and_then(<[u8]>::split_first_chunk::<2>) else { return };
        let ((nanos, digits), rest) = fraction(part);
        let written = part.len() - rest.len();
        let now = number(*now, &mut false).min(59) * 1_000_000_000 + i64::from(nanos);
        let (Some(minute_ns), true) = (instant.at.ns.checked_sub(now), written <= 10) else { return };
        let mut fixed = [0_u8; 32];
        for (at, fixed) in fixed.iter_mut().enumerate() {
            // The point of the fraction stays as it is, its digits do not.
            let open = (second..second + 2).contains(&at) || (second + 3..second + 2 + written).contains(&at);
            *fixed = if open { 0 } else { 0xff };
        }
        let last = text.len() - 8;
        for (place, at) in self.words.iter_mut().zip([0, 8, 16.min(last), last]) {
            let chunk = |bytes: &[u8]| {
                bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |chunk| u64::from_le_bytes(*chunk))
            };
            let mask = chunk(&fixed);
            *place = (at, chunk(text) & mask, mask);
        }
        let (length, digits) = (text.len(), usize::from(digits));
        let Instant { ambiguous, local, .. } = instant;
        let unit = 10_i64.pow(9_u32.saturating_sub(digits as u32));
        *self = Self { length, second, digits, unit, minute_ns, ambiguous, local, words: self.words };
    }
}

/// A date and a time of the day, each in a field of its own, as one text.
pub(super) struct Joined {
    text: [u8; 48],
    length: usize,
}

impl Joined {
    pub(super) fn text(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }
}

/// The two together, in either order, where one is a date and the other a time of the day; in UTC where `utc` says so
/// and no offset is written.
pub(super) fn joined(one: &[u8], other: &[u8], utc: bool) -> Option<Joined> {
    let is_date = |text: &[u8]| {
        text.len() == 10 && matches!((text.get(4), text.get(7)), (Some(b'-'), Some(b'-')) | (Some(b'/'), Some(b'/')))
    };
    let is_time =
        |text: &[u8]| (8..=36).contains(&text.len()) && text.get(2) == Some(&b':') && text.get(5) == Some(&b':');
    let (date, time) = match (is_date(one) && is_time(other), is_date(other) && is_time(one)) {
        (true, _) => (one, other),
        (_, true) => (other, one),
        _ => return None,
    };
    // What stands behind the digits of the second is an offset.
    let has_offset = time.iter().any(|byte| !matches!(byte, b'0'..=b'9' | b':' | b'.' | b','));
    let zone: &[u8] = if utc && !has_offset { b"Z" } else { b"" };
    let (mut text, mut length) = ([0; 48], 0);
    for byte in date.iter().chain(b" ").chain(time).chain(zone) {
        *text.get_mut(length)? = *byte;
        length += 1;
    }
    Some(Joined { text, length })
}

/// A time as written: the wall clock's seconds since the epoch, and the offset where one was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Written {
    seconds: i64,
    nanos: u32,
    digits: u8,
    offset: Option<i32>,
}

fn parse(text: &[u8]) -> Option<Written> {
    match text.first()? {
        b'[' | b' ' | b'"' => parse(text.get(1..)?.trim_ascii_end().trim_suffix_byte(b']').trim_suffix_byte(b'"')),
        b'0'..=b'9' => match (text.get(2), text.get(4)) {
            (_, Some(b'-' | b'/')) => date_time(text),
            (Some(b'-'), _) => month_first(text),
            (Some(b'/'), _) => clf(text),
            _ => epoch(text),
        },
        b'A'..=b'Z' | b'a'..=b'z' => http_date(text),
        _ => None,
    }
}

trait TrimSuffix {
    fn trim_suffix_byte(&self, byte: u8) -> &Self;
}

impl TrimSuffix for [u8] {
    fn trim_suffix_byte(&self, byte: u8) -> &Self {
        match self.split_last() {
            Some((last, rest)) if *last == byte => rest,
            _ => self,
        }
    }
}

/// Decimal digits to a number, noting in `bad` what is no digit.
fn number<const N: usize>(digits: [u8; N], bad: &mut bool) -> i64 {
    digits.iter().fold(0, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        *bad |= digit > 9;
        number * 10 + i64::from(digit)
    })
}

/// `2026-01-02T03:04:05.678+08:00` (RFC 3339 §5.6), also with a blank, with `/` in the date, with a comma before the
/// fraction, and without an offset.
fn date_time(text: &[u8]) -> Option<Written> {
    let (head, rest) = text.split_first_chunk::<19>()?;
    let &[y1, y2, y3, y4, s1, m1, m2, s2, d1, d2, t, h1, h2, c1, n1, n2, c2, e1, e2] = head;
    if s1 != s2 || !matches!(t, b'T' | b't' | b' ' | b'_') || c1 != b':' || c2 != b':' {
        return None;
    }
    let mut bad = false;
    let date = (number([y1, y2, y3, y4], &mut bad), number([m1, m2], &mut bad), number([d1, d2], &mut bad));
    let time = (number([h1, h2], &mut bad), number([n1, n2], &mut bad), number([e1, e2], &mut bad));
    if bad {
        return None;
    }
    let (fraction, rest) = fraction(rest);
    wall_clock(date, time, fraction, offset(rest)?)
}

/// `10/Oct/2000:13:55:36 -0700`, also with a fraction and without an offset.
fn clf(text: &[u8]) -> Option<Written> {
    let (head, rest) = text.split_first_chunk::<20>()?;
    let &[d1, d2, s1, m1, m2, m3, s2, y1, y2, y3, y4, c0, h1, h2, c1, n1, n2, c2, e1, e2] = head;
    if [s1, s2, c0, c1, c2] != *b"//:::" {
        return None;
    }
    let mut bad = false;
    let date = (number([y1, y2, y3, y4], &mut bad), month([m1, m2, m3])?, number([d1, d2], &mut bad));
    let time = (number([h1, h2], &mut bad), number([n1, n2], &mut bad), number([e1, e2], &mut bad));
    if bad {
        return None;
    }
    let (fraction, rest) = fraction(rest);
    wall_clock(date, time, fraction, offset(rest)?)
}

/// `11-22-2026, 10:00:00`, as the platform's SDKs write it in JSON.
fn month_first(text: &[u8]) -> Option<Written> {
    let (head, rest) = text.split_first_chunk::<20>()?;
    let &[m1, m2, s1, d1, d2, s2, y1, y2, y3, y4, comma, blank, h1, h2, c1, n1, n2, c2, e1, e2] = head;
    if [s1, s2, comma, blank, c1, c2] != *b"--, ::" {
        return None;
    }
    let mut bad = false;
    let date = (number([y1, y2, y3, y4], &mut bad), number([m1, m2], &mut bad), number([d1, d2], &mut bad));
    let time = (number([h1, h2], &mut bad), number([n1, n2], &mut bad), number([e1, e2], &mut bad));
    if bad {
        return None;
    }
    let (fraction, rest) = fraction(rest);
    wall_clock(date, time, fraction, offset(rest)?)
}

fn month(name: [u8; 3]) -> Option<i64> {
    Some(match &name.map(|letter| letter.to_ascii_lowercase()) {
        b"jan" => 1,
        b"feb" => 2,
        b"mar" => 3,
        b"apr" => 4,
        b"may" => 5,
        b"jun" => 6,
        b"jul" => 7,
        b"aug" => 8,
        b"sep" => 9,
        b"oct" => 10,
        b"nov" => 11,
        b"dec" => 12,
        _ => return None,
    })
}

fn wall_clock(date: (i64, i64, i64), time: (i64, i64, i64), part: (u32, u8), offset: Option<i32>) -> Option<Written> {
    let ((year, month, day), (hour, minute, second)) = (date, time);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    // A leap second is the second before it: the Unix time scale has no place for it.
    if day < 1 || day > length || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let second = second.min(59);
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Written { seconds, nanos: part.0, digits: part.1, offset })
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, years counted from March so that a leap day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The fraction of the second at the front of `text`, as nanoseconds and digits. Digits past the ninth are dropped.
fn fraction(text: &[u8]) -> ((u32, u8), &[u8]) {
    let Some((b'.' | b',', digits)) = text.split_first() else { return ((0, 0), text) };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return ((0, 0), text);
    }
    let (digits, rest) = digits.split_at(count);
    let kept = count.min(9);
    let mut nanos = 0;
    for place in 0..9 {
        nanos = nanos * 10 + digits.get(place).map_or(0, |digit| u32::from(digit - b'0'));
    }
    // At most nine.
    ((nanos, kept as u8), rest)
}

/// The offset that ends a time: `Some(None)` where there is none, `None` where what is there cannot be read.
#[expect(clippy::option_option, reason = "unreadable and absent are different answers")]
fn offset(text: &[u8]) -> Option<Option<i32>> {
    let text = text.trim_ascii();
    let (sign, digits) = match text {
        [] => return Some(None),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => {
            let name = text.eq_ignore_ascii_case(b"z") || text.eq_ignore_ascii_case(b"utc");
            return (name || text.eq_ignore_ascii_case(b"gmt")).then_some(Some(0));
        }
    };
    let mut bad = false;
    let (hours, minutes, rest) = match digits {
        [h1, h2, b':', m1, m2, rest @ ..] | [h1, h2, m1 @ b'0'..=b'9', m2, rest @ ..] => {
            (number([*h1, *h2], &mut bad), number([*m1, *m2], &mut bad), rest)
        }
        [h1, h2, rest @ ..] => (number([*h1, *h2], &mut bad), 0, rest),
        _ => return None,
    };
    // A name of the zone may follow its offset: `+0000 UTC`, `+08:00[Asia/Singapore]`.
    let named = matches!(rest, [] | [b' ' | b'[', ..]);
    if bad || hours > 23 || minutes > 59 || !named {
        return None;
    }
    // At most a day.
    Some(Some(sign * (hours * 3_600 + minutes * 60) as i32))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
fn http_date(text: &[u8]) -> Option<Written> {
    let zoned = jiff::fmt::rfc2822::parse(str::from_utf8(text).ok()?).ok()?;
    let offset = zoned.offset().seconds();
    Some(Written {
        seconds: zoned.timestamp().as_second() + i64::from(offset),
        nanos: 0,
        digits: 0,
        offset: Some(offset),
    })
}

/// Seconds, milliseconds, microseconds or nanoseconds since the epoch, by magnitude; fractions and exponents too.
///
/// Less than 10^8 seconds (1973) is no time but a duration.
fn epoch(text: &[u8]) -> Option<Written> {
    let (mut value, mut scale, mut point) = (0_i128, 0_i32, false);
    let mut rest = text.trim_ascii_end();
    while let [byte, after @ ..] = rest {
        match byte {
            b'0'..=b'9' => {
                if value < 10_i128.pow(36) {
                    value = value * 10 + i128::from(byte - b'0');
                    scale += i32::from(point);
                } else if !point {
                    return None;
                }
            }
            b'.' | b',' if !point => point = true,
            b'e' | b'E' => {
                let exponent: i32 = str::from_utf8(after).ok()?.parse().ok()?;
                scale = scale.checked_sub(exponent)?;
                rest = &[];
                break;
            }
            _ => return None,
        }
        rest = after;
    }
    debug_assert!(rest.is_empty());
    if !(-18..=36).contains(&scale) {
        return None;
    }
    let whole = match scale {
        0.. => value / 10_i128.pow(scale.unsigned_abs()),
        _ => value.checked_mul(10_i128.pow(scale.unsigned_abs()))?,
    };
    let unit = match whole {
        ..100_000_000 => return None,
        100_000_000..100_000_000_000 => 0,
        100_000_000_000..100_000_000_000_000 => 3,
        100_000_000_000_000..100_000_000_000_000_000 => 6,
        _ => 9,
    };
    // `value` counts in 10^-decimals seconds.
    let decimals = scale + unit;
    let ns = match 9 - decimals {
        up @ 0.. => value.checked_mul(10_i128.checked_pow(up.unsigned_abs())?)?,
        down => value / 10_i128.checked_pow(down.unsigned_abs())?,
    };
    let seconds = i64::try_from(ns.div_euclid(1_000_000_000)).ok()?;
    let nanos = u32::try_from(ns.rem_euclid(1_000_000_000)).ok()?;
    // Between 0 and 9.
    let digits = decimals.clamp(0, 9) as u8;
    Some(Written { seconds, nanos, digits, offset: Some(0) })
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::settings::{Timezone, ZoneFrom};

    fn clock(zone: &str) -> Clock {
        let zone = Timezone { name: zone.to_owned(), zone: TimeZone::get(zone).expect(zone) };
        Clock::new(&Settings { log_timezone: Some(zone), ..Settings::default() }, "a.log")
    }

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let read = Clock::new(&Settings::default(), "a.log").read(text.as_bytes(), &mut Zones::default());
        assert_eq!(read.map(|instant| instant.at.rfc3339()).as_deref(), expected, "{text}");
    }

    #[test]
    fn rfc_3339_in_its_spellings() {
        for text in [
            "2026-01-02T03:04:05Z",
            "2026-01-02t03:04:05z",
            "2026-01-02 03:04:05+00:00",
            "2026-01-02T11:04:05+08:00",
            "2026-01-02T11:04:05+0800",
            "2026-01-02T11:04:05+08",
            "2026-01-01T19:34:05-07:30",
            "2026-01-02 03:04:05 +0000 UTC",
            "2026-01-02T11:04:05+08:00[Asia/Singapore]",
            "[2026-01-02T03:04:05Z]",
            "2026/01/02 03:04:05",
            "2026-01-02 03:04:05 UTC",
            "2026-01-02 03:04:05 GMT",
        ] {
            check(text, Some("2026-01-02T03:04:05Z"));
        }
        check("2026-01-02T03:04:05.678Z", Some("2026-01-02T03:04:05.678Z"));
        check("2026-01-02T03:04:05,6Z", Some("2026-01-02T03:04:05.6Z"));
        check("2026-01-02T03:04:05.123456789123Z", Some("2026-01-02T03:04:05.123456789Z"));
        check("2016-12-31T23:59:60Z", Some("2016-12-31T23:59:59Z"));
        check("2024-02-29T00:00:00Z", Some("2024-02-29T00:00:00Z"));
        check("1969-12-31T23:59:59.9Z", Some("1969-12-31T23:59:59.9Z"));
    }

    #[test]
    fn clf_with_and_without_brackets() {
        check("10/Oct/2000:13:55:36 -0700", Some("2000-10-10T20:55:36Z"));
        check("[10/OCT/2000:13:55:36.25 +0000]", Some("2000-10-10T13:55:36.25Z"));
        check("10/Oct/2000:13:55:36", Some("2000-10-10T13:55:36Z"));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some("1994-11-06T08:49:37Z"));
    }

    #[test]
    fn the_month_may_stand_first() {
        check("11-22-2026, 10:00:00", Some("2026-11-22T10:00:00Z"));
        check("11-22-2026, 10:00:00.5", Some("2026-11-22T10:00:00.5Z"));
        check("22-11-2026, 10:00:00", None);
        check("11-22-2026 10:00:00", None);
    }

    #[test]
    fn epochs_by_magnitude_keep_their_digits() {
        check("1767323045", Some("2026-01-02T03:04:05Z"));
        check("1767323045.678", Some("2026-01-02T03:04:05.678Z"));
        check("1767323045.1234567890123", Some("2026-01-02T03:04:05.123456789Z"));
        check("1767323045678", Some("2026-01-02T03:04:05.678Z"));
        check("1767323045678.5", Some("2026-01-02T03:04:05.6785Z"));
        check("1767323045678901", Some("2026-01-02T03:04:05.678901Z"));
        check("1767323045678901234", Some("2026-01-02T03:04:05.678901234Z"));
        check("1.767323045678e9", Some("2026-01-02T03:04:05.678Z"));
        check("1.767323045678e+12", Some("2026-01-02T03:04:05.678Z"));
        check("1.7e9", Some("2023-11-14T22:13:20Z"));
    }

    #[test]
    fn what_is_no_time_is_not_guessed() {
        for text in [
            "",
            "-",
            "0.123",
            "12",
            "10:00:00",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-02",
            "2026-01-02T24:00:00Z",
            "2026-01-02T03:60:00Z",
            "2026-01-02T03:04:05+25:00",
            "2026-01-02T03:04:05 CEST",
            "10/Foo/2000:13:55:36 -0700",
            "99999999999999999999",
            "20260102030405",
            "2026-01-02T03:04:05+8",
            "2026-0a-02T03:04:05Z",
            "9999-01-01T00:00:00Z",
            "1e999999999999",
            "1e-999",
            "1..2",
            "١٢",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_date_and_a_time_of_the_day_are_one_time() {
        let join = |one: &str, other: &str, utc| {
            joined(one.as_bytes(), other.as_bytes(), utc).map(|text| String::from_utf8_lossy(text.text()).into_owned())
        };
        assert_eq!(join("2026-01-02", "03:04:05", true).as_deref(), Some("2026-01-02 03:04:05Z"));
        assert_eq!(join("03:04:05.678", "2026/01/02", false).as_deref(), Some("2026/01/02 03:04:05.678"));
        assert_eq!(join("03:04:05+08:00", "2026-01-02", true).as_deref(), Some("2026-01-02 03:04:05+08:00"));
        assert_eq!(join("2026-01-02", "2026-01-02", true), None);
        assert_eq!(join("2026-01-02", "0.123", true), None);
        assert_eq!(join("03:04:05", "03:04:05", true), None);
    }

    #[test]
    fn times_without_offset_use_the_zone_and_say_so() {
        let mut zones = Zones::default();
        let clock = clock("Europe/Berlin");
        let read = |text: &str, zones: &mut Zones| {
            clock.read(text.as_bytes(), zones).map(|instant| (instant.at.rfc3339(), instant.ambiguous)).expect("time")
        };
        assert_eq!(read("2026-07-01 12:00:00", &mut zones), ("2026-07-01T10:00:00Z".to_owned(), false));
        assert_eq!(read("2026-01-01 12:00:00.5", &mut zones), ("2026-01-01T11:00:00.5Z".to_owned(), false));
        assert_eq!(read("2026-10-25 02:30:00", &mut zones), ("2026-10-25T00:30:00Z".to_owned(), true));
        assert_eq!(read("2026-07-01T12:00:00+00:00", &mut zones), ("2026-07-01T12:00:00Z".to_owned(), false));
        let zone = clock.zone(zones).expect("zone");
        assert_eq!((zone.name.as_str(), zone.from), ("Europe/Berlin", ZoneFrom::Configured));
    }

    #[test]
    fn the_zone_reported_is_the_weakest_used() {
        let clock = Clock::new(&Settings::default(), "a.log");
        let zone = |texts: &[&str]| {
            let mut zones = Zones::default();
            for text in texts {
                clock.read(text.as_bytes(), &mut zones);
            }
            clock.zone(zones).map(|zone| (zone.name, zone.from.name()))
        };
        assert_eq!(zone(&["rubbish"]), None);
        assert_eq!(zone(&["2026-01-02T03:04:05Z", "1767323045"]), Some(("UTC".to_owned(), "written")));
        assert_eq!(zone(&["10/Oct/2000:13:55:36 +0330"]), Some(("+03:30".to_owned(), "written")));
        assert_eq!(
            zone(&["10/Oct/2000:13:55:36 -0230", "10/Oct/2000:13:55:36 +0100"]),
            Some(("-02:30 to +01:00".to_owned(), "written"))
        );
        assert_eq!(zone(&["2026-01-02T03:04:05Z", "2026-01-02T03:04:05"]), Some(("UTC".to_owned(), "assumed")));
        let clock = self::clock("UTC");
        let mut zones = Zones::default();
        clock.read(b"2026-01-02T03:04:05", &mut zones);
        assert_eq!(clock.zone(zones).map(|zone| zone.from), Some(ZoneFrom::Configured), "UTC that somebody named");
    }

    #[test]
    fn a_time_read_with_the_last_one_at_hand_is_the_same() {
        let clock = clock("Europe/Berlin");
        let texts = [
            "2026-10-25 02:30:00",
            "2026-10-25 02:30:59",
            "2026-10-25 02:30:60",
            "2026-10-25 02:30:61",
            "2026-10-25 02:31:00",
            "2026-10-25 02:31:00.5",
            "2026-10-25 02:31:01.7",
            "2026-10-25 02:31:0x.7",
            "2026-10-25 02:31:01Z7",
            "2026-10-25 02:31:01.7Z",
            "2026-10-25 02:31:01.7z",
            "2026-10-25T02:31:01.7z",
            "10/Oct/2000:13:55:36 -0700",
            "10/Oct/2000:13:55:37 -0700",
            "10/Oct/2000:13:55:37 -0800",
            "10/Oct/2000:13:55:3a -0800",
            "10/Oct/2000:13:56:37 -0800",
            "[10/Oct/2000:13:56:37 -0800]",
            "1767323045",
            "1767323046",
            "2026-01-02T03:04:05.123456789123+08:00[Asia/Singapore]",
            "2026-01-02T03:04:05.678+08:00",
            "2026-01-02T03:04:06.6788+8:00",
            "2026-01-02T03:04:06.678+08:00",
        ];
        let mut noise = super::super::noise::Noise::new(5);
        let mut memo = Memo::default();
        for _ in 0..4_000 {
            let text = noise.pick(&texts).as_bytes();
            let text = if noise.below(4) == 0 { noise.mutate(text, b"0123456789.:-+ TZ") } else { text.to_vec() };
            let alone = clock.read(&text, &mut Zones::default());
            assert_eq!(clock.read_like(&text, &mut memo, &mut Zones::default()), alone, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn the_first_table_that_fits_and_has_a_zone_wins() {
        let zone = |name: &str| Some(Timezone { name: name.to_owned(), zone: TimeZone::get(name).expect(name) });
        let table = |files: Option<&str>, timezone| crate::settings::AccessLog {
            files: files.map(str::to_owned),
            timezone,
            ..Default::default()
        };
        let access_logs = vec![
            table(Some("other*"), zone("Asia/Tokyo")),
            table(None, None),
            table(Some("*gateway*"), zone("Asia/Singapore")),
            table(None, zone("America/New_York")),
        ];
        let settings = Settings { access_logs, ..Settings::default() };
        let zone = |shown: &str| {
            let (clock, mut zones) = (Clock::new(&settings, shown), Zones::default());
            clock.read(b"2026-01-02T03:04:05", &mut zones).expect("a time");
            clock.zone(zones).map(|zone| (zone.name, zone.from))
        };
        assert_eq!(zone("logs/gateway.log"), Some(("Asia/Singapore".to_owned(), ZoneFrom::Configured)));
        assert_eq!(zone("logs/proxy.log"), Some(("America/New_York".to_owned(), ZoneFrom::Configured)));
    }
}
