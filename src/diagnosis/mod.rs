//! STAGE 7: verdicts and refusals into hypotheses weighed: which explanation of the 403s the evidence bears out.
//!
//! [`population`] counts calls (one call for one client is the unit of contract §5), [`contingency`] compares two groups
//! of them, [`hypothesis`] weighs the ten hypotheses for each BYOC trunk, a file for each family: [`consent`] asks what
//! the signalling carried, [`access`] who asked and when, [`target`] what was asked for and who answered, [`exported`]
//! what the platform's own exports say of the calls. All that is specific to the platform stands in [`platform`].
//!
//! Says what was seen together, never that one thing brought the other about. What was not seen or not logged is
//! untested, never a contradiction.
//!
//! Keeps: nothing depends on the order of the units, and every supported hypothesis points into the evidence.

mod access;
mod consent;
pub mod contingency;
mod exported;
pub mod hypothesis;
mod passage;
mod platform;
pub mod population;
#[cfg(test)]
mod sample;
mod target;
mod text;

pub use contingency::Counts;
pub use hypothesis::{Basis, Hypothesis, Remedy, Status, Weighed, diagnose};
pub use passage::Passage;
pub use platform::{bare_code, is_of_permission, is_public_code, is_public_segment};
pub use population::{Group, Held, Judged, Material, Population};
