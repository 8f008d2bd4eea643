//! Compressed bytes into their content.
//!
//! Recognises gzip (RFC 1952), Zstandard (RFC 8878), bzip2, xz and LZ4 frames by their first bytes. Streams in bounded
//! memory: a decompressor's window and a few kilobytes. [`super::digest`] counts and digests what is read of the file. Called
//! by [`super::source`].
//!
//! Keeps: no bytes make reading fail. A stream that breaks off or is damaged ends there, what stood before it is given,
//! and the file is read and digested to its end all the same.
//!
//! # Design
//!
//! A content beyond [`DECOMPRESSED_FREE`] and [`DECOMPRESSED_RATIO`] times the file is a bomb, and is cut: deflate cannot
//! reach that ratio at all (its bound is 1,032), captures and logs compress by 5 to 100.

use std::io::{self, BufReader, Read};

use super::digest::{Account, HashKind, Tapped};

/// Bytes of content that any compressed file may have.
pub const DECOMPRESSED_FREE: u64 = 1 << 30;

/// Bytes of content for each byte of the compressed file beyond that.
pub const DECOMPRESSED_RATIO: u64 = 1_100;

/// The memory that an xz stream may ask for, in bytes: its dictionary. `xz -9` asks for 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;

/// The window that a zstd frame may ask for, as a power of two: the largest that `zstd --long=31` writes. The memory is
/// touched only as far as there is content.
const ZSTD_WINDOW_LOG: u32 = 31;

/// Bytes that a decompressor is asked for at a time. What it gave before it met damage in the same piece is lost.
const PIECE_BYTES: usize = 8 << 10;

/// Bytes of the head that [`Content`] offers for recognition.
const HEAD_BYTES: usize = 64 << 10;

/// Bytes that tell how a file is compressed.
const MAGIC_BYTES: u64 = 10;

/// How a source is compressed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// bzip2, any number of streams.
    Bzip2,
    /// gzip (RFC 1952), any number of members.
    Gzip,
    /// LZ4 frames, any number.
    Lz4,
    /// The xz format, any number of streams.
    Xz,
    /// Zstandard (RFC 8878), any number of frames.
    Zstd,
}

impl Compression {
    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bzip2 => "bzip2",
            Self::Gzip => "gzip",
            Self::Lz4 => "lz4",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }

    /// Recognises a compressed file by its first bytes, at most 10.
    fn recognise(magic: &[u8]) -> Option<Self> {
        match magic {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            // A frame, or one to be skipped that stands before it.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            // The first block, or the end of an empty stream.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90] => Some(Self::Bzip2),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            _ => None,
        }
    }
}

/// An opened source.
pub struct Content {
    /// The first bytes of the content, decompressed: enough to tell what it is. Part of `reader` too.
    pub head: Vec<u8>,
    /// How it was compressed.
    pub compression: Option<Compression>,
    /// The whole content, decompressed. A damaged compressed stream ends where the damage begins.
    pub reader: Box<dyn Read + Send>,
    /// What is known of the file, once the reader has come to its end.
    pub account: Account,
}

impl Content {
    /// Looks on: the head holds up to `length` bytes then. Whether it became longer.
    ///
    /// A failure to read is met again by who reads on.
    pub fn look_on(&mut self, length: usize) -> bool {
        let before = self.head.len();
        let mut reader = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        self.head.clear();
        let failure = (&mut reader).take(length as u64).read_to_end(&mut self.head).err();
        let seen = io::Cursor::new(self.head.clone());
        self.reader = match failure {
            None => Box::new(seen.chain(reader)),
            Some(failure) => Box::new(seen.chain(Failing(Some(failure)))),
        };
        self.head.len() > before
    }
}

/// Gives the failure that was met.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Reads the head of a file, decompressed if need be.
///
/// # Errors
///
/// When the first bytes cannot be read.
pub fn decompress(raw: Box<dyn Read + Send>, hash: HashKind) -> io::Result<Content> {
    decompress_within(raw, hash, DECOMPRESSED_FREE)
}

/// [`decompress`] with another number of bytes that any file may have.
fn decompress_within(raw: Box<dyn Read + Send>, hash: HashKind, free: u64) -> io::Result<Content> {
    let account = Account::new(hash);
    let mut tapped = Tapped::new(raw, account.clone());
    let mut magic = Vec::new();
    (&mut tapped).take(MAGIC_BYTES).read_to_end(&mut magic)?;
    let compression = Compression::recognise(&magic);
    let whole = io::Cursor::new(magic).chain(tapped);
    let mut reader: Box<dyn Read + Send> = match compression {
        None => Box::new(whole),
        Some(Compression::Bzip2) => {
            lenient(bzip2::read::MultiBzDecoder::new(whole), free, &account, |decoder| Box::new(decoder.into_inner()))
        }
        Some(Compression::Gzip) => {
            lenient(flate2::read::MultiGzDecoder::new(whole), free, &account, |decoder| Box::new(decoder.into_inner()))
        }
        Some(Compression::Lz4) => {
            let file = Counted { inner: BufReader::new(whole), bytes: 0, ended: false };
            let frames = Lz4Frames { frames: lz4_flex::frame::FrameDecoder::new(file), whole: 0 };
            lenient(frames, free, &account, |frames| Box::new(frames.frames.into_inner()))
        }
        Some(Compression::Xz) => {
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)?;
            lenient(liblzma::read::XzDecoder::new_stream(whole, stream), free, &account, |decoder| {
                Box::new(decoder.into_inner())
            })
        }
        Some(Compression::Zstd) => {
            let mut decoder = zstd::Decoder::new(whole)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            lenient(decoder, free, &account, |decoder| Box::new(decoder.finish()))
        }
    };
    let mut head = Vec::new();
    (&mut reader).take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let reader = Box::new(io::Cursor::new(head.clone()).chain(reader));
    Ok(Content { head, compression, reader, account })
}

/// Any decompressor, with how to get back what it left unread.
fn lenient<D: Read + Send + 'static>(
    inner: D,
    free: u64,
    account: &Account,
    rest: fn(D) -> Box<dyn Read>,
) -> Box<dyn Read + Send> {
    Box::new(Lenient { inner: Some(inner), account: account.clone(), free, given: 0, rest })
}

/// LZ4 frames one behind the other. The decoder takes the end of the file for the end of a frame; here it is damage.
struct Lz4Frames<R: Read> {
    frames: lz4_flex::frame::FrameDecoder<Counted<R>>,
    /// Bytes of the file up to the end of the last whole frame.
    whole: u64,
}

impl<R: Read> Read for Lz4Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.frames.read(buffer)?;
            let file = self.frames.get_ref();
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            if file.ended {
                let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "the last frame has no end");
                return if file.bytes == self.whole { Ok(0) } else { Err(cut()) };
            }
            self.whole = file.bytes;
        }
    }
}

/// A reader that knows how far it came.
struct Counted<R> {
    inner: R,
    bytes: u64,
    /// Whether it came to the end.
    ended: bool,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        self.ended |= count == 0 && !buffer.is_empty();
        Ok(count)
    }
}

/// A decompressor whose damage is an anomaly of the evidence, not a failure to read: the content ends there.
struct Lenient<D> {
    inner: Option<D>,
    account: Account,
    /// Bytes of content that are never too many.
    free: u64,
    /// Bytes of content so far.
    given: u64,
    /// The compressed bytes that the decompressor left unread.
    rest: fn(D) -> Box<dyn Read>,
}

impl<D: Read> Read for Lenient<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(decoder) = &mut self.inner else { return Ok(0) };
        let piece = buffer.len().min(PIECE_BYTES);
        match decoder.read(buffer.get_mut(..piece).unwrap_or_default()) {
            Ok(0) if piece > 0 => {
                self.drain()?;
                Ok(0)
            }
            Ok(count) => {
                self.given += count as u64;
                if self.given > self.free && self.is_bomb() {
                    self.drain()?;
                }
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            // The operating system's failures have a code; what a decompressor refuses has none.
            Err(error) if error.raw_os_error().is_some() => Err(error),
            Err(error) => {
                self.account.damaged(error.to_string());
                self.drain()?;
                Ok(0)
            }
        }
    }
}

impl<D> Lenient<D> {
    /// Whether the content is out of all proportion to the file; noted if so.
    fn is_bomb(&self) -> bool {
        let read = self.account.bytes();
        let limit = self.free.saturating_add(read.saturating_mul(DECOMPRESSED_RATIO));
        if self.given <= limit {
            return false;
        }
        self.account.limited(format!("{} bytes decompressed from {read}; the rest is not read", self.given));
        true
    }

    /// Reads the rest of the file, so that size and digest are the file's.
    fn drain(&mut self) -> io::Result<()> {
        if let Some(decoder) = self.inner.take() {
            io::copy(&mut (self.rest)(decoder), &mut io::sink())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(content).expect("memory can be written");
        encoder.finish().expect("memory can be written")
    }

    fn bzip2(content: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(content).expect("memory can be written");
        encoder.finish().expect("memory can be written")
    }

    fn xz(content: &[u8]) -> Vec<u8> {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
        encoder.write_all(content).expect("memory can be written");
        encoder.finish().expect("memory can be written")
    }

    fn lz4(content: &[u8]) -> Vec<u8> {
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(
            lz4_flex::frame::FrameInfo::new().content_checksum(true),
            Vec::new(),
        );
        encoder.write_all(content).expect("memory can be written");
        encoder.finish().expect("memory can be written")
    }

    fn zstd(content: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 0).expect("memory can be written");
        encoder.include_checksum(true).expect("a checksum can be had");
        encoder.write_all(content).expect("memory can be written");
        encoder.finish().expect("memory can be written")
    }

    type Encode = fn(&[u8]) -> Vec<u8>;

    #[test]
    fn a_zstd_window_beyond_the_usual_limit_is_read() {
        let content = b"SIP/2.0 200 OK\r\n".repeat(1_000);
        for log in [27, 28, 31] {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("memory can be written");
            encoder.window_log(log).expect("a window");
            encoder.write_all(&content).expect("memory can be written");
            let bytes = encoder.finish().expect("memory can be written");
            // The window descriptor (RFC 8878 §3.1.1.1.2): the exponent above 10 in its upper five bits.
            assert_eq!(u32::from(bytes[5] >> 3) + 10, log);
            let (name, found, digest) = read(&bytes, DECOMPRESSED_FREE);
            assert_eq!((name, digest.stream_damage), (Some("zstd"), None));
            assert!(found == content, "{log}");
        }
    }

    const ALL: [(&str, Encode); 5] = [("bzip2", bzip2), ("gzip", gzip), ("lz4", lz4), ("xz", xz), ("zstd", zstd)];

    /// Bytes that do not compress well.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u32;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(len)
        .collect()
    }

    /// The name of the compression, the content, and what is known of the file.
    fn read(file: &[u8], free: u64) -> (Option<&'static str>, Vec<u8>, crate::evidence::Digest) {
        let content =
            decompress_within(Box::new(io::Cursor::new(file.to_vec())), HashKind::Blake3, free).expect("opens");
        let (mut reader, mut bytes) = (content.reader, Vec::new());
        reader.read_to_end(&mut bytes).expect("bytes are no failure");
        assert!(bytes.starts_with(&content.head));
        let digest = content.account.finish();
        // The file is digested whole, whatever it holds.
        assert_eq!(digest.bytes, file.len() as u64);
        assert_eq!(digest.digest, Some(format!("blake3:{}", blake3::hash(file).to_hex())));
        (content.compression.map(Compression::name), bytes, digest)
    }

    #[test]
    fn every_compression_is_told_by_content_and_read_whole() {
        for (name, encode) in ALL {
            for content in [&b""[..], b"short", &noise(300_000)] {
                let (found, bytes, digest) = read(&encode(content), DECOMPRESSED_FREE);
                assert_eq!((found, bytes.as_slice(), digest.stream_damage), (Some(name), content, None), "{name}");
            }
            // Streams one behind the other, an empty one among them.
            let joined = [encode(b"one "), encode(b""), encode(b"two")].concat();
            let (_, bytes, digest) = read(&joined, DECOMPRESSED_FREE);
            assert_eq!((bytes.as_slice(), digest.stream_damage), (&b"one two"[..], None), "{name}");
        }
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9][..], &zstd(b"behind")].concat();
        assert_eq!(read(&skippable, DECOMPRESSED_FREE).1, b"behind");
        for plain in [&b""[..], b"B", b"BZh9 is no bzip2", b"(\xb5/", b"\x04\x22M\x19plain"] {
            assert_eq!(read(plain, DECOMPRESSED_FREE).0, None);
        }
    }

    #[test]
    fn a_stream_cut_anywhere_gives_what_stood_before_and_says_so() {
        let content = noise(3_000);
        for (name, encode) in ALL {
            let file = encode(&content);
            for cut in 10..file.len() {
                let (_, bytes, digest) = read(&file[..cut], DECOMPRESSED_FREE);
                assert!(digest.stream_damage.is_some(), "{name} cut at {cut}");
                assert!(content.starts_with(&bytes), "{name} cut at {cut}");
            }
        }
    }

    #[test]
    fn content_before_damage_is_given() {
        let content = noise(600_000);
        for (name, encode) in ALL {
            let mut file = encode(&content);
            let middle = file.len() / 2;
            for byte in &mut file[middle..middle + 64] {
                *byte ^= 0x5a;
            }
            let (_, bytes, digest) = read(&file, DECOMPRESSED_FREE);
            // LZ4 and Zstandard notice a change of what they copy only by the checksum at the end of the frame.
            assert!(digest.stream_damage.is_some(), "{name}");
            let before = bytes.iter().zip(&content).take_while(|(one, other)| one == other).count();
            assert!(before > content.len() / 4, "{name}: {before} bytes");
        }
        // Bytes behind the last stream.
        let (_, bytes, digest) = read(&[gzip(b"whole"), b"garbage".to_vec()].concat(), DECOMPRESSED_FREE);
        assert_eq!(bytes, b"whole");
        assert!(digest.stream_damage.is_some());
        // A header and nothing that belongs to it.
        let (found, bytes, digest) = read(&[&[0x1f, 0x8b, 8, 0][..], &noise(500)].concat(), DECOMPRESSED_FREE);
        assert_eq!((found, bytes.len() < 500, digest.stream_damage.is_some()), (Some("gzip"), true, true));
    }

    #[test]
    fn a_content_out_of_all_proportion_is_cut_and_named() {
        let zeros = vec![0; 4 << 20];
        for (name, encode) in ALL {
            let file = encode(&zeros);
            let (_, bytes, digest) = read(&file, 64 << 10);
            let most = (64 << 10) + file.len() as u64 * DECOMPRESSED_RATIO;
            if most < zeros.len() as u64 {
                assert!(bytes.len() as u64 <= most + PIECE_BYTES as u64, "{name}: {} bytes", bytes.len());
                assert!(digest.stream_limit.is_some() && digest.stream_damage.is_none(), "{name}");
            } else {
                assert_eq!((bytes.len(), digest.stream_limit), (zeros.len(), None), "{name}");
            }
        }
        assert!(read(&zstd(&zeros), 64 << 10).2.stream_limit.is_some());
    }

    #[test]
    fn an_xz_stream_that_asks_for_too_much_memory_is_not_given_it() {
        let options = |preset| {
            let mut options = liblzma::stream::LzmaOptions::new_preset(preset).expect("a preset");
            options.dict_size(1 << 20);
            options
        };
        let mut filters = liblzma::stream::Filters::new();
        filters.lzma2(&options(0));
        let stream =
            liblzma::stream::Stream::new_stream_encoder(&filters, liblzma::stream::Check::None).expect("a stream");
        let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        encoder.write_all(b"content").expect("memory can be written");
        let mut file = encoder.finish().expect("memory can be written");
        assert_eq!(read(&file, DECOMPRESSED_FREE).1, b"content");
        // The dictionary's size stands behind the block header's flags, the filter and the length of its properties; the
        // checksum of the block header follows its padding.
        let header = 12..12 + (usize::from(file[12]) + 1) * 4;
        file[header.start + 4] = 37;
        let sum = crc32(&file[header.start..header.end - 4]);
        file[header.end - 4..header.end].copy_from_slice(&sum.to_le_bytes());
        let (_, bytes, digest) = read(&file, DECOMPRESSED_FREE);
        assert_eq!((bytes.len(), digest.stream_damage.is_some()), (0, true));
    }

    /// The checksum of gzip and xz.
    fn crc32(bytes: &[u8]) -> u32 {
        let mut sum = flate2::Crc::new();
        sum.update(bytes);
        sum.sum()
    }
}
