//! What is written, decided by a seed and a number: call `n` is the same whatever stands around it.

/// The size and kind of a load.
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) calls: u64,
    /// How long each call lasts, from answer to BYE.
    pub(crate) seconds: u64,
    /// Whether RTP flows.
    pub(crate) media: bool,
    /// Whether calls name their conversations.
    pub(crate) join: bool,
    /// Lines of a log.
    pub(crate) lines: u64,
}

/// What an audit with the built-in settings must conclude of one load written on its own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Truth {
    /// Bytes written.
    pub(crate) bytes: u64,
    /// Packets of the capture, or lines of the log.
    pub(crate) records: u64,
    pub(crate) sip_messages: u64,
    pub(crate) rtp_packets: u64,
    /// Legs whose INVITE carried the consent field: `clear`.
    pub(crate) clear: u64,
    /// Legs whose INVITE carried none: `unconsented`.
    pub(crate) unconsented: u64,
    /// Unconsented seconds of all streams, in thousandths.
    pub(crate) unconsented_ms: u64,
    pub(crate) recording_requests: u64,
    pub(crate) refused: u64,
    pub(crate) allowed: u64,
}

/// Which kind of draw a number is for, so that draws do not depend on each other.
#[derive(Clone, Copy)]
pub(crate) enum Draw {
    Call = 1,
    Media = 2,
    Conversation = 3,
    Request = 4,
}

impl Plan {
    /// A number that looks random and depends on the seed, the kind of draw and `n` alone (the finaliser of SplitMix64).
    pub(crate) fn draw(&self, kind: Draw, n: u64) -> u64 {
        let stream = self.seed.wrapping_mul(0xd134_2543_de82_ef95) ^ (kind as u64) << 56;
        let mut mixed = stream.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Whether call `n` carries the consent field: 15 of 23 do.
    pub(crate) fn consents(&self, n: u64) -> bool {
        n % 23 >= 8
    }

    /// The conversation id of call `n`, a UUID of version 4.
    pub(crate) fn conversation(&self, n: u64) -> String {
        let (high, low) = (self.draw(Draw::Conversation, 2 * n), self.draw(Draw::Conversation, 2 * n + 1));
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0xfff,
            low & 0xffff_ffff_ffff
        )
    }
}

/// 2026-01-05T08:00:00Z, when every load begins.
pub(crate) const BEGIN_S: u64 = 1_767_600_000;
