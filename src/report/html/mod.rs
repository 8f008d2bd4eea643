//! The report as one HTML file that needs nothing else: no network, no other file, no server.
//!
//! Written section by section, for a manager first and an auditor last. Everything is rendered here, once, into plain
//! HTML and inline SVG; the page's script only filters, sorts, pages and opens what is already there. Without a script the
//! summary, the first legs and all other sections read and print as they are.
//!
//! Keeps: text of the evidence stands in the page only through [`inert`], which makes it inert and loses nothing; the
//! page's content security policy lets no script and no style but the page's own run, and nothing be fetched.
//!
//! # Design
//!
//! - `maud` writes the markup: it escapes whatever its types do not call markup, and is checked when the program is built.
//! - The legs beyond the first ones lie packed (deflated, base64) in blocks of the file: ten thousand ladders weigh a few
//!   megabytes, and the browser unpacks a block when one of its legs is opened. zlib's output depends on no processor.
//! - The policy names the script and the style by their digests, computed from the very text that is written.

mod diagnosis;
mod findings;
mod inert;
mod ladder;
mod leg;
mod packed;
mod page;
mod sources;
mod summary;
mod timeline;
mod trunks;
mod wireshark;

pub use page::write;
