//! What each message of a leg is to the others: texts are compared once here; from then on numbers are.
//!
//! A [`Step`] holds all of a message that the [course](super::course) of a leg is read from. So legs whose steps are equal
//! took the same course, whatever their texts, addresses and times.

use std::hash::{Hash, Hasher};

use hashbrown::HashMap;

use super::dialog::Seed;
use crate::facts::{Body, CSeq, Method, Signalling, StartLine};

/// What is looked for one after the other; more is looked for through a table.
pub(super) const SHORT: usize = 16;

/// A tag of a leg by its number. Equal tags have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Tag(u32);

impl Tag {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// Its place in a list of what is known of each tag, of those that are none, too.
    pub(super) fn place(self) -> usize {
        self.0 as usize
    }
}

/// What a start line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Request(Method),
    Response(u16),
}

/// One message of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The tag of From.
    pub(super) from: Tag,
    /// The tag of To.
    pub(super) to: Tag,
    /// The number of its CSeq, counted from the first one of its From tag; 0 where it was unreadable.
    pub(super) number: i64,
    /// All else in one number, for steps are compared by the million: the status or the method's number in the upper half,
    /// then the number of the CSeq's method from 1 on, then what holds of it, a bit each.
    what: u32,
}

impl Step {
    const HEADER_WHOLE: u32 = 1;
    const TO_UNREAD: u32 = 1 << 1;
    const BODY_CUT: u32 = 1 << 2;
    const DESCRIBES: u32 = 1 << 3;
    const ON_HOP: u32 = 1 << 4;
    const ON_DIALOG: u32 = 1 << 5;
    const BEHIND: u32 = 1 << 6;

    /// What its start line says.
    pub(super) fn start(&self) -> Start {
        match Method::ALL.get((self.what >> 16) as usize) {
            Some(method) => Start::Request(*method),
            None => Start::Response((self.what >> 16) as u16),
        }
    }

    /// The method of its CSeq; `None` where that was unreadable.
    pub(super) fn cseq(&self) -> Option<Method> {
        let number = ((self.what >> 8) & 0xff).checked_sub(1)?;
        Method::ALL.get(number as usize).copied()
    }

    fn holds(&self, bit: u32) -> bool {
        self.what & bit != 0
    }

    /// Whether the whole header section was captured.
    pub(super) fn header_whole(&self) -> bool {
        self.holds(Self::HEADER_WHOLE)
    }

    /// Whether its header section was cut before To.
    pub(super) fn has_to_unread(&self) -> bool {
        self.holds(Self::TO_UNREAD)
    }

    /// Whether its body was cut.
    pub(super) fn body_cut(&self) -> bool {
        self.holds(Self::BODY_CUT)
    }

    /// Whether it describes media: a description that was cut before its first section says nothing.
    pub(super) fn describes(&self) -> bool {
        self.holds(Self::DESCRIBES)
    }

    /// Whether it was seen on a hop that counts.
    pub(super) fn on_hop(&self) -> bool {
        self.holds(Self::ON_HOP)
    }

    /// Whether it belongs to the dialogs of the hops that count.
    pub(super) fn on_dialog(&self) -> bool {
        self.holds(Self::ON_DIALOG)
    }

    /// Whether it was seen on a hop that passes on what one that counts does, and may count as well.
    pub(super) fn is_behind(&self) -> bool {
        self.holds(Self::BEHIND)
    }

    /// Tells how it stands to the hops that count.
    pub(super) fn place_on(&mut self, is_hop: bool, is_dialog: bool, is_behind: bool) {
        self.what &= !(Self::ON_HOP | Self::ON_DIALOG | Self::BEHIND);
        self.what |= bit(is_hop, Self::ON_HOP) | bit(is_dialog, Self::ON_DIALOG) | bit(is_behind, Self::BEHIND);
    }

    /// The method a request has or a response answers; `None` for a response without a readable CSeq.
    pub(super) fn method(&self) -> Option<Method> {
        match self.start() {
            Start::Request(method) => Some(method),
            Start::Response(_) => self.cseq(),
        }
    }

    pub(super) fn is_request(&self) -> bool {
        matches!(self.start(), Start::Request(_))
    }

    pub(super) fn is_initial_invite(&self) -> bool {
        self.start() == Start::Request(Method::Invite) && self.to.is_none()
    }

    /// A 2xx to an INVITE.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self.start(), Start::Response(200..=299)) && self.cseq() == Some(Method::Invite)
    }

    /// The tag of the side that sent it.
    pub(super) fn sender(&self) -> Tag {
        match self.start() {
            Start::Request(_) => self.from,
            Start::Response(_) => self.to,
        }
    }
}

// A status code has at least 100.
const _: () = assert!(Method::ALL.len() < 100);

fn bit(holds: bool, bit: u32) -> u32 {
    if holds { bit } else { 0 }
}

impl Hash for Step {
    /// As one word: what that leaves out seldom tells steps apart.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let tags = (u64::from(self.from.0) << 32) | u64::from(self.to.0);
        let own = (u64::from(self.what) << 32) ^ self.number as u64;
        state.write_u128((u128::from(tags) << 64) | u128::from(own));
    }
}

/// The steps of a leg, and its tags.
#[derive(Default)]
pub(super) struct Steps<'a> {
    pub(super) list: Vec<Step>,
    pub(super) tags: Tags<'a>,
}

impl<'a> Steps<'a> {
    /// Reads all of `messages`, as if they had one hop.
    pub(super) fn read(&mut self, messages: &[Signalling<'a>]) {
        let Self { list, tags } = self;
        list.clear();
        list.reserve(messages.len());
        tags.clear();
        // Most messages name what the one before named, or have From and To turned.
        let (mut from_before, mut to_before) = ((None, Tag::NONE), (None, Tag::NONE));
        for message in messages {
            let from = tags.number_behind(message.from_tag, [from_before, to_before]);
            let to = tags.number_behind(message.to_tag, [from_before, to_before]);
            (from_before, to_before) = ((message.from_tag, from), (message.to_tag, to));
            let (number, cseq) = match message.cseq {
                Some(CSeq { number, method }) => (tags.counted(from, number), method as u32 + 1),
                None => (0, 0),
            };
            let start = match message.start {
                StartLine::Request { method, .. } => method as u32,
                StartLine::Response(status) => u32::from(status),
            };
            let body_cut = message.body == Body::Cut;
            let describes = message.sections().is_some_and(|sections| sections > 0 || !body_cut);
            let to_unread = !message.header_whole && message.to_uri.is_empty();
            let what = (start << 16)
                | (cseq << 8)
                | bit(message.header_whole, Step::HEADER_WHOLE)
                | bit(to_unread, Step::TO_UNREAD)
                | bit(body_cut, Step::BODY_CUT)
                | bit(describes, Step::DESCRIBES)
                | Step::ON_HOP
                | Step::ON_DIALOG;
            list.push(Step { from, to, number, what });
        }
    }
}

/// Whether two tags are kept at one place. Most of a call are kept once.
#[inline]
fn is_same(one: Option<&[u8]>, other: Option<&[u8]>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => std::ptr::eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

/// The tags of a leg. A short list is searched, a long one through a table.
#[derive(Default)]
pub(super) struct Tags<'a> {
    texts: Vec<&'a [u8]>,
    numbers: HashMap<&'a [u8], u32, Seed>,
    /// The first CSeq number of each tag, by its place, where any was met.
    first: Vec<Option<u32>>,
}

impl<'a> Tags<'a> {
    /// The number of a tag behind a message that named these.
    #[inline(always)]
    fn number_behind(&mut self, tag: Option<&'a [u8]>, [from, to]: [(Option<&'a [u8]>, Tag); 2]) -> Tag {
        if is_same(from.0, tag) {
            from.1
        } else if is_same(to.0, tag) {
            to.1
        } else {
            self.number(tag)
        }
    }

    fn number(&mut self, tag: Option<&'a [u8]>) -> Tag {
        let Some(tag) = tag else { return Tag::NONE };
        let known = if self.texts.len() <= SHORT {
            self.texts.iter().position(|known| *known == tag).map(|place| place as u32 + 1)
        } else {
            self.numbers.get(tag).copied()
        };
        if let Some(known) = known {
            return Tag(known);
        }
        self.texts.push(tag);
        self.first.push(None);
        let number = self.texts.len() as u32;
        match self.texts.len() {
            0..=SHORT => {}
            long if long == SHORT + 1 => self.numbers.extend(self.texts.iter().copied().zip(1..)),
            _ => {
                self.numbers.insert(tag, number);
            }
        }
        Tag(number)
    }

    /// A CSeq number of a tag, counted from its first one.
    #[inline]
    fn counted(&mut self, tag: Tag, number: u32) -> i64 {
        let first = self.first.get_mut(tag.place()).map_or(0, |first| *first.get_or_insert(number));
        i64::from(number) - i64::from(first)
    }

    /// How many numbers there are, with that of none.
    pub(super) fn len(&self) -> usize {
        self.texts.len() + 1
    }

    /// What stands for a tag; empty for none.
    pub(super) fn text(&self, tag: Tag) -> &'a [u8] {
        tag.place().checked_sub(1).and_then(|place| self.texts.get(place)).copied().unwrap_or_default()
    }

    fn clear(&mut self) {
        self.texts.clear();
        if !self.numbers.is_empty() {
            self.numbers.clear();
        }
        self.first.clear();
        self.first.push(None);
    }
}
