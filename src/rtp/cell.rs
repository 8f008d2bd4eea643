//! The packets of one flow in one second whose sequence numbers share their upper bits: a set of 64 at most.

use std::cmp::Ordering;

/// Nanoseconds of a second, in which cells are laid out.
pub(super) const SECOND_NS: i64 = 1_000_000_000;

/// Sequence numbers of a cell.
pub(super) const WIDTH: u16 = 64;

/// Stands in [`Cell::size`] when the packets' sizes differ.
const MIXED: u16 = u16::MAX;

/// A set of packets. Uniting two cells of the same second and block is commutative and associative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// A bit for each sequence number.
    pub(super) bits: u64,
    /// When the first of them was captured, in nanoseconds.
    pub(super) first: i64,
    /// The record of that packet.
    pub(super) record: u64,
    /// The size of each packet, when they differ.
    sizes: Option<Box<[u16; WIDTH as usize]>>,
    /// Nanoseconds from the first to the last, copies too.
    lasting: u32,
    /// Nanoseconds from the first to the packet of the highest number, when it was captured first.
    highest: u32,
    /// Packets captured, copies included.
    pub(super) captured: u32,
    /// The sequence numbers divided by [`WIDTH`].
    pub(super) block: u16,
    /// The size of every packet, or [`MIXED`].
    size: u16,
    /// Fractional digits of the first packet's time.
    pub(super) digits: u8,
}

/// One captured packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Captured {
    pub(super) ns: i64,
    pub(super) digits: u8,
    pub(super) record: u64,
    pub(super) sequence: u16,
    pub(super) size: u16,
}

/// The start of the second that an instant lies in.
#[inline]
pub(super) fn second_of(ns: i64) -> i64 {
    ns.saturating_sub(ns.rem_euclid(SECOND_NS))
}

impl Cell {
    #[inline]
    pub(super) fn of(packet: Captured) -> Self {
        Self {
            bits: bit(packet.sequence),
            first: packet.ns,
            record: packet.record,
            sizes: None,
            lasting: 0,
            highest: 0,
            captured: 1,
            block: packet.sequence / WIDTH,
            size: packet.size,
            digits: packet.digits,
        }
    }

    /// The start of the cell's second.
    pub(super) fn second(&self) -> i64 {
        second_of(self.first)
    }

    /// Where it stands among the cells of its flow.
    pub(super) fn place(&self) -> (i64, u16) {
        (self.second(), self.block)
    }

    /// When the last of them was captured; where some were captured again, the one of the highest number, first: a copy
    /// says nothing of when media ended.
    pub(super) fn last(&self) -> i64 {
        let copied = self.captured > self.bits.count_ones();
        self.first.saturating_add(i64::from(if copied { self.highest } else { self.lasting }))
    }

    /// Adds a packet of this cell's second and block.
    #[inline]
    pub(super) fn add(&mut self, packet: Captured) {
        if packet.size != self.size {
            self.add_size(packet);
        }
        let own = bit(packet.sequence);
        let (is_highest, is_new) = (own > self.bits >> 1, own > self.bits);
        self.bits |= own;
        self.captured = self.captured.saturating_add(1);
        // Within one second, so that the difference fits.
        let after = packet.ns.wrapping_sub(self.first);
        if after > 0 {
            self.lasting = self.lasting.max(after as u32);
        } else {
            self.begin_earlier(packet.ns, packet.digits, packet.record);
        }
        if is_highest {
            let after = after.max(0) as u32;
            self.highest = if is_new { after } else { self.highest.min(after) };
        }
    }

    fn begin_earlier(&mut self, ns: i64, digits: u8, record: u64) {
        if (ns, digits, record) < (self.first, self.digits, self.record) {
            self.lasting += self.first.wrapping_sub(ns) as u32;
            self.highest += self.first.wrapping_sub(ns) as u32;
            (self.first, self.digits, self.record) = (ns, digits, record);
        }
    }

    #[inline(never)]
    fn add_size(&mut self, packet: Captured) {
        let sizes = self.mixed();
        if let Some(size) = sizes.get_mut(usize::from(packet.sequence % WIDTH)) {
            *size = (*size).max(packet.size);
        }
    }

    /// The sizes one by one, from now on.
    fn mixed(&mut self) -> &mut [u16; WIDTH as usize] {
        let (bits, size) = (self.bits, self.size);
        self.size = MIXED;
        self.sizes.get_or_insert_with(|| {
            let mut sizes = Box::new([0; WIDTH as usize]);
            for (place, held) in (0..).zip(sizes.iter_mut()) {
                *held = if bits >> place & 1 == 1 { size } else { 0 };
            }
            sizes
        })
    }

    /// Unites with another cell of the same second and block.
    pub(super) fn unite(&mut self, other: Self) {
        if self.size != other.size || other.sizes.is_some() {
            let sizes = self.mixed();
            for (place, held) in (0..).zip(sizes.iter_mut()) {
                if other.bits >> place & 1 == 1 {
                    *held = (*held).max(other.size_at(place));
                }
            }
        }
        let at = |cell: &Self, after: u32| cell.first.saturating_add(i64::from(after));
        let last = at(self, self.lasting).max(at(&other, other.lasting));
        let (own, others) = (at(self, self.highest), at(&other, other.highest));
        let highest = match self.bits.leading_zeros().cmp(&other.bits.leading_zeros()) {
            Ordering::Less => own,
            Ordering::Equal => own.min(others),
            Ordering::Greater => others,
        };
        self.bits |= other.bits;
        self.captured = self.captured.saturating_add(other.captured);
        self.begin_earlier(other.first, other.digits, other.record);
        self.lasting = last.wrapping_sub(self.first) as u32;
        self.highest = highest.wrapping_sub(self.first) as u32;
    }

    fn size_at(&self, place: u16) -> u16 {
        match &self.sizes {
            Some(sizes) => sizes.get(usize::from(place)).copied().unwrap_or(0),
            None => self.size,
        }
    }

    /// The size that all packets have, if they do.
    pub(super) fn uniform_size(&self) -> Option<u16> {
        self.sizes.is_none().then_some(self.size)
    }

    /// Sequence numbers and sizes, in order.
    pub(super) fn packets(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        (0..WIDTH)
            .filter(|place| self.bits >> place & 1 == 1)
            .map(|place| (self.block * WIDTH + place, self.size_at(place)))
    }

    /// Bytes of memory beside the cell itself.
    pub(super) fn beside(&self) -> usize {
        self.sizes.as_ref().map_or(0, |sizes| size_of_val(&**sizes))
    }
}

#[inline]
fn bit(sequence: u16) -> u64 {
    1 << (sequence % WIDTH)
}
