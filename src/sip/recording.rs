//! The identifiers of communication sessions that the metadata of a recording session carries.
//!
//! Follows RFC 7865 for `session` and `sipSessionID`; vendors put a Call-ID into `session_id`, into `sipSessionID`, or into
//! an element of their own whose name says so. Whether what stands there names a session that was captured is for
//! `call` to decide. Elements are told by their local name: vendors and drafts differ in the namespace.
//!
//! Text that is not UTF-8 ends the reading.
//!
//! Keeps: no entity is expanded; what a cut or a broken document holds before the damage is shown; size, depth and the
//! number of identifiers are bounded.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Bytes of one document that are read.
pub const MAX_BYTES: usize = 256 << 10;

/// How deep elements are followed.
const MAX_DEPTH: usize = 32;

/// Identifiers of one document that are shown.
const MAX_IDENTIFIERS: usize = 64;

/// Bytes of one identifier; a longer one names nothing.
const MAX_IDENTIFIER_BYTES: usize = 1024;

/// What an identifier stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// An element whose name says that it holds a Call-ID.
    CallId,
    /// The identifier of a `session` element.
    Session,
    /// `sipSessionID`: a Session-ID (RFC 7989) by the standard.
    SipSessionId,
}

impl Place {
    /// All.
    pub const ALL: [Self; 3] = [Self::CallId, Self::Session, Self::SipSessionId];

    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallId => "call_id",
            Self::Session => "session_id",
            Self::SipSessionId => "sipSessionID",
        }
    }
}

/// Shows each identifier of `document`, in order. Gives whether no limit was hit.
pub fn identifiers(document: &[u8], mut show: impl FnMut(Place, &[u8])) -> bool {
    let (head, all) = match document.get(..MAX_BYTES) {
        Some(head) => (head, document.len() == MAX_BYTES),
        None => (document, true),
    };
    let mut reader = Reader::from_reader(head);
    let (mut depth, mut shown) = (0_usize, 0);
    // The element whose text is an identifier, how deep it stands, and the text so far; `None` for text that is no plain one.
    let mut open: Option<(Place, usize, Option<Vec<u8>>)> = None;
    let mut show = |place: Place, value: &[u8]| {
        let value = value.trim_ascii();
        if (1..=MAX_IDENTIFIER_BYTES).contains(&value.len()) {
            shown += 1;
            show(place, value);
        }
        shown < MAX_IDENTIFIERS
    };
    // Damage ends it: what follows is not read.
    while let Ok(event) = reader.read_event() {
        let goes_on = match event {
            Event::Start(element) => {
                depth += 1;
                let named = place_of(&element);
                // An element within an identifier makes it none.
                open = match open {
                    None => named.map(|place| (place, depth, Some(Vec::new()))),
                    Some((place, at, _)) => Some((place, at, None)),
                };
                depth <= MAX_DEPTH && session_id(&element).is_none_or(|value| show(Place::Session, &value))
            }
            Event::Empty(element) => {
                if let Some((_, _, text)) = &mut open {
                    *text = None;
                }
                session_id(&element).is_none_or(|value| show(Place::Session, &value))
            }
            Event::End(_) => {
                let goes_on = match open.take() {
                    Some((place, at, text)) if at == depth => text.is_none_or(|text| show(place, &text)),
                    still => {
                        open = still;
                        true
                    }
                };
                depth = depth.saturating_sub(1);
                goes_on
            }
            Event::Text(text) => {
                add(&mut open, text.as_bytes());
                true
            }
            Event::CData(text) => {
                add(&mut open, text.as_bytes());
                true
            }
            // Entities are not expanded.
            Event::GeneralRef(_) => {
                if let Some((_, _, text)) = &mut open {
                    *text = None;
                }
                true
            }
            Event::Eof => return all,
            Event::Comment(_) | Event::Decl(_) | Event::DocType(_) | Event::PI(_) => true,
        };
        if !goes_on {
            return false;
        }
    }
    all
}

fn add(open: &mut Option<(Place, usize, Option<Vec<u8>>)>, more: &[u8]) {
    let Some((_, _, text)) = open else { return };
    match text {
        Some(known) if known.len() + more.len() <= MAX_IDENTIFIER_BYTES + 64 => known.extend_from_slice(more),
        _ => *text = None,
    }
}

/// What the text of an element identifies, by its local name.
fn place_of(element: &BytesStart<'_>) -> Option<Place> {
    let name = element.local_name();
    let letters = name.as_ref().bytes().filter(|byte| !matches!(byte, b'-' | b'_'));
    match letters.map(|byte| byte.to_ascii_lowercase()).collect::<Vec<u8>>().as_slice() {
        b"sipsessionid" => Some(Place::SipSessionId),
        b"callid" | b"sipcallid" | b"protocolcallid" | b"originalcallid" => Some(Place::CallId),
        _ => None,
    }
}

/// The identifier of a `session` element: `session_id` (RFC 7865), `id` in earlier drafts. None with entities in it.
fn session_id(element: &BytesStart<'_>) -> Option<Vec<u8>> {
    if !element.local_name().as_ref().eq_ignore_ascii_case("session") {
        return None;
    }
    let mut attributes = element.attributes();
    let attributes = attributes.with_checks(false).flatten().take(MAX_IDENTIFIERS);
    let is_id = |name: &str| ["session_id", "id"].iter().any(|known| name.eq_ignore_ascii_case(known));
    attributes
        .filter(|attribute| is_id(attribute.key.local_name().as_ref()))
        .map(|attribute| attribute.value.as_bytes().to_vec())
        .find(|value| !value.contains(&b'&'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(document: &str, expected: &[(Place, &str)]) -> bool {
        let mut found = Vec::new();
        let all = identifiers(document.as_bytes(), |place, value| {
            found.push((place, String::from_utf8_lossy(value).into_owned()));
        });
        let expected: Vec<_> = expected.iter().map(|(place, value)| (*place, (*value).to_owned())).collect();
        assert_eq!(found, expected, "{document}");
        all
    }

    const SESSION: &str = "<?xml version=\"1.0\"?>\r\n<recording xmlns='urn:ietf:params:xml:ns:recording:1'>\
        <datamode>complete</datamode><session session_id=\"hVpd7YQgRW2nD22h7q60JQ==\">\
        <sipSessionID>ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2</sipSessionID></session>";

    #[test]
    fn session_identifiers_are_found_by_local_names() {
        let expected = [
            (Place::Session, "hVpd7YQgRW2nD22h7q60JQ=="),
            (Place::SipSessionId, "ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2"),
        ];
        check(&format!("{SESSION}</recording>"), &expected);
        // Cut: what stands whole before the cut.
        check(SESSION, &expected);
        check(
            "<x:session x:id='a@b'/><v:Call-ID> c@d </v:Call-ID>",
            &[(Place::Session, "a@b"), (Place::CallId, "c@d")],
        );
        check("<callID><![CDATA[c@d]]></callID>", &[(Place::CallId, "c@d")]);
        check("<participant participant_id='p'><session_id>x</session_id></participant>", &[]);
        check("", &[]);
    }

    #[test]
    fn what_is_cut_broken_or_expanded_names_nothing() {
        check("<callid>c@", &[]);
        check("<callid>c@d", &[]);
        check("<!DOCTYPE a [<!ENTITY x \"c@d\">]><callid>&x;</callid>", &[]);
        check("<callid>a<b/>c</callid><callid>e</callid>", &[(Place::CallId, "e")]);
        check("<session session_id='&x;'/>", &[]);
        check("<callid>a</b><callid>c</callid>", &[]);
        check(&format!("<callid>{}</callid>", "a".repeat(MAX_IDENTIFIER_BYTES + 1)), &[]);
    }

    #[test]
    fn no_damage_panics_or_gives_more_than_is_there() {
        let whole = format!("{SESSION}<x:callid><![CDATA[c]]>&amp;</x:callid><!-- --><?pi?></recording>").into_bytes();
        let mut seed = 0x5243_5345_5353_494f_u64;
        let mut below = |limit: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 16) as usize % limit.max(1)
        };
        let splices: [&[u8]; 8] = [b"<", b">", b"&", b"\"", b"<callid>", b"</", b"\xff", b"\0"];
        for _ in 0..5_000 {
            let mut document = whole.clone();
            for _ in 0..=below(4) {
                let at = below(document.len());
                match below(3) {
                    0 => document.truncate(at),
                    1 => drop(document.splice(at..at, splices[below(splices.len())].iter().copied())),
                    _ => drop(document.drain(at..(at + below(9)).min(document.len()))),
                }
            }
            identifiers(&document, |_, value| assert!(!value.is_empty() && value.len() <= document.len()));
        }
    }

    #[test]
    fn depth_size_and_number_are_bounded() {
        assert!(!check(&("<a>".repeat(MAX_DEPTH) + "<callid>c</callid>"), &[]));
        assert!(!check(&format!("<a>{}</a><callid>c</callid>", " ".repeat(MAX_BYTES)), &[]));
        let mut found = 0;
        assert!(!identifiers("<callid>c</callid>".repeat(1000).as_bytes(), |_, _| found += 1));
        assert_eq!(found, MAX_IDENTIFIERS);
        assert!(check("<callid>c</callid>", &[(Place::CallId, "c")]));
    }
}
