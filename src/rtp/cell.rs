//! The packets of one flow in one second whose sequence numbers share their upper bits: a set of 64 at most.

/// Nanoseconds of a second, in which cells are laid out.
pub(super) const SECOND_NS: i64 = 1_000_000_000;

/// Sequence numbers of a cell.
pub(super) const WIDTH: u16 = 64;

/// Stands in [`Set::size`] when the packets' sizes differ.
const MIXED: u16 = u16::MAX;

/// A set of packets and when each was captured. Uniting two cells of one place is commutative and associative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) set: Set,
    /// For each sequence number the nanoseconds of its second when it was captured first: a copy says nothing of when
    /// media ended. Without a packet the largest number.
    times: [u32; WIDTH as usize],
}

/// Which packets there are, without their times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    /// A bit for each sequence number.
    pub(super) bits: u64,
    /// The start of the second they were captured in.
    pub(super) second: i64,
    /// The record of the first of them.
    pub(super) record: u64,
    /// The size of each packet, when they differ.
    sizes: Option<Box<[u16; WIDTH as usize]>>,
    /// Packets captured, copies included.
    pub(super) captured: u32,
    /// When the first of them was captured, in nanoseconds of the second.
    first: u32,
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
        let second = second_of(packet.ns);
        let first = packet.ns.wrapping_sub(second) as u32;
        let mut times = [u32::MAX; WIDTH as usize];
        if let Some(time) = times.get_mut(usize::from(packet.sequence % WIDTH)) {
            *time = first;
        }
        let set = Set {
            bits: bit(packet.sequence),
            second,
            record: packet.record,
            sizes: None,
            captured: 1,
            first,
            block: packet.sequence / WIDTH,
            size: packet.size,
            digits: packet.digits,
        };
        Self { set, times }
    }

    /// Adds a packet if it is of this cell's second and block; whether it is.
    #[inline]
    pub(super) fn add(&mut self, packet: Captured) -> bool {
        let set = &mut self.set;
        let since = packet.ns.wrapping_sub(set.second).cast_unsigned();
        if since >= SECOND_NS.cast_unsigned() || set.block != packet.sequence / WIDTH {
            return false;
        }
        if packet.size != set.size {
            set.add_size(packet);
        }
        let since = since as u32;
        if let Some(time) = self.times.get_mut(usize::from(packet.sequence % WIDTH)) {
            *time = since.min(*time);
        }
        set.bits |= bit(packet.sequence);
        set.captured = set.captured.saturating_add(1);
        if since <= set.first {
            set.begin_earlier(since, packet.digits, packet.record);
        }
        true
    }

    /// Unites with another cell of the same place.
    pub(super) fn unite(&mut self, other: &Self) {
        self.set.unite(&other.set);
        for (time, others) in self.times.iter_mut().zip(&other.times) {
            *time = (*time).min(*others);
        }
    }

    /// The times of the places from the lowest that is taken to the highest.
    pub(super) fn times(&self) -> &[u32] {
        let end = (u64::BITS - self.set.bits.leading_zeros()) as usize;
        self.times.get(self.set.bits.trailing_zeros() as usize..end).unwrap_or_default()
    }

    /// The time of each packet, in order of their numbers.
    pub(super) fn times_of_packets(&self) -> impl Iterator<Item = u32> + '_ {
        (0..WIDTH).zip(&self.times).filter(|(place, _)| self.set.has(*place)).map(|(_, time)| *time)
    }
}

impl Set {
    /// Where it stands among those of its flow.
    pub(super) fn place(&self) -> (i64, u16) {
        (self.second, self.block)
    }

    /// When the first packet was captured.
    pub(super) fn first(&self) -> i64 {
        self.second.saturating_add(i64::from(self.first))
    }

    fn begin_earlier(&mut self, first: u32, digits: u8, record: u64) {
        if (first, digits, record) < (self.first, self.digits, self.record) {
            (self.first, self.digits, self.record) = (first, digits, record);
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

    fn unite(&mut self, other: &Self) {
        if self.size != other.size || other.sizes.is_some() {
            let sizes = self.mixed();
            for (place, held) in (0..).zip(sizes.iter_mut()) {
                if other.has(place) {
                    *held = (*held).max(other.size_at(place));
                }
            }
        }
        self.bits |= other.bits;
        self.captured = self.captured.saturating_add(other.captured);
        self.begin_earlier(other.first, other.digits, other.record);
    }

    fn has(&self, place: u16) -> bool {
        self.bits >> place & 1 == 1
    }

    /// The lowest sequence number of those that a mask leaves, and how many numbers there are up to the highest.
    pub(super) fn span_of(&self, mask: u64) -> (u16, u16) {
        let bits = self.bits & mask;
        let lowest = bits.trailing_zeros() as u16 % WIDTH;
        (self.block * WIDTH + lowest, WIDTH - bits.leading_zeros() as u16 % WIDTH - lowest)
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
        self.packets_of(u64::MAX)
    }

    /// The same of those that a mask leaves.
    pub(super) fn packets_of(&self, mask: u64) -> impl Iterator<Item = (u16, u16)> + '_ {
        let has = move |place: &u16| (self.bits & mask) >> place & 1 == 1;
        (0..WIDTH).filter(has).map(|place| (self.block * WIDTH + place, self.size_at(place)))
    }

    /// Bytes of memory beside the set itself.
    pub(super) fn beside(&self) -> usize {
        self.sizes.as_ref().map_or(0, |sizes| size_of_val(&**sizes))
    }
}

#[inline]
fn bit(sequence: u16) -> u64 {
    1 << (sequence % WIDTH)
}
