//! The data of a User-to-User header field value, decoded.
//!
//! Follows RFC 7433 for `encoding=hex` and parameters, and what came before it in use: `encoding=ascii`, a protocol
//! discriminator (ITU-T Q.931 §4.5.30) as the first octet of the data or as the parameter `pd`. Called by `call` for rules
//! that read such data.
//!
//! # Incomplete support
//!
//! `purpose` and `content` are not asked for.

use std::borrow::Cow;

use super::address;

/// What one value holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// Data under another protocol discriminator than the one asked for: another application's.
    Other,
    /// The octets, without the protocol discriminator.
    Text(Cow<'a, [u8]>),
    /// Data that its encoding does not decode.
    Unreadable,
}

/// Decodes one value, such as `0479657326;encoding=hex`.
///
/// Without a `wanted` discriminator a first octet that is no printable ASCII is taken for one.
#[must_use]
pub fn decode(value: &[u8], wanted: Option<u8>) -> Data<'_> {
    let (content, parameters) = split(value);
    let named = address::parameter(parameters, b"pd").map(|pd| octet(pd.trim_ascii()));
    if let (Some(wanted), Some(named)) = (wanted, named)
        && named != Some(wanted)
    {
        return Data::Other;
    }
    let encoding = address::parameter(parameters, b"encoding").unwrap_or(b"hex");
    if [b"ascii".as_slice(), b"text"].iter().any(|known| encoding.eq_ignore_ascii_case(known)) {
        return match (wanted, named) {
            (Some(wanted), None) => match content.split_at_checked(2) {
                Some((digits, text)) if octet(digits) == Some(wanted) => Data::Text(Cow::Borrowed(text)),
                _ => Data::Other,
            },
            _ => Data::Text(Cow::Borrowed(content)),
        };
    }
    if let (Some(wanted), None) = (wanted, named)
        && content.get(..2).and_then(octet) != Some(wanted)
    {
        return Data::Other;
    }
    let pairs = content.chunks(2).map(octet).collect::<Option<Vec<u8>>>();
    let Some(mut octets) = pairs.filter(|_| encoding.eq_ignore_ascii_case(b"hex")) else { return Data::Unreadable };
    let leads = match (wanted, named) {
        (_, Some(_)) => false,
        (Some(_), None) => true,
        (None, None) => octets.first().is_some_and(|first| *first != b' ' && !first.is_ascii_graphic()),
    };
    if leads {
        octets.remove(0);
    }
    Data::Text(Cow::Owned(octets))
}

/// The data without quotes, and the parameters behind it.
fn split(value: &[u8]) -> (&[u8], &[u8]) {
    let value = value.trim_ascii();
    if let [b'"', rest @ ..] = value
        && let Some(end) = memchr::memchr(b'"', rest)
    {
        return (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default());
    }
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    let (content, parameters) = value.split_at_checked(end).unwrap_or_default();
    (content.trim_ascii(), parameters)
}

/// The octet that two hex digits name.
fn octet(digits: &[u8]) -> Option<u8> {
    let [high, low] = *digits else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, wanted: Option<u8>, expected: Option<&str>) {
        let expected = expected.map_or(Data::Other, |text| Data::Text(Cow::Borrowed(text.as_bytes())));
        assert_eq!(decode(value.as_bytes(), wanted), expected, "{value} {wanted:?}");
    }

    #[test]
    fn hex_is_decoded_with_and_without_a_discriminator() {
        check("796573;encoding=hex", None, Some("yes"));
        check("796573", None, Some("yes"));
        check("00796573", None, Some("yes"));
        check("04796573 ; Encoding=HEX", Some(4), Some("yes"));
        check("00796573", Some(4), None);
        check("796573;pd=04", Some(4), Some("yes"));
        check("796573;pd=00", Some(4), None);
        check("796573;pd=00", None, Some("yes"));
        check("", None, Some(""));
        check("", Some(4), None);
    }

    #[test]
    fn ascii_stands_as_it_is() {
        check("yes;encoding=ascii", None, Some("yes"));
        check("\"a;b=c\";encoding=ascii", None, Some("a;b=c"));
        check("04yes;encoding=ascii", Some(4), Some("yes"));
        check("yes;encoding=ascii;pd=04", Some(4), Some("yes"));
        check("yes;encoding=ascii", Some(4), None);
    }

    #[test]
    fn what_does_not_decode_says_so() {
        for value in ["7965 73", "79657", "yes", "796573;encoding=base64"] {
            assert_eq!(decode(value.as_bytes(), None), Data::Unreadable, "{value}");
        }
        // Another application's data is nobody's concern, readable or not.
        check("yes", Some(4), None);
    }
}
