//! Writes pcapng (draft-ietf-opsawg-pcapng): one section, an interface for each source, link type and resolution.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::spool::{Entry, Spool};
use crate::evidence::SourceId;

/// Option codes: a comment in any block; the name and the resolution in an interface; the program in a section.
const COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const SHB_USERAPPL: u16 = 4;

/// Writes the packets of `spool`, each with a comment that names its file, of `sources`, and its number there.
pub(super) fn write(spool: Spool, sources: &[String], path: &Path) -> io::Result<()> {
    let mut out = BufWriter::new(File::create_new(path)?);
    let mut interfaces: BTreeMap<(SourceId, u16, u8), u32> = BTreeMap::new();
    let name = |source: SourceId| sources.get(source.0 as usize).map_or("", String::as_str);
    section(&mut out)?;
    spool.drain(|packet, bytes| {
        let key = (packet.locus.source, packet.link_type.0, packet.at.digits);
        let next = u32::try_from(interfaces.len()).unwrap_or(u32::MAX);
        let id = match interfaces.get(&key) {
            Some(id) => *id,
            None => {
                interface(&mut out, key, name(key.0))?;
                interfaces.insert(key, next);
                next
            }
        };
        let comment = format!("{} #{}", name(packet.locus.source), packet.locus.record);
        enhanced_packet(&mut out, id, packet, bytes, &comment)
    })?;
    out.flush()
}

fn section(out: &mut impl Write) -> io::Result<()> {
    let mut body = Vec::new();
    body.extend(0x1a2b_3c4d_u32.to_le_bytes());
    body.extend(1_u16.to_le_bytes());
    body.extend(0_u16.to_le_bytes());
    // The section's length is not said.
    body.extend((-1_i64).to_le_bytes());
    option(&mut body, SHB_USERAPPL, concat!("sipconsent ", env!("CARGO_PKG_VERSION")).as_bytes());
    block(out, 0x0a0d_0d0a, body)
}

fn interface(out: &mut impl Write, (_, link_type, digits): (SourceId, u16, u8), name: &str) -> io::Result<()> {
    let mut body = Vec::new();
    body.extend(link_type.to_le_bytes());
    body.extend(0_u16.to_le_bytes());
    // No snapshot length: what was cut says so itself.
    body.extend(0_u32.to_le_bytes());
    option(&mut body, IF_NAME, name.as_bytes());
    option(&mut body, IF_TSRESOL, &[digits]);
    block(out, 1, body)
}

fn enhanced_packet(out: &mut impl Write, id: u32, packet: &Entry, bytes: &[u8], comment: &str) -> io::Result<()> {
    let unit = 10_i64.pow(9_u32.saturating_sub(packet.at.digits.into()));
    // A time before 1970 cannot be written; no capture format has one.
    let time = u64::try_from(packet.at.ns / unit).unwrap_or_default();
    let mut body = Vec::with_capacity(bytes.len() + comment.len() + 48);
    body.extend(id.to_le_bytes());
    body.extend(((time >> 32) as u32).to_le_bytes());
    body.extend((time as u32).to_le_bytes());
    body.extend((bytes.len() as u32).to_le_bytes());
    body.extend(packet.original_len.to_le_bytes());
    padded(&mut body, bytes);
    option(&mut body, COMMENT, comment.as_bytes());
    block(out, 6, body)
}

/// An option; of a value too long for one its front.
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..value.len().min(u16::MAX.into())).unwrap_or_default();
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    padded(body, value);
}

fn padded(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend_from_slice(bytes);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// A block around `body`, with the end of its options.
fn block(out: &mut impl Write, kind: u32, mut body: Vec<u8>) -> io::Result<()> {
    body.extend([0; 4]);
    let len = (body.len() as u32 + 12).to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&len)?;
    out.write_all(&body)?;
    out.write_all(&len)
}
