//! Messages whose header is like that of an earlier one: the same names in the same places, with other values as long.
//!
//! A sender fills in the same form for every call, and most of what it fills in has always the same length. So the places
//! of rows in a header that was read are remembered, and a header that differs from it only within values need not be split
//! into lines, nor its names looked up.
//!
//! Keeps: what is told of a message that is like another is what [`Message::scan`] and [`Header`] tell. For that, a header
//! is remembered only where each of its rows is plain; and another one is like it only where every byte outside the
//! Request-URI, the reason phrase and the values is the same, and none within them that differs is a control: then its lines
//! end where those of the other end, no row is folded, and the names are the same.

use super::header::Place;
use super::start_line::Form;
use super::{Header, HeaderEnd, Message, Met, Plain};
use crate::scan;

/// Headers remembered at once.
const PLACES: usize = 256;

/// Bytes of the longest header that is remembered, with its start line.
const LONGEST: usize = 1_024;

/// What remembering a header costs, told in headers that were like one.
const COST: u32 = 4;

/// Headers that are remembered without any being like one.
const CREDIT: u32 = 256 * COST;

/// Of so many headers that are like none, one is remembered whatever it costs: senders change.
const SELDOM: u32 = 64;

/// The headers that others are like.
#[derive(Clone, Debug)]
pub struct Alike {
    known: Vec<Known>,
    /// What may still be spent on remembering.
    credit: u32,
    /// Headers that were like none and are not remembered.
    passed: u32,
}

/// A header that was read.
#[derive(Clone, Debug)]
struct Known {
    /// Start line and header as captured, with the empty line; nothing where none is remembered.
    head: Vec<u8>,
    /// For each of its bytes zero where another may stand there, else all ones.
    fixed: Vec<u8>,
    form: Form,
    /// Rows that somebody asks for, by the numbers of their names.
    rows: Vec<(usize, Place)>,
}

impl Default for Alike {
    fn default() -> Self {
        Self { known: vec![Known::NONE; PLACES], credit: CREDIT, passed: 0 }
    }
}

impl Alike {
    /// The message in `payload`, and which header that is remembered its own is like, if it is like one.
    #[inline]
    pub fn find<'a>(&mut self, payload: &'a [u8]) -> Option<(Message<'a>, usize)> {
        let place = place_of(payload)?;
        let known = self.known.get(place..place + 2)?.iter().zip(place..);
        let found = known.filter_map(|(known, place)| Some((known.told_of(payload)?, place))).next()?;
        self.credit = (self.credit + 1).min(CREDIT);
        Some(found)
    }

    /// The rows of a payload whose header is like that one, as far as somebody asks for them, with the numbers of their names.
    #[inline(always)]
    pub fn rows<'a>(&self, known: usize, payload: &'a [u8]) -> impl Iterator<Item = (usize, Plain<'a>)> {
        let rows = self.known.get(known).map_or(&[][..], |known| &known.rows);
        rows.iter().map(|(number, row)| (*number, row.of(payload)))
    }

    /// Remembers the header in `payload`, which was read and is like none, where that pays.
    #[inline]
    pub fn remember(&mut self, payload: &[u8], met: &mut Met<'_>) {
        let Some(credit) = self.credit.checked_sub(COST) else {
            self.passed += 1;
            if self.passed == SELDOM {
                (self.passed, self.credit) = (0, COST);
            }
            return;
        };
        self.credit = credit;
        self.take(payload, met);
    }

    #[inline(never)]
    fn take(&mut self, payload: &[u8], met: &mut Met<'_>) {
        let Some([newer, older]) = place_of(payload).and_then(|place| self.known.get_mut(place..)?.first_chunk_mut())
        else {
            return;
        };
        std::mem::swap(newer, older);
        newer.take(payload, met);
    }
}

/// The first of the two places where what is like this may be remembered; `None` for what is too short.
#[inline(always)]
fn place_of(payload: &[u8]) -> Option<usize> {
    let start: &[u8; 12] = payload.first_chunk()?;
    let [a, b, c, d, e, f, g, h, rest @ ..] = *start;
    let start = u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ u64::from(u32::from_le_bytes(rest)).rotate_left(40);
    let key = (start ^ (payload.len() as u64).rotate_left(20)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Some((key >> 32) as usize % (PLACES / 2) * 2)
}

impl Known {
    const NONE: Self =
        Self { head: Vec::new(), fixed: Vec::new(), form: Form::Response { status: 0 }, rows: Vec::new() };

    /// Reads a header that is to be remembered. What was remembered here is forgotten, whatever it is.
    fn take(&mut self, payload: &[u8], met: &mut Met<'_>) {
        let Self { head, fixed, form, rows } = self;
        head.clear();
        rows.clear();
        let Some((plain, line_bytes)) = Form::of(payload) else { return };
        // A short row is plain where something stands behind it.
        head.extend_from_slice(payload.get(..LONGEST).unwrap_or(payload));
        head.resize(head.len() + scan::BLOCK, 0);
        fixed.clear();
        fixed.resize(head.len(), u8::MAX);
        let mut free = |(from, to): (usize, usize)| {
            if let Some(own) = fixed.get_mut(from..to) {
                own.fill(0);
            }
        };
        free(plain.free(line_bytes));
        let mut header = Header::behind(head, line_bytes);
        header.plain_rows(met, |number, row| {
            free(row.place().value());
            rows.extend(number.map(|number| (number, row.place())));
        });
        let is_plain = header.end() == Some(HeaderEnd::Whole);
        let end = if is_plain { header.position() } else { 0 };
        head.truncate(end);
        fixed.truncate(end);
        *form = plain;
    }

    #[inline(always)]
    fn told_of<'a>(&self, payload: &'a [u8]) -> Option<Message<'a>> {
        let head = payload.get(..self.head.len())?;
        if !scan::is_like(head, &self.head, &self.fixed) {
            return None;
        }
        Some(Message::read(self.form.of_line(payload)?, payload, self.head.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::sip::{Extent, Line, Names, Row, StartLine};

    const FORMS: [&str; 4] = [
        "INVITE sip:+13035555933@platform.example:5060;user=phone SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.10;branch=z9hG4bK-0-i\r\n\
         Max-Forwards: 69\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: 98612b92c7d69ec8\r\nX-Consent: true\r\n\
         Content-Length: 3\r\n\r\nv=0",
        "SIP/2.0 180 Ringing\r\nv:SIP/2.0/UDP 203.0.113.10;branch=z9hG4bK-0-i\r\nServer: edge\r\nf: <sip:a@h>;tag=1\r\n\
         t: <sip:b@h>;tag=2\r\ni:98612b92c7d69ec8\r\nCSeq: 1 INVITE\r\nContact:\r\n\r\n",
        "BYE sip:a@h SIP/2.0\r\nCall-ID: 98612b92c7d69ec8\r\nX-Consent: \t false \r\nFrom: a\r\nTo: b\r\nCSeq: 2 BYE\r\n\r\n",
        "OPTIONS sip:b SIP/2.0\r\nCall-ID: 1\r\nSubject: folded\r\n onto this row\r\nFrom: a\r\nTo: b\r\nCSeq: 2 OPTIONS\r\n\r\n",
    ];

    fn names() -> Names {
        let mut names = Names::default();
        for name in ["call-id", "from", "to", "via", "cseq", "contact", "x-consent"] {
            names.add(name.as_bytes());
        }
        names
    }

    /// Start line, rows of names that have a number, and where the header ended.
    type Told<'a> = (StartLine<'a>, Vec<(usize, Row<'a>)>, usize);

    /// What [`Message::scan`] and [`Header`] tell of a payload whose header is there.
    fn read<'a>(payload: &'a [u8], names: &Names) -> Option<Told<'a>> {
        let message = Message::scan(payload, Extent::Whole)?;
        let mut header = message.header();
        let mut rows = Vec::new();
        for line in header.by_ref() {
            if let Line::Row(row) = line {
                rows.extend(names.number(row.name).map(|number| (number, row)));
            }
        }
        (header.end() == Some(HeaderEnd::Whole)).then(|| (message.start, rows, header.position()))
    }

    fn found<'a>(alike: &mut Alike, payload: &'a [u8]) -> Option<Told<'a>> {
        let (message, known) = alike.find(payload)?;
        let header = message.header();
        assert_eq!(header.end(), Some(HeaderEnd::Whole));
        assert_eq!(message.head(&header).len(), header.position());
        assert_eq!(message.rest(&header), &payload[header.position()..]);
        let rows = alike.rows(known, payload).map(|(number, plain)| (number, plain.row())).collect();
        Some((message.start, rows, header.position()))
    }

    #[test]
    fn what_is_found_is_what_is_read() {
        let names = names();
        let mut met = Met::new(&names);
        let (mut alike, mut random) = (Alike::default(), Random(0x616c_696b));
        let (mut hits, mut refused) = (0, 0);
        let bytes = *b"\0\t\n\r !:;<=>AZaz09\x7f\xff";
        for round in 0..60_000 {
            let mut payload = FORMS[random.below(FORMS.len())].as_bytes().to_vec();
            for _ in 0..random.below(9).saturating_sub(6) {
                let at = random.below(payload.len());
                payload[at] = bytes[random.below(bytes.len())];
            }
            if random.below(50) == 0 {
                payload.truncate(random.below(payload.len()));
            }
            let expected = read(&payload, &names);
            match found(&mut alike, &payload) {
                Some(told) => {
                    hits += 1;
                    assert_eq!(Some(told), expected, "round {round}: {}", payload.escape_ascii());
                }
                None => {
                    refused += 1;
                    // As the callers do: of a header that was read to its end.
                    if expected.is_some() {
                        alike.remember(&payload, &mut met);
                    }
                }
            }
        }
        assert!(hits > 10_000 && refused > 10_000, "{hits} found, {refused} not");
    }

    #[test]
    fn other_values_are_found_and_what_divides_them_is_not() {
        let names = names();
        let mut met = Met::new(&names);
        let mut is_like = |one: &str, other: &str| {
            let mut alike = Alike::default();
            alike.remember(one.as_bytes(), &mut met);
            alike.find(other.as_bytes()).is_some()
        };
        let [invite, ringing, ..] = FORMS;
        for (form, from, to, expected) in [
            (invite, "+13035555933", "+19995550000", true),
            (invite, "98612b92c7d69ec8", "a:b;c=d,<\"f\">;g ", true),
            (invite, "v=0", "a=b", true),
            (invite, "69\r\n", "6\r\n ", false),
            (invite, "69\r\n", "\r\n69", false),
            (invite, "true", "t\tue", false),
            (invite, "X-Consent", "X-Content", false),
            (invite, "Consent: ", "Consent :", false),
            (invite, "INVITE ", "INVITES", false),
            (invite, "sip:+1", " ip:+1", false),
            (invite, "user=phone", "user=phon ", false),
            (invite, "SIP/2.0\r\nVia", "SIP/2.1\r\nVia", false),
            (ringing, "Ringing", "Singing", true),
            (ringing, "180 ", "183 ", false),
            (ringing, "180 ", "1800", false),
        ] {
            assert!(is_like(form, form));
            let other = form.replacen(from, to, 1);
            assert!(other.len() == form.len() && other != form, "{from}");
            assert_eq!(is_like(form, &other), expected, "{from:?} {to:?}");
        }
        assert!(!is_like(FORMS[3], FORMS[3]), "a folded row is not remembered");
        let long = invite.replace("true", &"x".repeat(LONGEST));
        assert!(!is_like(&long, &long));
    }

    #[test]
    fn who_repeats_nothing_is_not_remembered_for_ever_and_who_does_later_is() {
        let names = names();
        let mut met = Met::new(&names);
        let mut alike = Alike::default();
        let mut number = 0;
        let mut other = || {
            number += 1;
            format!(
                "OPTIONS sip:b SIP/2.0\r\nCall-ID: 1\r\nX-{number}: 1\r\nFrom: a\r\nTo: b\r\nCSeq: 2 OPTIONS\r\n\r\n"
            )
        };
        let mut remembered = 0;
        for _ in 0..10_000 {
            let payload = other();
            alike.remember(payload.as_bytes(), &mut met);
            remembered += usize::from(alike.find(payload.as_bytes()).is_some());
        }
        assert!((250..1_000).contains(&remembered), "{remembered}");
        let steady = FORMS[0].as_bytes();
        let misses = (0..10_000).filter(|_| {
            let is_like = alike.find(steady).is_some();
            if !is_like {
                alike.remember(steady, &mut met);
            }
            !is_like
        });
        assert!(misses.count() <= SELDOM as usize);
    }
}
