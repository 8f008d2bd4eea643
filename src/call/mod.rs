//! STAGE 5: ordered facts into legs, legs into calls, requests bound to both.
//!
//! A **leg** is one Call-ID's INVITE dialogs in their role on a trunk (contract §3); a **call** is the legs that
//! identity evidence binds together. [`legs`] groups the signalling by Call-ID and reads each group
//! as RFC 3261 transactions and dialogs; [`media`](media::tie) ties RTP to the streams that offer and answer
//! negotiated (RFC 3264); [`identity`](identity::Identity) knows which identifiers name which legs and binds requests
//! to them, saying by what and how strongly, and [`edges`] tells what joined them; [`conversations`] and
//! [`inventory`] know what the platform's exports state of calls and trunks. Concludes nothing about consent: that is the next stage's.
//!
//! Keeps: nothing depends on the order in which facts arrived.

pub mod conversations;
mod copies;
mod course;
mod dialog;
pub mod edges;
mod exported;
mod field;
mod hops;
mod identifier;
pub mod identity;
pub mod inventory;
pub mod ladder;
mod ledger;
pub mod legs;
pub mod media;
mod offer_answer;
mod outline;
mod recent;
pub mod recorded;
mod references;
pub mod registration;
pub mod requests;
mod steps;
mod transactions;
mod trunk;
mod uses;

pub use course::MOST_DIALOGS;
pub use field::Field;
pub use ledger::{Entry, Gap, GapKind, Outcome, SetUp};
pub use legs::{Leg, Outlines};
pub use offer_answer::{Endpoint, Stream};
pub use outline::Outline;
pub use references::Transfer;
pub use trunk::Direction;
