//! The outermost ring: arguments in, report and exit status out.
//!
//! [`run`] is the whole program but for the process around it. Only this module knows streams, terminals and the
//! environment; what it decides it hands down as plain values. Every way a run can end is an [`Outcome`].

mod args;
mod carve;
mod init;
mod manual;
mod outcome;
mod output;
mod progress;
mod run;
mod show;
mod stream;
mod verify;

pub use outcome::Outcome;
pub use run::run;
pub use stream::Stream;
