//! Evidence sources: what was named on the command line, walked, ranked, opened once and digested while read.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::Digest as _;

use crate::error::Error;

/// One input file, or standard input.
#[derive(Clone, Debug)]
pub struct Source {
    /// How reports name it: relative to the folder named, or the file's name, `-` for standard input.
    pub shown: String,
    /// Where it is; `None` for standard input.
    pub path: Option<PathBuf>,
    /// Whether it was named itself, rather than found in a folder: then it must be recognised.
    pub named: bool,
}

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
    /// gzip (RFC 1952), any number of members.
    Gzip,
    /// Zstandard (RFC 8878), any number of frames.
    Zstd,
}

impl Compression {
    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
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

/// Bytes of the head that [`Content`] offers for recognition.
const HEAD_BYTES: usize = 64 << 10;

impl Source {
    /// Opens the source and reads its head.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or its first bytes cannot be read.
    pub fn open(&self, hash: HashKind) -> Result<Content, Error> {
        let cause = |cause| Error::Open { path: self.name(), cause };
        let raw: Box<dyn Read + Send> = match &self.path {
            None => Box::new(io::stdin()),
            Some(path) => Box::new(File::open(path).map_err(cause)?),
        };
        let account = Account(Arc::new(Mutex::new(Tap::new(hash))));
        let mut tapped = Tapped { inner: raw, account: account.clone() };
        let mut magic = Vec::new();
        (&mut tapped).take(4).read_to_end(&mut magic).map_err(cause)?;
        let compression = match magic.as_slice() {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd] => Some(Compression::Zstd),
            _ => None,
        };
        let whole = io::Cursor::new(magic).chain(tapped);
        let mut reader: Box<dyn Read + Send> = match compression {
            None => Box::new(whole),
            Some(Compression::Gzip) => Box::new(Lenient {
                inner: Some(flate2::read::MultiGzDecoder::new(whole)),
                account: account.clone(),
                rest: |decoder| Box::new(decoder.into_inner()),
            }),
            Some(Compression::Zstd) => Box::new(Lenient {
                inner: Some(zstd::Decoder::new(whole).map_err(cause)?),
                account: account.clone(),
                rest: |decoder| Box::new(decoder.finish()),
            }),
        };
        let mut head = Vec::new();
        (&mut reader).take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(cause)?;
        let reader = Box::new(io::Cursor::new(head.clone()).chain(reader));
        Ok(Content { head, compression, reader, account })
    }

    /// The name for messages: the path as given.
    #[must_use]
    pub fn name(&self) -> PathBuf {
        self.path.clone().unwrap_or_else(|| PathBuf::from("-"))
    }
}

/// Walks what was named into sources, in the order the report lists them: by the path shown, then by content.
///
/// Folders are walked in name order and whole; links to files are followed, links to folders inside a folder are not.
///
/// # Errors
///
/// When a named input does not exist or cannot be opened, or a folder cannot be listed: before anything is read.
pub fn collect(named: &[PathBuf]) -> Result<Vec<Source>, Error> {
    let mut sources = Vec::new();
    for path in named {
        if path.as_os_str() == "-" {
            sources.push(Source { shown: "-".to_owned(), path: None, named: true });
            continue;
        }
        let cause = |cause| Error::Open { path: path.clone(), cause };
        let metadata = fs::metadata(path).map_err(cause)?;
        if metadata.is_dir() {
            walk(path, Path::new(""), &mut sources)?;
        } else {
            File::open(path).map_err(cause)?;
            let name = path.file_name().unwrap_or(path.as_os_str());
            sources.push(Source { shown: shown(Path::new(name)), path: Some(path.clone()), named: true });
        }
    }
    rank(&mut sources)?;
    Ok(sources)
}

fn walk(root: &Path, below: &Path, sources: &mut Vec<Source>) -> Result<(), Error> {
    let folder = root.join(below);
    let cause = |cause| Error::Open { path: folder.clone(), cause };
    let mut entries = fs::read_dir(&folder).map_err(cause)?.collect::<io::Result<Vec<_>>>().map_err(cause)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let relative = below.join(entry.file_name());
        let kind = entry.file_type().map_err(cause)?;
        if kind.is_dir() {
            walk(root, &relative, sources)?;
        } else if kind.is_file() || (kind.is_symlink() && entry.path().is_file()) {
            sources.push(Source { shown: shown(&relative), path: Some(entry.path()), named: false });
        }
    }
    Ok(())
}

/// Paths are shown with `/` on every system.
fn shown(path: &Path) -> String {
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

/// Sorts by the path shown; files shown alike are told apart by what they hold, never by the order of the arguments.
fn rank(sources: &mut [Source]) -> Result<(), Error> {
    sources.sort_by(|one, other| one.shown.cmp(&other.shown));
    for alike in sources.chunk_by_mut(|one, other| one.shown == other.shown) {
        if alike.len() < 2 {
            continue;
        }
        let mut keyed = Vec::new();
        for source in alike.iter() {
            let key = match &source.path {
                None => String::new(),
                Some(path) => file_digest(path)?,
            };
            keyed.push((key, !source.named, source.clone()));
        }
        keyed.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
        for (place, (.., source)) in alike.iter_mut().zip(keyed) {
            *place = source;
        }
    }
    Ok(())
}

fn file_digest(path: &Path) -> Result<String, Error> {
    let cause = |cause| Error::Open { path: path.to_owned(), cause };
    let mut file = File::open(path).map_err(cause)?;
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut file, &mut hasher).map_err(cause)?;
    Ok(hasher.finalize().to_hex().to_string())
}

impl Account {
    /// Size and digest of what was read so far.
    #[must_use]
    pub fn finish(&self) -> Digest {
        let tap = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = match &tap.hasher {
            Hasher::None => None,
            Hasher::Blake3(hasher) => Some(format!("blake3:{}", hasher.finalize().to_hex())),
            Hasher::Sha256(hasher) => {
                let hex: String = hasher.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect();
                Some(format!("sha256:{hex}"))
            }
        };
        Digest { bytes: tap.bytes, digest, stream_damage: tap.stream_damage.clone() }
    }
}

#[derive(Debug)]
struct Tap {
    bytes: u64,
    hasher: Hasher,
    stream_damage: Option<String>,
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
        Self { bytes: 0, hasher, stream_damage: None }
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
        let mut tap = self.account.0.lock().unwrap_or_else(PoisonError::into_inner);
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

/// A decompressor whose damage is an anomaly of the evidence, not a failure to read: the content ends there.
struct Lenient<D> {
    inner: Option<D>,
    account: Account,
    /// The compressed bytes that the decompressor left unread.
    rest: fn(D) -> Box<dyn Read>,
}

impl<D: Read> Read for Lenient<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(decoder) = &mut self.inner else { return Ok(0) };
        match decoder.read(buffer) {
            Ok(0) if !buffer.is_empty() => {
                self.drain()?;
                Ok(0)
            }
            Ok(count) => Ok(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            // The operating system's failures have a code; what a decompressor refuses has none.
            Err(error) if error.raw_os_error().is_some() => Err(error),
            Err(error) => {
                let mut tap = self.account.0.lock().unwrap_or_else(PoisonError::into_inner);
                tap.stream_damage = Some(error.to_string());
                drop(tap);
                self.drain()?;
                Ok(0)
            }
        }
    }
}

impl<D> Lenient<D> {
    /// Reads the rest of the file, so that size and digest are the file's.
    fn drain(&mut self) -> io::Result<()> {
        if let Some(decoder) = self.inner.take() {
            io::copy(&mut (self.rest)(decoder), &mut io::sink())?;
        }
        Ok(())
    }
}
