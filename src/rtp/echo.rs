//! Packets that one source captured twice by two clocks: two taps merged into one file.
//!
//! Copies a second or two apart are left to the [walk](super::run). What a source shows again later, while its sender goes
//! on, is taken out here and set beside the rest as if another source had captured it; whether two clocks account for it
//! [`clocks`] tells. If they do not, the sender sent it anew, and all stays as it was.
//!
//! A number that is older than what came two seconds before is taken out though the first tap missed it: nothing is late
//! for so long. Keeps: what is taken out depends on the seconds and numbers of packets alone, not on how they were folded.

use super::cell::SECOND_NS;
use super::clocks;
use super::fold::Piece;

/// Taps of one file that are told apart.
const MOST_TAPS: usize = 8;

/// How far behind the newest number one counts as old. Half of all, so that one that comes again after 65,536 packets is new.
const OLD: u16 = 1 << 15;

/// What was seen of each sequence number, one flow after the other.
#[derive(Debug, Default)]
pub(super) struct Echoes {
    /// The last extended number of each sequence number that was new, and its second.
    seen: Vec<(u64, i64)>,
    /// The newest extended number. Grows from flow to flow.
    high: u64,
}

impl Echoes {
    /// The pieces of one source, which come by second, with the clocks of its taps set right.
    pub(super) fn align<'a>(&mut self, pieces: Vec<Piece<'a>>) -> Vec<Piece<'a>> {
        self.align_up_to(pieces, MOST_TAPS)
    }

    fn align_up_to<'a>(&mut self, pieces: Vec<Piece<'a>>, taps: usize) -> Vec<Piece<'a>> {
        if taps < 2 || !comes_again(&pieces) {
            return pieces;
        }
        let (own, again) = self.split(&pieces);
        if again.is_empty() {
            return pieces;
        }
        let mut taps = [own, self.align_up_to(again, taps - 1)];
        if !clocks::align(&mut taps) {
            return pieces;
        }
        let mut all = taps.concat();
        all.sort_unstable_by_key(|piece| (piece.second, piece.first, piece.record));
        all
    }

    /// What is new, and what was seen in an earlier second, or should have been, and comes while newer numbers came in between.
    fn split<'a>(&mut self, pieces: &[Piece<'a>]) -> (Vec<Piece<'a>>, Vec<Piece<'a>>) {
        let (mut own, mut again) = (Vec::new(), Vec::new());
        self.seen.resize(1 << 16, (0, i64::MIN));
        let mut before = i64::MIN;
        // The newest extended number two seconds before.
        let mut early = self.high;
        for second in pieces.chunk_by(|one, next| one.second == next.second) {
            let Some(now) = second.first().map(|piece| piece.second) else { continue };
            if now.saturating_sub(before) > SECOND_NS {
                // Nothing goes on over a pause; extended numbers of before are never met again.
                let start = second.first().map_or(0, |piece| piece.packets.span().0);
                self.high = ((self.high >> 16) + 2) << 16 | u64::from(start.wrapping_sub(1));
                early = 0;
            }
            before = now;
            let (high, mut newest) = (self.high, self.high);
            for piece in second {
                let seen = &mut self.seen;
                let mut is_again = |number: u16| {
                    let behind = (high as u16).wrapping_sub(number);
                    let is_old = behind < OLD;
                    let extended = match is_old {
                        true => high - u64::from(behind),
                        false => high + u64::from(number.wrapping_sub(high as u16)),
                    };
                    let Some(slot) = seen.get_mut(usize::from(number)) else { return false };
                    if is_old && (extended <= early || slot.0 == extended && slot.1 < now) {
                        return true;
                    }
                    *slot = (extended, now);
                    newest = newest.max(extended);
                    false
                };
                piece.part(&mut is_again, |part, is_again| if is_again { again.push(part) } else { own.push(part) });
            }
            early = std::mem::replace(&mut self.high, newest).max(early);
        }
        (own, again)
    }
}

/// Whether any numbers come that are not newer than what came two seconds before or earlier.
fn comes_again(pieces: &[Piece<'_>]) -> bool {
    let mut early = pieces.iter().peekable();
    let mut high: Option<u16> = None;
    pieces.iter().any(|piece| {
        while let Some(before) = early.next_if(|early| early.second.saturating_add(2 * SECOND_NS) <= piece.second) {
            let (start, len) = before.packets.span();
            let end = start.wrapping_add(len).wrapping_sub(1);
            high = Some(high.filter(|high| high.wrapping_sub(end) < OLD).unwrap_or(end));
        }
        high.is_some_and(|high| high.wrapping_sub(piece.packets.span().0) < OLD)
    })
}
