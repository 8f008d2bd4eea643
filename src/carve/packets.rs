//! The second way through a capture: the packets of the carved calls, as they were captured.

use std::collections::BTreeSet;
use std::io;

use super::choice::FlowTimes;
use super::spool::Spool;
use crate::capture::{self, Frame, LinkType};
use crate::evidence::{Block, Content, Locus, Reading, SourceId, Stage, Timestamp, work};
use crate::net::{self, Packet};
use crate::rtp;

/// What of the media packets is carved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// Everything up to the end of the RTP header: what was said is not in it.
    Headers,
    /// None; the verdicts may then differ.
    None,
    /// The packets as captured.
    Whole,
}

impl Media {
    /// The word of the command line and of the manifest.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::None => "none",
            Self::Whole => "whole",
        }
    }
}

/// A packet that is carved; its bytes stand beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Picked {
    pub(super) at: Timestamp,
    pub(super) locus: Locus,
    pub(super) link_type: LinkType,
    pub(super) original_len: u32,
    bytes: (usize, usize),
}

struct Pick<'p> {
    source: SourceId,
    wanted: &'p BTreeSet<u64>,
    flows: &'p FlowTimes,
    media: Media,
}

#[derive(Default)]
struct Part {
    packets: Vec<Picked>,
    bytes: Vec<u8>,
}

/// The spool being filled, and what ended that early.
struct Sum<'s> {
    spool: &'s mut Spool,
    failure: Option<io::Error>,
}

/// Sets aside in `spool` the `wanted` records of the capture `content` and the RTP of `flows`.
pub(super) fn pick(
    pool: &rayon::ThreadPool,
    source: SourceId,
    content: Content,
    what: (&BTreeSet<u64>, &FlowTimes),
    media: Media,
    spool: &mut Spool,
) -> io::Result<()> {
    let Some(format) = capture::recognise(&content.head) else { return Ok(()) };
    let (wanted, flows) = what;
    let stage = Pick { source, wanted, flows, media };
    let reading = Reading::new(stage, capture::Walk::new(format), Sum { spool, failure: None }, content.reader);
    work(pool, std::slice::from_ref(&reading));
    let (sum, _, failure) = reading.finish();
    failure.or(sum.failure).map_or(Ok(()), Err)
}

impl<'p> Stage for Pick<'p> {
    type Walk = capture::Walk;
    type Head = capture::Head;
    type Part = Part;
    type Sum = Sum<'p>;

    fn cut(&self, walk: &mut capture::Walk, bytes: &[u8], end: bool) -> (usize, capture::Head) {
        walk.cut(bytes, end)
    }

    fn decode(&self, block: Block<'_, capture::Head>) -> Part {
        let mut part = Part::default();
        for frame in block.head.frames(block.bytes) {
            let bytes = if self.wanted.contains(&frame.record) { Some(frame.bytes) } else { self.media(&frame) };
            let Some(bytes) = bytes else { continue };
            let start = part.bytes.len();
            part.bytes.extend_from_slice(bytes);
            part.packets.push(Picked {
                at: frame.at,
                locus: Locus { source: self.source, record: frame.record },
                link_type: frame.link_type,
                original_len: frame.original_len,
                bytes: (start, part.bytes.len()),
            });
        }
        part
    }

    fn absorb(&self, sum: &mut Sum<'p>, part: Part) -> u64 {
        for packet in &part.packets {
            let bytes = part.bytes.get(packet.bytes.0..packet.bytes.1).unwrap_or_default();
            if sum.failure.is_none() {
                sum.failure = sum.spool.add(packet, bytes).err();
            }
        }
        0
    }
}

impl Pick<'_> {
    /// What is carved of a packet of the calls' media; `None` for any other.
    fn media<'a>(&self, frame: &Frame<'a>) -> Option<&'a [u8]> {
        if self.media == Media::None || self.flows.is_empty() {
            return None;
        }
        let decoded = net::decode(frame);
        let (ends, ssrc, of, up_to) = match decoded {
            Packet::Udp(payload) => match rtp::recognise(payload.bytes, payload.len) {
                rtp::Kind::Rtp(header) => (payload.ends, header.ssrc, payload.bytes, rtp::header_len(payload.bytes)),
                _ => return None,
            },
            // Of a fragmented packet the part that begins it is all that counts.
            Packet::Fragment(fragment) => {
                let rtp::Begun { ends, header, up_to } = rtp::begun(&fragment, &mut Vec::new())?;
                (ends, header.ssrc, fragment.bytes, up_to)
            }
            _ => return None,
        };
        let times = self.flows.get(&(ends.hop(), ssrc))?;
        if !times.iter().any(|(first, last)| (*first..=*last).contains(&frame.at.ns)) {
            return None;
        }
        if self.media == Media::Whole {
            return Some(frame.bytes);
        }
        // It is a part of the frame, so their places in memory say where.
        let before = of.as_ptr().addr().saturating_sub(frame.bytes.as_ptr().addr());
        frame.bytes.get(..before + up_to).or(Some(frame.bytes))
    }
}
