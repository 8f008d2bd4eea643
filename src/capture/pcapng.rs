//! The pcapng format: blocks that each carry their length twice, in sections of one byte order.
//!
//! # Design
//!
//! Both lengths of a block must agree, so damage shows at once; the walk goes on at the next block of a known type whose
//! lengths agree, at whatever byte it begins. A decoder gets the interfaces that its block begins with, and reads the
//! section headers and interface descriptions inside it once more by itself.

use std::sync::Arc;

use super::walk::{Cause, Gap, ORDINARY_LIMIT, RECORD_LIMIT, Search, Step};
use super::{Frame, LinkType};
use crate::evidence::{Anomalies, Timestamp};

/// Interfaces of one section that are read.
pub const INTERFACES_LIMIT: usize = 65_536;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Blocks without a packet that take a number all the same, as Wireshark counts: systemd journal entries, sysdig events, and
/// custom blocks.
const NUMBERED: [u32; 6] = [9, 0x204, 0x216, 0x221, 0xbad, 0x4000_0bad];

/// Bytes around the body of a block: its type and its length, twice.
const AROUND: usize = 12;

/// Bytes of an enhanced or obsolete packet block without any data.
const TIMED_MIN: usize = 32;

/// The block types that a search believes, beside those above: name resolution, interface statistics, systemd journal,
/// decryption secrets, custom.
const OTHER_TYPES: [u32; 6] = [4, 5, 9, 10, 0xbad, 0x4000_0bad];

/// The byte order of a section, by the head of its section header: whether it is big-endian.
pub(super) fn section_order(bytes: &[u8]) -> Option<bool> {
    let (block_type, rest) = bytes.split_first_chunk::<4>()?;
    let (_, rest) = rest.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*block_type) != SECTION {
        return None;
    }
    match rest.first_chunk::<4>()? {
        [0x4d, 0x3c, 0x2b, 0x1a] => Some(false),
        [0x1a, 0x2b, 0x3c, 0x4d] => Some(true),
        _ => None,
    }
}

/// A byte order.
#[derive(Clone, Copy, Debug, Default)]
struct Order {
    big_endian: bool,
}

impl Order {
    #[inline]
    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let word = *bytes.get(at..)?.first_chunk::<2>()?;
        Some(if self.big_endian { u16::from_be_bytes(word) } else { u16::from_le_bytes(word) })
    }

    #[inline]
    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let word = *bytes.get(at..)?.first_chunk::<4>()?;
        Some(if self.big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) })
    }

    fn i64(self, bytes: &[u8]) -> Option<i64> {
        let word = *bytes.first_chunk::<8>()?;
        Some(if self.big_endian { i64::from_be_bytes(word) } else { i64::from_le_bytes(word) })
    }
}

/// What an interface description says of its packets.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: LinkType,
    /// Bytes of a packet that are captured at most; 0 for all.
    snaplen: u32,
    scale: Scale,
    offset_ns: i128,
    digits: u8,
}

/// How the units of an interface's times become nanoseconds.
#[derive(Clone, Copy, Debug)]
enum Scale {
    /// They are divided by that power of ten.
    Divide(u32),
    /// They are multiplied.
    Multiply(u64),
    /// They are that many binary digits of a second.
    Shift(u32),
}

impl Interface {
    /// Reads an interface description block; `None` when even its fixed fields are not there.
    fn read(block: &[u8], order: Order) -> Option<Self> {
        let (mut resolution, mut offset) = (6_u8, 0_i64);
        let link_type = LinkType(order.u16(block, 8)?);
        let snaplen = order.u32(block, 12)?;
        let parsed = if order.big_endian {
            pcap_parser::parse_interfacedescriptionblock_be(block)
        } else {
            pcap_parser::parse_interfacedescriptionblock_le(block)
        };
        if let Ok((_, parsed)) = parsed {
            resolution = parsed.if_tsresol;
            // pcap-parser reads the offset as little-endian always.
            let of_offset = parsed.options.iter().find(|option| option.code == pcap_parser::OptionCode::IfTsoffset);
            offset = of_offset.and_then(|option| order.i64(option.as_bytes().ok()?)).unwrap_or(0);
        }
        let power = u32::from(resolution & 0x7f);
        let (scale, digits) = match (resolution & 0x80 != 0, power) {
            (true, _) => (Scale::Shift(power), (power * 30_103).div_ceil(100_000)),
            (false, 0..=9) => (Scale::Multiply(10_u64.pow(9 - power)), power),
            (false, _) => (Scale::Divide(power - 9), 9),
        };
        Some(Self {
            link_type,
            snaplen,
            scale,
            offset_ns: i128::from(offset) * 1_000_000_000,
            digits: digits.min(9) as u8,
        })
    }

    /// The instant of `units`, if it fits.
    #[inline]
    fn instant(&self, units: u64) -> Option<Timestamp> {
        if let (Scale::Multiply(factor), 0) = (self.scale, self.offset_ns)
            && let Some(ns) = units.checked_mul(factor).and_then(|ns| i64::try_from(ns).ok())
        {
            return Some(Timestamp::new(ns, self.digits));
        }
        let units = u128::from(units);
        let ns = match self.scale {
            Scale::Divide(power) => 10_u128.checked_pow(power).map_or(0, |divisor| units / divisor),
            Scale::Multiply(factor) => units * u128::from(factor),
            // 64 bits of units and 30 of the factor fit.
            Scale::Shift(power) => (units * 1_000_000_000) >> power,
        };
        // Below 2^94, and the offset below 2^93.
        let ns = ns.cast_signed() + self.offset_ns;
        i64::try_from(ns).ok().map(|ns| Timestamp::new(ns, self.digits))
    }
}

/// The section that blocks stand in.
#[derive(Clone, Debug, Default)]
struct Section {
    order: Order,
    interfaces: Arc<Vec<Interface>>,
}

impl Section {
    /// Takes in a section header or an interface description; other blocks change nothing.
    fn take(&mut self, block_type: u32, block: &[u8]) {
        match block_type {
            SECTION => {
                self.order = Order { big_endian: section_order(block).unwrap_or(self.order.big_endian) };
                self.interfaces = Arc::default();
            }
            INTERFACE if self.interfaces.len() < INTERFACES_LIMIT => {
                // An unreadable description keeps its number.
                let unknown = Interface {
                    link_type: LinkType::UNKNOWN,
                    snaplen: 0,
                    scale: Scale::Multiply(1_000),
                    offset_ns: 0,
                    digits: 6,
                };
                let interface = Interface::read(block, self.order).unwrap_or(unknown);
                Arc::make_mut(&mut self.interfaces).push(interface);
            }
            _ => {}
        }
    }

    /// Whether a packet block has a time that can be told.
    #[inline]
    fn knows_time(&self, block_type: u32, block: &[u8]) -> bool {
        let interface = match block_type {
            ENHANCED_PACKET => self.order.u32(block, 8).map(|interface| interface as usize),
            PACKET => self.order.u16(block, 8).map(usize::from),
            _ => None,
        };
        block.len() >= TIMED_MIN && interface.is_some_and(|interface| interface < self.interfaces.len())
    }

    /// The type of the block at `at`, the length it claims, and the length rounded up to whole words that it takes; `None`
    /// when its first 8 bytes, or 12 for a section header, are not there.
    #[inline]
    fn block(&self, bytes: &[u8], at: usize) -> Option<(u32, u32, usize)> {
        let block_type = self.order.u32(bytes, at)?;
        let order = if block_type == SECTION {
            let rest = bytes.get(at..).filter(|rest| rest.len() >= AROUND)?;
            Order { big_endian: section_order(rest).unwrap_or(self.order.big_endian) }
        } else {
            self.order
        };
        let claimed = order.u32(bytes, at + 4)?;
        Some((block_type, claimed, (claimed as usize).next_multiple_of(4)))
    }

    /// Whether the second length of a block agrees with the first.
    #[inline]
    fn agrees(&self, bytes: &[u8], at: usize, (block_type, claimed, len): (u32, u32, usize)) -> Option<bool> {
        let order = if block_type == SECTION {
            Order { big_endian: section_order(bytes.get(at..)?).unwrap_or(self.order.big_endian) }
        } else {
            self.order
        };
        order.u32(bytes, at + len - 4).map(|second| second == claimed)
    }
}

fn takes_number(block_type: u32) -> bool {
    NUMBERED.contains(&block_type)
}

fn is_packet(block_type: u32) -> bool {
    matches!(block_type, PACKET | SIMPLE_PACKET | ENHANCED_PACKET)
}

/// The state between the blocks of one file.
#[derive(Debug, Default)]
pub(super) struct Walk {
    section: Section,
    records: u64,
    /// Where in the file the bytes begin that are cut next.
    offset: u64,
    /// Whether the walk has lost its way and searches for the next block.
    lost: bool,
    /// The time of the last packet that had one.
    last: Option<Timestamp>,
}

/// What the decoder of a block must know.
#[derive(Debug)]
pub(super) struct Head {
    section: Section,
    /// Records before the block.
    before: u64,
    /// Bytes that belong to blocks and gaps.
    taken: usize,
    gaps: Vec<Gap>,
    last: Option<Timestamp>,
}

impl Walk {
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    pub(super) fn cut(&mut self, bytes: &[u8], end: bool) -> (usize, Head) {
        let mut head =
            Head { section: self.section.clone(), before: self.records, taken: 0, gaps: Vec::new(), last: self.last };
        let mut at = 0;
        let mut timed = None;
        loop {
            match self.judge(bytes, at, end, &mut timed) {
                Step::Record(len) => {
                    let block = bytes.get(at..at + len).unwrap_or_default();
                    let block_type = self.section.order.u32(block, 0).unwrap_or_default();
                    if is_packet(block_type) {
                        self.records += 1;
                        if self.section.knows_time(block_type, block) {
                            timed = Some(block);
                        }
                    } else {
                        self.records += u64::from(takes_number(block_type));
                        self.take(block_type, block, &mut timed);
                    }
                    at += len;
                }
                Step::Gap(len, cause) => {
                    head.gaps.push(Gap { at, len, cause });
                    at += len;
                }
                Step::More => break,
            }
        }
        self.keep_time(timed);
        self.offset += at as u64;
        head.taken = at;
        (at, head)
    }

    /// Takes in a block that carries no packet. The interfaces of a section are gone with it, so a new section needs the
    /// time of the last packet first.
    fn take(&mut self, block_type: u32, block: &[u8], timed: &mut Option<&[u8]>) {
        if block_type == SECTION {
            self.keep_time(timed.take());
        }
        self.section.take(block_type, block);
    }

    fn keep_time(&mut self, packet: Option<&[u8]>) {
        self.last = packet.and_then(|block| self.time_of(block)).or(self.last);
    }

    /// When a packet was captured, where its block tells.
    fn time_of(&self, block: &[u8]) -> Option<Timestamp> {
        let timed = Timed::read(block, self.section.order)?;
        self.section.interfaces.get(timed.interface)?.instant(timed.units)
    }

    fn judge(&mut self, bytes: &[u8], at: usize, end: bool, timed: &mut Option<&[u8]>) -> Step {
        let left = bytes.len().saturating_sub(at);
        if left == 0 {
            return Step::More;
        }
        if self.lost {
            return self.search_on(bytes, at, at, end, Cause::Lost);
        }
        let offset = self.offset + at as u64;
        let truncated =
            |needs: usize| Step::Gap(left, Cause::Truncated { offset, needs: needs as u64, has: left as u64 });
        let Some(block) = self.section.block(bytes, at) else {
            return if end { truncated(AROUND) } else { Step::More };
        };
        let (block_type, claimed, len) = block;
        if (AROUND..=RECORD_LIMIT).contains(&len) {
            if len <= left && self.section.agrees(bytes, at, block) == Some(true) {
                return Step::Record(len);
            }
            if len > left && !end {
                return Step::More;
            }
            if len > left && matches!(self.search(bytes, at + 1, end), Search::Undecided(_)) {
                return truncated(len);
            }
        }
        if block_type == SECTION {
            // Its byte order may be right where its length is not.
            self.take(block_type, bytes.get(at..).unwrap_or_default(), timed);
        }
        self.search_on(bytes, at, at + 1, end, Cause::Length { offset, claimed: u64::from(claimed) })
    }

    /// Searches from `from` on, and passes over everything from `at` to what is found.
    fn search_on(&mut self, bytes: &[u8], at: usize, from: usize, end: bool, cause: Cause) -> Step {
        let to = match self.search(bytes, from, end) {
            Search::Found(to) => {
                self.lost = false;
                to
            }
            Search::Undecided(to) => {
                self.lost = true;
                to
            }
        };
        match to - at {
            0 if !self.lost => self.section.block(bytes, at).map_or(Step::More, |(.., len)| Step::Record(len)),
            0 => Step::More,
            len => Step::Gap(len, cause),
        }
    }

    /// Searches for the next block of a known type whose lengths agree.
    fn search(&self, bytes: &[u8], from: usize, end: bool) -> Search {
        let mut at = from;
        while let Some(block) =
            bytes.get(at..).filter(|rest| rest.len() >= AROUND).and_then(|_| self.section.block(bytes, at))
        {
            let (block_type, claimed, len) = block;
            let is_known = match block_type {
                SECTION => bytes.get(at..).and_then(section_order).is_some(),
                INTERFACE | PACKET | SIMPLE_PACKET | ENHANCED_PACKET => true,
                other => OTHER_TYPES.contains(&other),
            };
            if is_known && len == claimed as usize && (AROUND..=ORDINARY_LIMIT).contains(&len) {
                match self.section.agrees(bytes, at, block) {
                    Some(true) => return Search::Found(at),
                    None if !end => return Search::Undecided(at),
                    Some(false) | None => {}
                }
            }
            at += 1;
        }
        Search::Undecided(if end { bytes.len() } else { at.min(bytes.len()) })
    }
}

/// The fields that enhanced and obsolete packet blocks have alike.
struct Timed {
    interface: usize,
    units: u64,
    captured: u32,
    original: u32,
}

impl Timed {
    #[inline]
    fn read(block: &[u8], order: Order) -> Option<Self> {
        if block.len() < TIMED_MIN {
            return None;
        }
        let interface = if order.u32(block, 0)? == ENHANCED_PACKET {
            order.u32(block, 8)? as usize
        } else {
            usize::from(order.u16(block, 8)?)
        };
        let units = u64::from(order.u32(block, 12)?) << 32 | u64::from(order.u32(block, 16)?);
        Some(Self { interface, units, captured: order.u32(block, 20)?, original: order.u32(block, 24)? })
    }
}

impl Head {
    pub(super) fn frames(self, bytes: &[u8]) -> Frames<'_> {
        let mut frames = Frames {
            bytes: bytes.get(..self.taken).unwrap_or(bytes),
            section: self.section,
            at: 0,
            gap_at: usize::MAX,
            record: self.before,
            last: self.last,
            gaps: self.gaps.into_iter(),
            anomalies: Anomalies::default(),
        };
        frames.next_gap();
        frames
    }
}

/// The frames of one block.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    section: Section,
    at: usize,
    gap_at: usize,
    record: u64,
    last: Option<Timestamp>,
    gaps: std::vec::IntoIter<Gap>,
    anomalies: Anomalies,
}

impl<'a> Frames<'a> {
    fn next_gap(&mut self) {
        self.gap_at = self.gaps.as_slice().first().map_or(usize::MAX, |gap| gap.at);
    }

    #[cold]
    fn pass_gap(&mut self) {
        if let Some(gap) = self.gaps.next() {
            let is_section = self.section.order.u32(self.bytes, gap.at) == Some(SECTION);
            if is_section && matches!(gap.cause, Cause::Length { .. }) {
                self.section.take(SECTION, self.bytes.get(gap.at..).unwrap_or_default());
            }
            gap.cause.note(self.record + 1, &mut self.anomalies);
            self.at = gap.at + gap.len;
        }
        self.next_gap();
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<Frame<'a>> {
        loop {
            while self.at == self.gap_at {
                self.pass_gap();
            }
            let (block_type, _, len) = self.section.block(self.bytes, self.at)?;
            let block = self.bytes.get(self.at..self.at + len).filter(|block| block.len() >= AROUND)?;
            self.at += len;
            match block_type {
                ENHANCED_PACKET | PACKET => return Some(self.timed(block)),
                SIMPLE_PACKET => return Some(self.simple(block)),
                other if takes_number(other) => return Some(self.numbered()),
                _ => self.other(block_type, block),
            }
        }
    }

    #[inline]
    fn timed(&mut self, block: &'a [u8]) -> Frame<'a> {
        self.record += 1;
        let Some(timed) = Timed::read(block, self.section.order) else { return self.unreadable(block) };
        let data = block.get(28..block.len() - 4).unwrap_or_default();
        let bytes = data.get(..timed.captured as usize).unwrap_or_else(|| self.short(data, timed.captured));
        let Some(interface) = self.section.interfaces.get(timed.interface) else {
            let at = self.last_time();
            self.unknown_interface(timed.interface);
            return Frame {
                bytes,
                original_len: timed.original,
                at,
                record: self.record,
                link_type: LinkType::UNKNOWN,
            };
        };
        let link_type = interface.link_type;
        let at = match interface.instant(timed.units) {
            Some(at) => *self.last.insert(at),
            None => self.bad_time(timed.units),
        };
        Frame { bytes, original_len: timed.original, at, record: self.record, link_type }
    }

    /// A packet without a time of its own, on the section's first interface.
    fn simple(&mut self, block: &'a [u8]) -> Frame<'a> {
        self.record += 1;
        let Some(original) = self.section.order.u32(block, 8) else { return self.unreadable(block) };
        let at = self.last_time();
        self.anomalies.note("no_time", Some(self.record), || "a simple packet block has no time".to_owned());
        let data = block.get(12..block.len() - 4).unwrap_or_default();
        let Some(interface) = self.section.interfaces.first().copied() else {
            self.unknown_interface(0);
            return Frame {
                bytes: data,
                original_len: original,
                at,
                record: self.record,
                link_type: LinkType::UNKNOWN,
            };
        };
        let captured = if interface.snaplen == 0 { original } else { original.min(interface.snaplen) };
        let bytes = data.get(..captured as usize).unwrap_or_else(|| self.short(data, captured));
        Frame { bytes, original_len: original, at, record: self.record, link_type: interface.link_type }
    }

    fn last_time(&self) -> Timestamp {
        self.last.unwrap_or(Frame::NO_TIME)
    }

    #[cold]
    fn bad_time(&mut self, units: u64) -> Timestamp {
        self.anomalies.note("bad_time", Some(self.record), || format!("{units} units of time do not fit"));
        self.last_time()
    }

    /// A block that carries no packet and takes a number.
    #[cold]
    fn numbered(&mut self) -> Frame<'a> {
        self.record += 1;
        Frame { bytes: &[], original_len: 0, at: self.last_time(), record: self.record, link_type: LinkType::NO_PACKET }
    }

    /// A packet block too small for its own fields: counted, with nothing in it.
    #[cold]
    fn unreadable(&mut self, block: &'a [u8]) -> Frame<'a> {
        self.anomalies.note("record_length", Some(self.record), || {
            format!("a packet block of {} bytes is too short for its fields", block.len())
        });
        Frame { bytes: &[], original_len: 0, at: self.last_time(), record: self.record, link_type: LinkType::UNKNOWN }
    }

    /// A packet that claims more captured bytes than its block holds.
    #[cold]
    fn short(&mut self, data: &'a [u8], captured: u32) -> &'a [u8] {
        self.anomalies.note("record_length", Some(self.record), || {
            format!("{captured} captured bytes are claimed, its block holds {}", data.len())
        });
        data
    }

    #[cold]
    fn unknown_interface(&mut self, interface: usize) {
        self.anomalies.note("unknown_interface", Some(self.record), || {
            format!("no block describes interface {interface} of the section")
        });
    }

    #[cold]
    fn other(&mut self, block_type: u32, block: &'a [u8]) {
        let full = self.section.interfaces.len() >= INTERFACES_LIMIT;
        self.section.take(block_type, block);
        let next = Some(self.record + 1);
        match block_type {
            SECTION => {
                let major = self.section.order.u16(block, 12);
                if major != Some(1) {
                    self.anomalies.note("unknown_version", next, || {
                        format!("a section of version {}", major.unwrap_or_default())
                    });
                }
            }
            INTERFACE if full => self.anomalies.note("limit_interfaces", next, || {
                format!("a section describes more than {INTERFACES_LIMIT} interfaces")
            }),
            _ => {}
        }
    }

    pub(super) fn into_anomalies(self) -> Anomalies {
        self.anomalies
    }
}
