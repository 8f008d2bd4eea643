//! Compressed bytes into their content, and the digest of the file they came from.
//!
//! Recognises gzip (RFC 1952), Zstandard (RFC 8878), bzip2, xz and LZ4 frames by their first bytes. Streams in bounded
//! memory: a decompressor's window and a few kilobytes. Called by [`super::source`].
//!
//! Keeps: no bytes make reading fail. A stream that breaks off or is damaged ends there, what stood before it is given,
//! and the file is read and digested to its end all the same.
//!
//! # Design
//!
//! A content beyond [`DECOMPRESSED_FREE`] and [`DECOMPRESSED_RATIO`] times the file is a bomb, and is cut: deflate cannot
//! reach that ratio at all (its bound is 1,032), captures and logs compress by 5 to 100.

use std::io::{self, BufReader, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::Digest as _;

/// Bytes of content that any compressed file may have.
pub const DECOMPRESSED_FREE: u64 = 1 << 30;

/// Bytes of content for each byte of the compressed file beyond that.
pub const DECOMPRESSED_RATIO: u64 = 1_100;

/// The memory that an xz stream may ask for, in bytes: its dictionary. `xz -9` asks for 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;

/// Bytes that a decompressor is asked for at a time. What it gave before it met damage in the same piece is lost.
const PIECE_BYTES: usize = 8 << 10;

/// Bytes of the head that [`Content`] offers for recognition.
const HEAD_BYTES: usize = 64 << 10;

/// Bytes that tell how a file is compressed.
const MAGIC_BYTES: u64 = 10;

/// Which digest of every source the report holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashKind {
    /// BLAKE3.
    Blake3,
    /// No digest.
    None,
    /// SHA-256 (FIPS 180-4).
    #[default]
    Sha256,
}

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

/// What reading a source told of it as a file: filled in while it is read, complete at its end.
#[derive(Clone, Debug, Default)]
pub struct Digest {
    /// Bytes of the file as it lies on the disk.
    pub bytes: u64,
    /// The digest as `sha256:` or `blake3:` with lower-case hex; `None` without one.
    pub digest: Option<String>,
    /// Set when the compressed stream broke off or was damaged: how.
    pub stream_damage: Option<String>,
    /// Set when the content was cut because it went beyond the limit for its file: where.
    pub stream_limit: Option<String>,
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

/// The digest and size of a file, shared with the reader that fills it in.
#[derive(Clone, Debug)]
pub struct Account(Arc<Mutex<Tap>>);

/// Reads the head of a file, decompressed if need be.
///
/// # Errors
///
/// When the first bytes cannot be read.
pub fn decompress(raw: Box<dyn Read + Send>, hash: HashKind) -> io::Result<Content> {
    let account = Account(Arc::new(Mutex::new(Tap::new(hash))));
    let mut tapped = Tapped { inner: raw, account: account.clone() };
    let mut magic = Vec::new();
    (&mut tapped).take(MAGIC_BYTES).read_to_end(&mut magic)?;
    let compression = Compression::recognise(&magic);
    let whole = io::Cursor::new(magic).chain(tapped);
    let mut reader: Box<dyn Read + Send> = match compression {
        None => Box::new(whole),
        Some(Compression::Bzip2) => {
            lenient(bzip2::read::MultiBzDecoder::new(whole), &account, |decoder| Box::new(decoder.into_inner()))
        }
        Some(Compression::Gzip) => {
            lenient(flate2::read::MultiGzDecoder::new(whole), &account, |decoder| Box::new(decoder.into_inner()))
        }
        Some(Compression::Lz4) => {
            let file = Counted { inner: BufReader::new(whole), bytes: 0, ended: false };
            let frames = Lz4Frames { frames: lz4_flex::frame::FrameDecoder::new(file), whole: 0 };
            lenient(frames, &account, |frames| Box::new(frames.frames.into_inner()))
        }
        Some(Compression::Xz) => {
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)?;
            lenient(liblzma::read::XzDecoder::new_stream(whole, stream), &account, |decoder| {
                Box::new(decoder.into_inner())
            })
        }
        Some(Compression::Zstd) => lenient(zstd::Decoder::new(whole)?, &account, |decoder| Box::new(decoder.finish())),
    };
    let mut head = Vec::new();
    (&mut reader).take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let reader = Box::new(io::Cursor::new(head.clone()).chain(reader));
    Ok(Content { head, compression, reader, account })
}

fn lenient<D: Read + Send + 'static>(
    inner: D,
    account: &Account,
    rest: fn(D) -> Box<dyn Read>,
) -> Box<dyn Read + Send> {
    Box::new(Lenient { inner: Some(inner), account: account.clone(), given: 0, rest })
}

impl Account {
    /// Size and digest of what was read so far.
    #[must_use]
    pub fn finish(&self) -> Digest {
        let tap = self.tap();
        let digest = match &tap.hasher {
            Hasher::None => None,
            Hasher::Blake3(hasher) => Some(format!("blake3:{}", hasher.finalize().to_hex())),
            Hasher::Sha256(hasher) => {
                let hex: String = hasher.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect();
                Some(format!("sha256:{hex}"))
            }
        };
        Digest {
            bytes: tap.bytes,
            digest,
            stream_damage: tap.stream_damage.clone(),
            stream_limit: tap.stream_limit.clone(),
        }
    }

    fn tap(&self) -> MutexGuard<'_, Tap> {
        // A poisoned lock means another worker panicked; that panic already ends the run.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Tap {
    bytes: u64,
    hasher: Hasher,
    stream_damage: Option<String>,
    stream_limit: Option<String>,
}

#[derive(Debug)]
enum Hasher {
    Blake3(Box<blake3::Hasher>),
    None,
    Sha256(sha2::Sha256),
}

impl Tap {
    fn new(hash: HashKind) -> Self {
        let hasher = match hash {
            HashKind::Blake3 => Hasher::Blake3(Box::default()),
            HashKind::None => Hasher::None,
            HashKind::Sha256 => Hasher::Sha256(sha2::Sha256::new()),
        };
        Self { bytes: 0, hasher, stream_damage: None, stream_limit: None }
    }
}

/// Counts and digests the bytes of the file as they pass.
struct Tapped<R> {
    inner: R,
    account: Account,
}

impl<R: Read> Read for Tapped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let read = buffer.get(..count).unwrap_or_default();
        let mut tap = self.account.tap();
        tap.bytes += count as u64;
        match &mut tap.hasher {
            Hasher::Blake3(hasher) => {
                hasher.update(read);
            }
            Hasher::None => {}
            Hasher::Sha256(hasher) => hasher.update(read),
        }
        Ok(count)
    }
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
                if self.given > DECOMPRESSED_FREE && self.is_bomb() {
                    self.drain()?;
                }
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            // The operating system's failures have a code; what a decompressor refuses has none.
            Err(error) if error.raw_os_error().is_some() => Err(error),
            Err(error) => {
                self.account.tap().stream_damage = Some(error.to_string());
                self.drain()?;
                Ok(0)
            }
        }
    }
}

impl<D> Lenient<D> {
    /// Whether the content is out of all proportion to the file; noted if so.
    fn is_bomb(&self) -> bool {
        let mut tap = self.account.tap();
        let limit = DECOMPRESSED_FREE.saturating_add(tap.bytes.saturating_mul(DECOMPRESSED_RATIO));
        if self.given <= limit {
            return false;
        }
        tap.stream_limit = Some(format!("{} bytes decompressed from {}; the rest is not read", self.given, tap.bytes));
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
