//! STAGE 2a: a [`Frame`] into the bytes that one endpoint sent another.
//!
//! Link layers: Ethernet with any VLAN tags, Linux cooked v1 and v2, BSD null and loop, raw IP, PPP and MPLS. Then IPv4
//! (RFC 791) and IPv6 (RFC 8200) with extension headers, then UDP (RFC 768) and TCP (RFC 9293), or a tunnel with all of
//! these inside. What spans packets is put together by [`fragment`] and [`tcp`]; [`websocket`] and [`hep`] unwrap what
//! travels in them, [`tls`] says whom an encrypted connection was for. Called by `pipeline::captures`; knows nothing of what the
//! bytes say. [`decode`] gives one [`Packet`] for each frame, so that every frame can be counted under one reason.
//!
//! # Design
//!
//! Nearly all packets of a media capture are UDP over IPv4 or IPv6 without options: those are decoded by hand in a few
//! nanoseconds. Whatever surprises goes to etherparse, whose lax slicing takes what is there. Lengths are believed as
//! far as bytes are there: a total length of zero (segmentation offload) means up to the frame's end; a length beyond
//! the captured bytes marks the payload as truncated, whoever is to blame.
//!
//! # Incomplete support
//!
//! Checksums are not verified, but of what fragments make: offloading leaves them wrong in captures made at an endpoint.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod checksum;
pub mod fragment;
pub mod hep;
mod ip;
mod link;
mod payload;
#[cfg(test)]
pub(crate) mod sample;
pub mod tcp;
pub mod tls;
mod tunnel;
pub mod websocket;

pub use payload::{Ends, Packet, Payload};
pub use tunnel::TUNNELS_LIMIT;

use crate::capture::Frame;

/// What a frame carries.
#[inline(always)]
#[must_use]
pub fn decode<'a>(frame: &Frame<'a>) -> Packet<'a> {
    match link::plain(frame) {
        Some(payload) => Packet::Udp(payload),
        None => link::decode(frame),
    }
}

/// What an IP packet carries that was put together of fragments. `cut` says that not all of it was captured.
#[must_use]
pub fn decode_ip(bytes: &[u8], cut: bool) -> Packet<'_> {
    ip::decode(bytes, tunnel::Layers::joined(cut))
}

/// Whether an IP packet that was put together of fragments, with nothing missing, may be what one sender sent: no length
/// and no checksum in it says otherwise, down to the innermost.
fn is_one(bytes: &[u8]) -> bool {
    !matches!(ip::decode(bytes, tunnel::Layers::checked()), Packet::Malformed { .. })
}

#[cfg(test)]
mod tests;
