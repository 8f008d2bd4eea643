//! A tolerant scanner of session descriptions: lines into media descriptions.
//!
//! Lines end with CRLF, LF or a bare CR; blanks before a line's type and around its `=` are tolerated (RFC 4475 §3.1.1.1
//! has one). A line of another form is passed over. Nothing is required: not `v=`, not `c=`, not an order.
//!
//! # Design
//!
//! - A port that is no number of 16 bits is unknown ([`Media::port`] is `None`): the stream was offered, since zero alone
//!   rejects it (RFC 3264 §6), and nobody can say where it goes.
//! - The first `c=` and the first direction of a section count, wherever they stand in it.
//! - A cut description is read up to its last line end ([`whole_lines`]). An `m=` line that stands whole gives a stream
//!   even when attributes behind it were cut: no later line could take the stream back.

use std::ops::{ControlFlow, Range};

use super::Direction;
use crate::scan::{self, LineEnds};

/// Media descriptions that are read of one session description.
pub const MAX_SECTIONS: usize = 256;

/// Formats that are named of one media description.
pub const MAX_FORMATS: usize = 64;

/// Bytes of one codec's name; a longer one in `a=rtpmap` is not used.
pub const MAX_CODEC_BYTES: usize = 64;

/// One media description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media<'a, 'r> {
    /// The media type, such as `audio`; empty where the line ends before it.
    pub media: &'a [u8],
    /// The transport port; `None` where it is no number below 65,536.
    pub port: Option<u16>,
    /// What stands where the port should, without a number of ports behind it.
    pub port_digits: &'a [u8],
    /// The connection address that holds for the section, as written but for a multicast suffix; empty where none stands.
    pub address: &'a [u8],
    /// The direction that holds for the section.
    pub direction: Direction,
    /// The names of the formats in their order, at most [`MAX_FORMATS`], with blanks between them: `PCMU/8000` by
    /// `a=rtpmap` or RFC 3551 §6, else the format as the `m=` line has it.
    pub codecs: &'r [u8],
    /// Whether there are more formats than are named.
    pub exceeds_formats: bool,
}

/// Reads session descriptions. What it finds does not depend on those it read before; they make it faster, since most
/// descriptions of a sender are the same behind the port of their last section.
#[derive(Debug)]
pub struct Reader {
    /// How descriptions ended, each at a place by its length.
    endings: [Ending; ENDINGS],
    maps: Maps,
    /// The names of the formats of the section that was shown last, and whether it has more.
    codecs: Vec<u8>,
    exceeds_formats: bool,
}

/// The names that `a=rtpmap` gives, by payload type: one more than their place in the body, 0 without one.
type Maps = [u32; PAYLOAD_TYPES];

/// RTP has seven bits for the payload type (RFC 3550 §5.1).
const PAYLOAD_TYPES: usize = 128;

/// How many ends of descriptions are kept.
const ENDINGS: usize = 16;

/// Bytes of an end that is kept.
const MAX_ENDING_BYTES: usize = 4 << 10;

/// What stood behind the port of a description's last section, and what that says.
#[derive(Clone, Debug, Default)]
struct Ending {
    bytes: Vec<u8>,
    /// Where in the bytes the address stands.
    address: Range<usize>,
    direction: Option<Direction>,
    of_recording: bool,
    codecs: Vec<u8>,
    exceeds_formats: bool,
}

/// The `m=` line of a section, up to its port.
#[derive(Clone, Copy, Debug)]
struct Section<'a> {
    media: &'a [u8],
    port: Option<u16>,
    port_digits: &'a [u8],
    /// The rest of the line.
    rest: &'a [u8],
    /// Where in the body that begins.
    at: usize,
}

/// The bytes of `body` up to its last line end: all that a cut description can be trusted for.
#[must_use]
pub fn whole_lines(body: &[u8]) -> &[u8] {
    let end = body.iter().rposition(|byte| matches!(byte, b'\r' | b'\n')).map_or(0, |end| end + 1);
    body.get(..end).unwrap_or_default()
}

/// What the lines of one level say: of the session, or of one section.
#[derive(Clone, Copy, Debug, Default)]
struct Level<'a> {
    address: &'a [u8],
    /// Where in the body the address begins.
    address_at: usize,
    direction: Option<Direction>,
    of_recording: bool,
}

/// The kind and value of the first line, `None` for one of another form, and what stands behind it.
#[inline]
pub(super) fn next_line(rest: &[u8]) -> (Option<(u8, &[u8])>, &[u8]) {
    let end = scan::line_end(rest, 0).unwrap_or(rest.len());
    let (line, behind) = rest.split_at_checked(end).unwrap_or_default();
    let behind = match behind {
        [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
        [] => b"",
    };
    let line = match line {
        [kind, b'=', value @ ..] => Some((*kind, value)),
        [b' ' | b'\t', ..] | [_, b' ' | b'\t', ..] => Some(loose(line)),
        _ => None,
    };
    (line, behind)
}

impl Default for Reader {
    fn default() -> Self {
        let endings = std::array::from_fn(|_| Ending::default());
        Self { endings, maps: [0; PAYLOAD_TYPES], codecs: Vec::new(), exceeds_formats: false }
    }
}

impl Reader {
    /// Shows every media description of `body` in order, until told to stop. Gives whether an attribute was met whose name
    /// may be one of RFC 7866: `a=record`, `a=recordpref`.
    pub fn read<'a>(&mut self, body: &'a [u8], mut show: impl FnMut(Media<'a, '_>) -> ControlFlow<()>) -> bool {
        let mut of_recording = false;
        let mut has_maps = false;
        let mut session = Level::default();
        let mut level = Level::default();
        // The section that is being read.
        let mut section: Option<Section<'_>> = None;
        let mut line_ends = LineEnds::default();
        let mut at = 0;
        while at < body.len() {
            let end = line_ends.next(body, at).unwrap_or(body.len());
            let line = body.get(at..end).unwrap_or_default();
            at = if let Some([b'\r', b'\n', ..]) = body.get(end..) { end + 2 } else { end + 1 };
            let (kind, value) = match line {
                [kind, b'=', value @ ..] => (*kind, value),
                [b' ' | b'\t', ..] | [_, b' ' | b'\t', ..] => loose(line),
                _ => continue,
            };
            match kind {
                b'a' => match value {
                    [b'r', b't', b'p', b'm', b'a', b'p', ..] => {
                        if let Some((payload_type, name)) = rtpmap(value)
                            && let Some(map) = self.maps.get_mut(payload_type)
                            && *map == 0
                        {
                            // The value ends where the line does.
                            *map = u32::try_from(end - name.len() + 1).unwrap_or(0);
                            has_maps = true;
                        }
                    }
                    [b'r', b'e', b'c', b'o', ..] => level.of_recording = true,
                    [b'r' | b's' | b'i' | b'R' | b'S' | b'I' | b' ' | b'\t', ..] if level.direction.is_none() => {
                        level.direction = direction(scan::trim(value));
                    }
                    _ => {}
                },
                b'c' if level.address.is_empty() => {
                    let (address, behind) = address(value);
                    (level.address, level.address_at) = (address, end - behind - address.len());
                }
                b'm' => {
                    of_recording |= level.of_recording;
                    match section {
                        Some(before) if self.show(before, level, session, body, &mut show).is_break() => {
                            self.forget_maps(has_maps);
                            return of_recording;
                        }
                        Some(_) => {}
                        None => session = level,
                    }
                    self.forget_maps(has_maps);
                    (level, has_maps) = (Level::default(), false);
                    let begun = Section::read(value, end);
                    if let Some(ending) = self.ending(body, begun.at) {
                        let _ = show(ending.media(begun, session, body));
                        return of_recording | ending.of_recording;
                    }
                    section = Some(begun);
                }
                _ => {}
            }
        }
        of_recording |= level.of_recording;
        if let Some(last) = section {
            let _ = self.show(last, level, session, body, &mut show);
            self.keep_ending(body, last, level);
        }
        self.forget_maps(has_maps);
        of_recording
    }

    /// Shows a section that was read to its end.
    fn show<'a>(
        &mut self,
        section: Section<'a>,
        level: Level<'a>,
        session: Level<'a>,
        body: &[u8],
        show: &mut impl FnMut(Media<'a, '_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.codecs.clear();
        self.exceeds_formats = name_formats(section.rest, body, &self.maps, &mut self.codecs);
        show(Media {
            media: section.media,
            port: section.port,
            port_digits: section.port_digits,
            address: if level.address.is_empty() { session.address } else { level.address },
            direction: level.direction.or(session.direction).unwrap_or_default(),
            codecs: &self.codecs,
            exceeds_formats: self.exceeds_formats,
        })
    }

    #[inline]
    fn forget_maps(&mut self, has_maps: bool) {
        if has_maps {
            self.maps = [0; PAYLOAD_TYPES];
        }
    }

    /// What is known of the bytes of `body` from `at` to its end.
    #[inline]
    fn ending(&self, body: &[u8], at: usize) -> Option<&Ending> {
        let bytes = body.get(at..).filter(|bytes| !bytes.is_empty())?;
        self.endings.get(bytes.len() % ENDINGS).filter(|ending| ending.bytes == bytes)
    }

    /// Remembers what the section that was shown last says behind its port.
    fn keep_ending(&mut self, body: &[u8], section: Section<'_>, level: Level<'_>) {
        let bytes = body.get(section.at..).unwrap_or_default();
        let Some(ending) = self.endings.get_mut(bytes.len() % ENDINGS).filter(|_| bytes.len() <= MAX_ENDING_BYTES)
        else {
            return;
        };
        ending.bytes.clear();
        ending.bytes.extend_from_slice(bytes);
        // Without an address both are zero.
        let address_at = level.address_at.saturating_sub(section.at);
        ending.address = address_at..address_at + level.address.len();
        (ending.direction, ending.of_recording) = (level.direction, level.of_recording);
        ending.exceeds_formats = self.exceeds_formats;
        std::mem::swap(&mut ending.codecs, &mut self.codecs);
    }
}

impl Ending {
    /// The section of `body` that ends so.
    #[inline]
    fn media<'a, 'r>(&'r self, section: Section<'a>, session: Level<'a>, body: &'a [u8]) -> Media<'a, 'r> {
        let own = section.at + self.address.start..section.at + self.address.end;
        Media {
            media: section.media,
            port: section.port,
            port_digits: section.port_digits,
            address: if own.is_empty() { session.address } else { body.get(own).unwrap_or_default() },
            direction: self.direction.or(session.direction).unwrap_or_default(),
            codecs: &self.codecs,
            exceeds_formats: self.exceeds_formats,
        }
    }
}

impl<'a> Section<'a> {
    /// Reads the value of an `m=` line up to its port; the line ends at `end`.
    #[inline]
    fn read(value: &'a [u8], end: usize) -> Self {
        let (media, rest) = word(value);
        let (port, rest) = word(rest);
        // Behind a slash stands how many ports there are.
        let port_digits = port.get(..scan::find(port, b'/').unwrap_or(port.len())).unwrap_or_default();
        Self { media, port: self::port(port_digits), port_digits, rest, at: end - rest.len() }
    }
}

/// Adds the names of the formats of a section to `names`; gives whether there are more than are named. `rest` is the
/// `m=` line behind its port.
fn name_formats(rest: &[u8], body: &[u8], maps: &Maps, names: &mut Vec<u8>) -> bool {
    let (protocol, mut rest) = word(rest);
    let is_rtp = protocol.starts_with(b"RTP/")
        || protocol.split(|byte| *byte == b'/').any(|token| token.eq_ignore_ascii_case(b"RTP"));
    for _ in 0..MAX_FORMATS {
        let (format, behind) = word(rest);
        if format.is_empty() {
            return false;
        }
        rest = behind;
        let known =
            payload_type(format).and_then(|payload_type| match maps.get(payload_type).filter(|map| **map > 0) {
                Some(map) => body.get(*map as usize - 1..).map(name),
                None if is_rtp => static_name(payload_type),
                None => None,
            });
        if !names.is_empty() {
            names.push(b' ');
        }
        names.extend_from_slice(known.unwrap_or_else(|| format.get(..MAX_CODEC_BYTES).unwrap_or(format)));
    }
    !word(rest).0.is_empty()
}

/// Kind and value of a line with blanks around its type.
#[cold]
fn loose(line: &[u8]) -> (u8, &[u8]) {
    match line.trim_ascii_start().split_first() {
        Some((kind, rest)) => match rest.trim_ascii_start().split_first() {
            Some((b'=', value)) => (*kind, value),
            _ => (0, b""),
        },
        None => (0, b""),
    }
}

/// The first word, empty at the end, and what stands behind it.
#[inline]
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let mut text = text;
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    // Words are short.
    let end = text.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or_default()
}

/// The bytes up to the next blank or line end.
fn name(text: &[u8]) -> &[u8] {
    text.get(..scan::blank(text).unwrap_or(text.len())).unwrap_or_default()
}

/// The port of `49170`.
fn port(digits: &[u8]) -> Option<u16> {
    let mut port = None;
    for byte in digits {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        port = Some(port.unwrap_or(0_u16).checked_mul(10)?.checked_add(digit)?);
    }
    port
}

/// The address of `IN IP4 224.2.36.42/127`, and how many bytes stand behind it.
fn address(value: &[u8]) -> (&[u8], usize) {
    let (address, rest) = match value {
        [b'I', b'N', b' ', b'I', b'P', b'4' | b'6', b' ', address @ ..] => word(address),
        _ => word(word(word(value).1).1),
    };
    let bytes = scan::find(address, b'/').unwrap_or(address.len());
    (address.get(..bytes).unwrap_or_default(), address.len() - bytes + rest.len())
}

fn direction(attribute: &[u8]) -> Option<Direction> {
    match attribute.len() {
        8 if attribute.eq_ignore_ascii_case(b"sendrecv") => Some(Direction::SendRecv),
        8 if attribute.eq_ignore_ascii_case(b"sendonly") => Some(Direction::SendOnly),
        8 if attribute.eq_ignore_ascii_case(b"recvonly") => Some(Direction::RecvOnly),
        8 if attribute.eq_ignore_ascii_case(b"inactive") => Some(Direction::Inactive),
        _ => None,
    }
}

/// The payload type of `rtpmap:0 PCMU/8000`, and the rest of the line from the name on.
#[inline]
fn rtpmap(attribute: &[u8]) -> Option<(usize, &[u8])> {
    plain_rtpmap(attribute).or_else(|| any_rtpmap(attribute))
}

/// `rtpmap:`, digits, one blank and a name that may take the rest of the line: `None` for everything else.
#[inline]
fn plain_rtpmap(attribute: &[u8]) -> Option<(usize, &[u8])> {
    let [_, _, _, _, _, _, b':', behind @ ..] = attribute else { return None };
    let digits = (1..=3).find(|digits| behind.get(*digits) == Some(&b' '))?;
    let (format, name) = (behind.get(..digits)?, behind.get(digits + 1..)?);
    let is_plain = name.len() <= MAX_CODEC_BYTES && name.first().is_some_and(|first| *first > b' ');
    is_plain.then_some((payload_type(format)?, name))
}

fn any_rtpmap(attribute: &[u8]) -> Option<(usize, &[u8])> {
    let behind = attribute.strip_prefix(b"rtpmap")?.trim_ascii_start().strip_prefix(b":")?;
    let (format, rest) = word(behind);
    let rest = rest.trim_ascii_start();
    (1..=MAX_CODEC_BYTES).contains(&name(rest).len()).then_some((payload_type(format)?, rest))
}

fn digit(byte: u8) -> Option<usize> {
    byte.is_ascii_digit().then(|| usize::from(byte - b'0'))
}

/// A format as an RTP payload type, 0 to 127.
fn payload_type(format: &[u8]) -> Option<usize> {
    let number = match *format {
        [one] => digit(one)?,
        [ten, one] => digit(ten)? * 10 + digit(one)?,
        [hundred, ten, one] => digit(hundred)? * 100 + digit(ten)? * 10 + digit(one)?,
        _ => return None,
    };
    (number < PAYLOAD_TYPES).then_some(number)
}

/// The payload types that RFC 3551 §6 assigns.
fn static_name(payload_type: usize) -> Option<&'static [u8]> {
    Some(match payload_type {
        0 => b"PCMU/8000",
        3 => b"GSM/8000",
        4 => b"G723/8000",
        5 => b"DVI4/8000",
        6 => b"DVI4/16000",
        7 => b"LPC/8000",
        8 => b"PCMA/8000",
        9 => b"G722/8000",
        10 => b"L16/44100/2",
        11 => b"L16/44100",
        12 => b"QCELP/8000",
        13 => b"CN/8000",
        14 => b"MPA/90000",
        15 => b"G728/8000",
        16 => b"DVI4/11025",
        17 => b"DVI4/22050",
        18 => b"G729/8000",
        25 => b"CelB/90000",
        26 => b"JPEG/90000",
        28 => b"nv/90000",
        31 => b"H261/90000",
        32 => b"MPV/90000",
        33 => b"MP2T/90000",
        34 => b"H263/90000",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// `media port address codecs direction` of every section, read once more where it was read before.
    fn read(body: &str) -> Vec<String> {
        let mut reader = Reader::default();
        let found = read_by(&mut reader, body.as_bytes());
        assert_eq!(read_by(&mut reader, body.as_bytes()), found, "{body}");
        found.0
    }

    /// The same by one reader, and whether an attribute may be one of RFC 7866.
    fn read_by(reader: &mut Reader, body: &[u8]) -> (Vec<String>, bool) {
        let mut found = Vec::new();
        let of_recording = reader.read(body, |media| {
            let port = media.port.map_or("?".to_owned(), |port| port.to_string());
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            let (kind, address) = (text(media.media), text(media.address));
            let more = if media.exceeds_formats { " and more" } else { "" };
            found.push(format!("{kind} {port} {address} {}{more} {:?}", text(media.codecs), media.direction));
            ControlFlow::Continue(())
        });
        (found, of_recording)
    }

    const AUDIO: &str = "audio 49170 192.0.2.4 PCMU/8000 telephone-event/8000 SendRecv";
    const VIDEO: &str = "video 3227 192.0.2.4 H261/90000 SendRecv";

    /// An audio and a video section, as a change of the text leaves them.
    fn changed(from: &str, to: &str) -> Vec<String> {
        let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.3\r\ns=call\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\n\
            m=audio 49170 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n\
            m=video 3227 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\n";
        assert!(body.contains(from), "{from}");
        read(&body.replacen(from, to, 1))
    }

    #[test]
    fn both_streams_come_out_of_the_plain_body() {
        assert_eq!(changed("v=0", "v=0"), [AUDIO, VIDEO]);
    }

    #[test]
    fn odd_lines_cost_no_stream() {
        assert_eq!(changed("s=call", "s=-"), [AUDIO, VIDEO]);
        assert_eq!(changed("a=ptime:20", "a=rtcp-mux"), [AUDIO, VIDEO]);
        assert_eq!(changed("v=0\r\n", ""), [AUDIO, VIDEO]);
        assert_eq!(changed("a=ptime:20", "garbage\r\n=\r\n\r\nx"), [AUDIO, VIDEO]);
        assert_eq!(changed("RTP/AVP 0", "UDP/TLS/RTP/SAVPF 0"), [AUDIO, VIDEO]);
        assert_eq!(changed("RTP/AVP 0", "RTP/SAVPF 0"), [AUDIO, VIDEO]);
        assert_eq!(changed("m=video", "m =video"), [AUDIO, VIDEO]);
        assert_eq!(changed("m=video", " m=video"), [AUDIO, VIDEO]);
    }

    #[test]
    fn a_host_name_is_an_address() {
        let expected = [AUDIO, VIDEO].map(|stream| stream.replace("192.0.2.4", "media.example.com"));
        assert_eq!(changed("IP4 192.0.2.4", "IP4 media.example.com"), expected);
    }

    #[test]
    fn an_image_first_is_a_stream_like_the_others() {
        let image = "m=image 5000 udptl t38\r\nm=audio";
        assert_eq!(changed("m=audio", image), ["image 5000 192.0.2.4 t38 SendRecv", AUDIO, VIDEO]);
    }

    #[test]
    fn a_port_with_a_count_is_the_port() {
        assert_eq!(changed("49170 ", "49170/2 "), [AUDIO, VIDEO]);
    }

    #[test]
    fn port_zero_is_rejected_not_missing() {
        assert_eq!(changed("49170 ", "0 "), [AUDIO.replace("49170", "0").as_str(), VIDEO]);
    }

    #[test]
    fn a_port_that_is_none_keeps_its_stream() {
        for port in ["65536", "-1", "x", "99999999999999999999", "4O00"] {
            assert_eq!(changed("49170 ", &format!("{port} ")), [AUDIO.replace("49170", "?").as_str(), VIDEO]);
        }
        assert_eq!(changed("49170 ", "65535 "), [AUDIO.replace("49170", "65535").as_str(), VIDEO]);
    }

    #[test]
    fn an_unreadable_section_keeps_what_is_its_own() {
        let found = changed("m=video 3227 RTP/AVP 31\r\na=rtpmap:31 H261/90000", "m=\r\na=inactive");
        assert_eq!(found, [AUDIO, " ? 192.0.2.4  Inactive"]);
    }

    #[test]
    fn direction_and_address_of_the_session_hold_for_sections_without() {
        let expected = [AUDIO.replace("SendRecv", "Inactive"), VIDEO.replace("SendRecv", "SendOnly")];
        assert_eq!(changed("t=0 0\r\n", "t=0 0\r\na=inactive\r\n").first(), expected.first());
        let both =
            read("a=inactive\nc=IN IP4 192.0.2.4\nm=audio 49170 RTP/AVP 0\nm=video 3227 RTP/AVP 31\na=sendonly\n");
        assert_eq!(both, ["audio 49170 192.0.2.4 PCMU/8000 Inactive", expected[1].as_str()]);
    }

    #[test]
    fn a_section_has_its_own_address_wherever_it_stands() {
        let expected = [AUDIO.replace("192.0.2.4", "2001:db8::1").replace("SendRecv", "RecvOnly"), VIDEO.to_owned()];
        assert_eq!(changed("a=ptime:20", "a=recvonly \r\nc=IN IP6 2001:db8::1/127"), expected);
    }

    #[test]
    fn lf_and_cr_alone_end_lines() {
        for end in ["\n", "\r"] {
            let body = format!("c=IN IP4 192.0.2.4{end}m=audio 1 RTP/AVP 8{end}m=video 2 RTP/AVP 34");
            assert_eq!(read(&body), ["audio 1 192.0.2.4 PCMA/8000 SendRecv", "video 2 192.0.2.4 H263/90000 SendRecv"]);
        }
    }

    #[test]
    fn formats_are_named_by_map_by_table_or_by_themselves() {
        let name = |media: &str| read(media).join("|");
        assert_eq!(name("m=audio 1 RTP/AVP 8 0 96 13"), "audio 1  PCMA/8000 PCMU/8000 96 CN/8000 SendRecv");
        assert_eq!(name("m=audio 1 RTP/AVP 0\na=rtpmap:0 opus/48000/2"), "audio 1  opus/48000/2 SendRecv");
        assert_eq!(name("m=audio 1 RTP/AVP 96\na=rtpmap: 96  opus/48000/2"), "audio 1  opus/48000/2 SendRecv");
        assert_eq!(name("m=application 1 TCP/BFCP *"), "application 1  * SendRecv");
        assert_eq!(name("m=x 1 udp 0"), "x 1  0 SendRecv");
        assert_eq!(name("m=audio 1 RTP/AVP 128 200 00000"), "audio 1  128 200 00000 SendRecv");
        // A map in another section does not count.
        assert_eq!(
            name("m=audio 1 RTP/AVP 96\nm=video 2 RTP/AVP 97\na=rtpmap:96 x/1"),
            "audio 1  96 SendRecv|video 2  97 SendRecv"
        );
    }

    #[test]
    fn a_plain_map_is_read_as_any_is() {
        let long = format!("rtpmap:96 {}", "x".repeat(MAX_CODEC_BYTES));
        let mut read = 0;
        for map in ["rtpmap:0 PCMU/8000", "rtpmap:96 opus/48000/2", "rtpmap:101 telephone-event/8000 x", &long] {
            for at in 6..=map.len() {
                for byte in 0..=u8::MAX {
                    for behind in [at, map.len().min(at + 1)] {
                        let mut map = map.as_bytes().to_vec();
                        map.splice(at..behind, [byte]);
                        assert_eq!(rtpmap(&map), any_rtpmap(&map), "{}", map.escape_ascii());
                        read += usize::from(rtpmap(&map).is_some());
                    }
                }
            }
        }
        assert!(read > 10_000, "{read}");
    }

    #[test]
    fn limits_bound_what_is_named() {
        let formats = " 0".repeat(MAX_FORMATS + 1);
        let body = format!("m=audio 1 RTP/AVP{formats}");
        let mut shown = 0;
        Reader::default().read(body.as_bytes(), |media| {
            assert!(media.exceeds_formats);
            assert_eq!(media.codecs.split(|byte| *byte == b' ').count(), MAX_FORMATS);
            shown += 1;
            ControlFlow::Break(())
        });
        assert_eq!(shown, 1);
        let long = format!("m=audio 1 RTP/AVP 96\na=rtpmap:96 {}", "x".repeat(MAX_CODEC_BYTES + 1));
        assert_eq!(read(&long), ["audio 1  96 SendRecv"]);
    }

    #[test]
    fn what_was_read_before_changes_nothing() {
        let bodies = [
            "v=0\r\nc=IN IP4 192.0.2.4\r\na=inactive\r\nm=audio 49170 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n",
            "c=IN IP4 h\na=record:on\nm=audio 1 RTP/AVP 96\na=rtpmap:96 opus/48000/2\nc=IN IP6 2001:db8::1/127 x\nm=video 2 RTP/AVP 34\na=recordpref:on\n",
            "m=audio 1\rm=audio 2 udptl t38\r\n\r\n m =image 3/2 x 0\r\nc = IN IP4 y",
        ];
        let mut random = Random(0x5344_5020);
        let mut below = |limit: usize| random.below(limit);
        let mut reader = Reader::default();
        let mut again = 0;
        for _ in 0..30_000 {
            let mut body = bodies.get(below(bodies.len())).expect("a body").as_bytes().to_vec();
            for _ in 0..below(3) {
                let at = below(body.len());
                let byte = *b"\r\n =mac019/x".get(below(12)).expect("a byte");
                let end = (at + below(3)).min(body.len());
                body.splice(at..end, [byte]);
            }
            let expected = read_by(&mut Reader::default(), &body);
            assert_eq!(read_by(&mut reader, &body), expected, "{}", body.escape_ascii());
            again += usize::from(reader.endings.iter().any(|ending| body.ends_with(&ending.bytes)));
        }
        assert!(again > 10_000, "{again}");
    }

    #[test]
    fn a_cut_body_is_read_to_its_last_line_end() {
        assert_eq!(whole_lines(b"m=a 1\r\nm=b"), b"m=a 1\r\n");
        assert_eq!(whole_lines(b"m=b"), b"");
    }
}
