//! The attributes of a session description by name, with the section they stand in.
//!
//! Follows RFC 8866 §5.13 for `a=name` and `a=name:value`, with the tolerance of [`media`](super::media) for line ends and
//! blanks. A pass of its own, asked for where somebody wants an attribute that says nothing of streams.
//!
//! Keeps: the sections are counted as [`Reader`](super::Reader) counts them.

use super::media::{MAX_SECTIONS, next_line};

/// Attributes of one session description that are shown. More are an attack.
pub const MAX_ATTRIBUTES: usize = 512;

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The media description it stands in, from 1; 0 for the session.
    pub section: usize,
    /// Its name as written.
    pub name: &'a [u8],
    /// Its value as written; empty where there is none.
    pub value: &'a [u8],
}

/// Shows the attributes of `body` that `wanted` takes by their name, in order. Gives whether that were all.
pub fn attributes<'a>(body: &'a [u8], wanted: impl Fn(&[u8]) -> bool, mut show: impl FnMut(Attribute<'a>)) -> bool {
    let (mut section, mut shown) = (0, 0);
    let mut rest = body;
    while !rest.is_empty() {
        let (line, behind) = next_line(rest);
        rest = behind;
        match line {
            Some((b'm', _)) if section == MAX_SECTIONS => return false,
            Some((b'm', _)) => section += 1,
            Some((b'a', attribute)) => {
                let end = attribute.iter().position(|byte| *byte == b':').unwrap_or(attribute.len());
                let (name, value) = attribute.split_at_checked(end).unwrap_or_default();
                let name = name.trim_ascii();
                if wanted(name) {
                    shown += 1;
                    if shown > MAX_ATTRIBUTES {
                        return false;
                    }
                    show(Attribute { section, name, value: value.get(1..).unwrap_or_default().trim_ascii() });
                }
            }
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &[(usize, &str, &str)]) {
        let mut found = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let wanted = |name: &[u8]| name.eq_ignore_ascii_case(b"record") || name == b"x-c";
        let all = attributes(body.as_bytes(), wanted, |attribute| {
            found.push((attribute.section, text(attribute.name), text(attribute.value)));
        });
        assert!(all, "{body}");
        let expected: Vec<_> =
            expected.iter().map(|(section, name, value)| (*section, (*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(found, expected, "{body}");
    }

    #[test]
    fn attributes_belong_to_the_session_or_to_their_section() {
        check(
            "v=0\r\na=record:on\r\na=x-d:1\r\nm=audio 1 RTP/AVP 0\r\na=x-c: yes \r\na=ptime:20\r\nm=video 0 RTP/AVP 31\r\na=Record\r\n",
            &[(0, "record", "on"), (1, "x-c", "yes"), (2, "Record", "")],
        );
    }

    #[test]
    fn odd_lines_hide_no_attribute() {
        check("a = record : off\rm=\na=x-c:a:b\n\na=recordpref:on", &[(0, "record", "off"), (1, "x-c", "a:b")]);
        check("", &[]);
        check("a=", &[]);
    }

    #[test]
    fn a_flood_ends_at_the_limit() {
        let body = "a=x-c:1\r\n".repeat(MAX_ATTRIBUTES + 5);
        let mut found = 0;
        assert!(!attributes(body.as_bytes(), |_| true, |_| found += 1));
        assert_eq!(found, MAX_ATTRIBUTES);
        let body = "m=a 1 x 0\r\n".repeat(MAX_SECTIONS + 1) + "a=x-c:1\r\n";
        assert!(!attributes(body.as_bytes(), |_| true, |_| panic!("beyond the sections that are read")));
    }
}
