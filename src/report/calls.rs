//! The calls of a report on their way out: held by it, or made while it is written.
//!
//! A row of a leg takes some thousand bytes, so hundred thousands of them are more than all else of an audit. Whoever writes
//! a report asks its [`Calls`] for them, and does not know whether they are there or are made one by one, each on
//! the thread that renders it, and let go of.

use std::io::{self, Write};

use super::model::{Call, Report};
use super::rows::{self, Buffer};
use super::show::Listing;

/// The calls of a report, in its order.
pub trait Calls: Sync {
    /// Writes what `render` makes of each call with a listed leg, on all threads, in their order; and gives their number.
    ///
    /// # Errors
    ///
    /// Those of `out` and of `render`, and, as the cause of an [`io::Error`], what hinders calls from being made.
    fn write(&self, listing: &Listing, out: &mut (dyn Write + Send), render: &Render<'_>) -> io::Result<usize>;

    /// How many legs are listed.
    fn listed(&self, listing: &Listing) -> u64;
}

/// What is made of a call.
pub type Render<'r> = dyn Fn(Numbered<'_>, &mut Buffer<'_>) -> io::Result<()> + Sync + 'r;

/// A call and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Numbered<'c> {
    /// The call.
    pub call: &'c Call,
    /// Its number among all calls, listed or not, from 1.
    pub number: u64,
    /// Whether it is the first that is written.
    pub is_first: bool,
}

impl Calls for Vec<Call> {
    fn write(&self, listing: &Listing, out: &mut (dyn Write + Send), render: &Render<'_>) -> io::Result<usize> {
        let listed = |(_, call): &(u64, &Call)| call.legs.iter().any(|leg| listing.lists(leg));
        let calls: Vec<(u64, &Call)> = (1..).zip(self).filter(listed).collect();
        rows::write(&calls, rows::SMALL, out, |(number, call), is_first, out| {
            render(Numbered { call, number: *number, is_first }, out)
        })?;
        Ok(calls.len())
    }

    fn listed(&self, listing: &Listing) -> u64 {
        self.iter().flat_map(|call| &call.legs).filter(|leg| listing.lists(leg)).count() as u64
    }
}

/// A report with its calls, wherever they come from.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "calls that are made show nothing")]
pub struct Whole<'r> {
    /// All but its calls.
    pub report: &'r Report,
    /// These.
    pub calls: &'r dyn Calls,
}

impl<'r> From<&'r Report> for Whole<'r> {
    fn from(report: &'r Report) -> Self {
        Self { report, calls: &report.calls }
    }
}
