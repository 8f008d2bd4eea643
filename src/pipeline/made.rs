//! Rows that are made while they are asked for, of legs that nobody holds.
//!
//! What a leg without further concern was settled to be at the [first look](super::look) is all that is known of it. Its row
//! is made of its messages, which are read once more: those of the legs of one part of the report's order at a time.
//! So what a report takes does not grow with its rows.
//!
//! Keeps: a row that is made is the one that would be held.

use std::io::{self, Write};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::unread::Unread;
use super::{look, unreadable};
use crate::call::legs::Reader;
use crate::error::Error;
use crate::facts::{Parts, Places, Shelf, Shelves};
use crate::report::build::{self, Concluded, Rows};
use crate::report::calls::{Calls, Numbered, Render};
use crate::report::model::{self, Call};
use crate::report::rows;
use crate::report::show::Listing;

/// Legs of a part: some megabytes of messages.
const LEGS: usize = 4_096;

/// Parts there are at most: each has some messages in memory while they are laid apart.
const PARTS: usize = 256;

/// The calls of a report, made of what was concluded and of the messages of the legs that have rows.
pub(super) struct Made<'c> {
    pub(super) concluded: &'c Concluded<'c>,
    pub(super) messages: &'c Laid<'c>,
    pub(super) unread: Unread,
}

/// The messages of legs that rows are made of.
pub(super) struct Laid<'m> {
    parts: Parts<'m>,
    /// Legs of a part.
    together: usize,
}

impl<'m> Laid<'m> {
    /// Lays the messages of the legs that have `places` among so many apart.
    pub(super) fn apart(messages: &'m Shelves, places: &Places, legs: usize) -> io::Result<Self> {
        let together = legs.div_ceil(PARTS).max(LEGS);
        let parts = messages.in_parts(places, (legs.div_ceil(together), together))?;
        Ok(Self { parts, together })
    }
}

/// A call and its number.
type Place<'c> = (u64, &'c [usize]);

impl<'c> Made<'c> {
    /// The calls with a leg among `rows`, to be held.
    ///
    /// # Errors
    ///
    /// When what was set aside cannot be read.
    pub(super) fn held(&self, rows: &Rows) -> Result<Vec<Call>, Error> {
        let mut held = Vec::new();
        self.each_part(rows, unreadable, |calls, shelf| {
            let room = || Reader::new(self.concluded.settings);
            let made = calls.par_iter().map_init(room, |reader, (_, call)| self.call(call, (reader, shelf)));
            held.append(&mut made.collect::<io::Result<Vec<Call>>>().map_err(unreadable)?);
            Ok(())
        })?;
        Ok(held)
    }

    /// Shows the calls with a leg among `rows`, part by part, and the messages of the legs that nobody holds.
    fn each_part<E>(
        &self,
        rows: &Rows,
        unreadable: impl Fn(io::Error) -> E,
        mut show: impl FnMut(&[Place<'c>], &Shelf<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let has_row = |(_, call): &Place<'_>| self.concluded.has_row(rows, call);
        let part = |(_, call): &Place<'_>| call.first().map_or(0, |first| first / self.messages.together);
        let mut calls = (1..).zip(self.concluded.calls()).filter(has_row).peekable();
        let mut together = Vec::new();
        while let Some(first) = calls.next() {
            let own = part(&first);
            together.clear();
            together.push(first);
            together.extend(std::iter::from_fn(|| calls.next_if(|call| part(call) == own)));
            self.messages.parts.look(own, |shelf| show(&together, shelf)).map_err(&unreadable)??;
        }
        Ok(())
    }

    fn call<'m>(&self, call: &[usize], (reader, shelf): (&mut Reader<'_, 'm>, &Shelf<'m>)) -> io::Result<Call> {
        // Nothing is dropped in silence: also not where somebody asks for rows that he did not want before.
        let lost = || io::Error::new(io::ErrorKind::NotFound, "the messages of a leg are not among them");
        let legs = call.iter().map(|place| self.leg(*place, reader, shelf).ok_or_else(lost));
        Ok(build::call(self.concluded, call, legs.collect::<io::Result<_>>()?))
    }

    fn leg<'m>(&self, place: usize, reader: &mut Reader<'_, 'm>, shelf: &Shelf<'m>) -> Option<model::Leg> {
        let concluded = self.concluded;
        if let Some((leg, judged)) = concluded.full.get(&place) {
            return Some(build::leg(concluded, place, (leg, judged)));
        }
        let outline = concluded.legs.get(place)?;
        let mut leg = reader.leg(shelf.call_at(place as u32, outline.call_id)?, outline.nth_use)?;
        self.unread.mark(&mut leg);
        leg.streams.retain(|stream| !stream.if_media);
        let judged = look::judge(&leg, None, &[], concluded.settings);
        Some(build::leg(concluded, place, (&leg, &judged)))
    }

    fn rows(&self, listing: &Listing) -> Rows {
        Rows::picked(self.concluded.settings, |mark| listing.picks(mark))
    }
}

impl Calls for Made<'_> {
    fn write(&self, listing: &Listing, out: &mut (dyn Write + Send), render: &Render<'_>) -> io::Result<usize> {
        let rows = self.rows(listing);
        let mut written = 0;
        let unreadable = |cause| io::Error::other(unreadable(cause));
        self.each_part(&rows, unreadable, |calls, shelf| {
            let room = || Reader::new(self.concluded.settings);
            rows::write_with(calls, (rows::SMALL, room), out, |reader, (number, call), is_first, out| {
                let call = self.call(call, (reader, shelf)).map_err(unreadable)?;
                render(Numbered { call: &call, number: *number, is_first: is_first && written == 0 }, out)
            })?;
            written += calls.len();
            Ok(())
        })?;
        Ok(written)
    }

    fn listed(&self, listing: &Listing) -> u64 {
        let rows = self.rows(listing);
        self.concluded.legs().filter(|(leg, brief)| rows.has(leg.trunk(), brief.verdict)).count() as u64
    }
}
