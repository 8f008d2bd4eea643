//! Time zones as configurations and options name them: `Asia/Singapore`, `UTC`, `+08:00`.

use std::str::FromStr;

use jiff::tz::{Offset, TimeZone};

/// A time zone by its IANA name or a fixed offset, and as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Timezone {
    /// As written, such as `Asia/Singapore`, `UTC` or `+08:00`.
    pub name: String,
    /// The zone.
    pub zone: TimeZone,
}

impl Timezone {
    /// UTC.
    #[must_use]
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }
}

impl FromStr for Timezone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let zone = match text {
            "UTC" | "Z" => Some(TimeZone::UTC),
            _ if text.starts_with(['+', '-']) => offset(text).map(TimeZone::fixed),
            _ => TimeZone::get(text).ok(),
        };
        match zone {
            Some(zone) => Ok(Self { name: text.to_owned(), zone }),
            None => Err(format!(
                "`{text}` is no time zone; write a name such as Asia/Singapore or an offset such as +08:00"
            )),
        }
    }
}

/// `±HH:MM`, less than a day.
fn offset(text: &str) -> Option<Offset> {
    let [sign, h1, h2, b':', m1, m2] = *text.as_bytes() else { return None };
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i32::from(byte - b'0'));
    let (hours, minutes) = (digit(h1)? * 10 + digit(h2)?, digit(m1)? * 10 + digit(m2)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = (hours * 60 + minutes) * 60;
    Offset::from_seconds(if sign == b'-' { -seconds } else { seconds }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset_of(text: &str) -> Option<i32> {
        let zone = text.parse::<Timezone>().ok()?.zone;
        Some(zone.to_offset(jiff::Timestamp::UNIX_EPOCH).seconds())
    }

    #[test]
    fn names_and_offsets_are_zones() {
        assert_eq!(offset_of("UTC"), Some(0));
        assert_eq!(offset_of("Z"), Some(0));
        assert_eq!(offset_of("+08:00"), Some(8 * 3600));
        assert_eq!(offset_of("-03:30"), Some(-12_600));
        assert_eq!(offset_of("+00:00"), Some(0));
        assert_eq!(offset_of("Asia/Tokyo"), Some(9 * 3600));
    }

    #[test]
    fn anything_else_is_not() {
        for text in ["", " ", "Asia/Singapur", "+8", "+0800", "+24:00", "+08:60", "08:00", "+8:000", "UTC+8"] {
            assert_eq!(offset_of(text), None, "{text}");
        }
    }
}
