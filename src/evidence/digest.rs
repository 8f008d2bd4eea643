//! Size and digest of a file, as its bytes are read.
//!
//! A digest takes longer than reading and decoding together, and its bytes must pass in order. So they do not pass under
//! the lock of the reader: what is read for a block is a [`Piece`], numbered in the order of the file, and the worker that
//! decodes the block digests its piece when the one before it is done. With two workers one so digests while the other
//! reads and decodes. Called by [`super::compression`], which reads files, and [`super::blocks`], which owns the workers.
//!
//! Keeps: the digest is that of all bytes read, whatever was made of them, however many workers there are, and wherever
//! reading ended. Memory is bounded: a file that is neither compressed nor recoded is digested in the workers' own blocks;
//! of another one as many bytes are copied as were read for a block, and from [`MOST_COPIED`] on they are digested at once.

use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use sha2::Digest as _;

/// Bytes that are copied for one piece.
const MOST_COPIED: usize = 1 << 20;

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

/// The digest and size of a file, shared with the reader that fills it in.
#[derive(Clone, Debug)]
pub struct Account(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    tap: Mutex<Tap>,
    /// A piece was digested.
    advanced: Condvar,
}

#[derive(Debug)]
struct Tap {
    bytes: u64,
    stream_damage: Option<String>,
    stream_limit: Option<String>,
    passing: Passing,
    /// Whether there is a digest at all.
    digests: bool,
    /// `None` while a piece is digested.
    hasher: Option<Hasher>,
    /// Pieces handed out, and those digested.
    pieces: u64,
    digested: u64,
    /// Read for the next piece and not digested.
    copied: Vec<u8>,
    /// Room to be used again.
    spare: Vec<u8>,
    /// Bytes at the start of the blocks that were digested before there were pieces.
    before: usize,
}

/// What becomes of bytes as they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passing {
    /// They are digested at once.
    AtOnce,
    /// They are copied for the next piece.
    Copied,
    /// They stand in the block that they are read for.
    InBlocks,
}

#[derive(Debug)]
enum Hasher {
    Blake3(Box<blake3::Hasher>),
    None,
    Sha256(sha2::Sha256),
}

impl Hasher {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Blake3(hasher) => _ = hasher.update(bytes),
            Self::None => {}
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }
}

/// What was read of a file for one block, and is not digested yet.
#[derive(Debug)]
pub(super) struct Piece {
    number: u64,
    copied: Vec<u8>,
}

impl Account {
    pub(super) fn new(hash: HashKind) -> Self {
        let hasher = match hash {
            HashKind::Blake3 => Hasher::Blake3(Box::default()),
            HashKind::None => Hasher::None,
            HashKind::Sha256 => Hasher::Sha256(sha2::Sha256::new()),
        };
        let tap = Tap {
            bytes: 0,
            stream_damage: None,
            stream_limit: None,
            passing: Passing::AtOnce,
            digests: hash != HashKind::None,
            hasher: Some(hasher),
            pieces: 0,
            digested: 0,
            copied: Vec::new(),
            spare: Vec::new(),
            before: 0,
        };
        Self(Arc::new(Shared { tap: Mutex::new(tap), advanced: Condvar::new() }))
    }

    /// Of what is not read: no bytes, no digest.
    #[must_use]
    pub fn of_nothing() -> Self {
        Self::new(HashKind::None)
    }

    /// Size and digest of what was read so far. Call it when no worker takes steps any more.
    #[must_use]
    pub fn finish(&self) -> Digest {
        let tap = self.tap();
        let digest = match &tap.hasher {
            None | Some(Hasher::None) => None,
            Some(Hasher::Blake3(hasher)) => Some(format!("blake3:{}", hasher.finalize().to_hex())),
            Some(Hasher::Sha256(hasher)) => {
                let hex: String = hasher.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect();
                Some(format!("sha256:{hex}"))
            }
        };
        debug_assert!(tap.copied.is_empty() && tap.pieces == tap.digested, "what was read was digested");
        Digest {
            bytes: tap.bytes,
            digest,
            stream_damage: tap.stream_damage.clone(),
            stream_limit: tap.stream_limit.clone(),
        }
    }

    /// From now on what is read is digested in pieces, which those must ask for who read. `in_blocks` says that blocks hold
    /// the file's own bytes from its start, so many of which were digested already.
    pub(super) fn in_pieces(&self, in_blocks: Option<usize>) {
        let mut tap = self.tap();
        tap.passing = if in_blocks.is_some() { Passing::InBlocks } else { Passing::Copied };
        tap.before = in_blocks.unwrap_or(0);
    }

    /// What was read since the last piece, if it is to be digested. Call it while nobody else reads.
    pub(super) fn piece(&self) -> Option<Piece> {
        let mut tap = self.tap();
        if !tap.digests {
            return None;
        }
        let number = tap.pieces;
        tap.pieces += 1;
        let spare = std::mem::take(&mut tap.spare);
        Some(Piece { number, copied: std::mem::replace(&mut tap.copied, spare) })
    }

    /// Digests a piece, as soon as the one before it is; `read` is what was read into its block.
    pub(super) fn digest(&self, mut piece: Piece, read: &[u8]) {
        let mut tap = self.tap();
        // Who has the piece before waits for no later one, so the wait ends.
        while tap.digested != piece.number {
            tap = self.wait(tap);
        }
        let mut hasher = tap.hasher.take();
        let own = match tap.passing {
            Passing::InBlocks => {
                let before = tap.before.min(read.len());
                tap.before -= before;
                read.get(before..).unwrap_or_default()
            }
            Passing::AtOnce | Passing::Copied => &[],
        };
        drop(tap);
        if let Some(hasher) = &mut hasher {
            hasher.update(&piece.copied);
            hasher.update(own);
        }
        let mut tap = self.tap();
        tap.hasher = hasher;
        tap.digested += 1;
        piece.copied.clear();
        tap.spare = piece.copied;
        drop(tap);
        self.0.advanced.notify_all();
    }

    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.tap().bytes
    }

    /// Whether the compressed stream broke off or was damaged, as far as it was read.
    pub(crate) fn is_damaged(&self) -> bool {
        self.tap().stream_damage.is_some()
    }

    /// The compressed stream broke off or was damaged.
    pub(super) fn damaged(&self, how: String) {
        self.tap().stream_damage = Some(how);
    }

    /// The content was cut.
    pub(super) fn limited(&self, how: String) {
        self.tap().stream_limit = Some(how);
    }

    fn pass(&self, read: &[u8]) {
        let mut tap = self.tap();
        tap.bytes += read.len() as u64;
        if !tap.digests || tap.passing == Passing::InBlocks {
            return;
        }
        if tap.passing == Passing::Copied {
            tap.copied.extend_from_slice(read);
            if tap.copied.len() <= MOST_COPIED {
                return;
            }
            // Who has a piece does not wait for those who read.
            while tap.digested != tap.pieces {
                tap = self.wait(tap);
            }
        }
        let Tap { passing, hasher, copied, .. } = &mut *tap;
        if let Some(hasher) = hasher {
            hasher.update(if *passing == Passing::Copied { copied } else { read });
        }
        copied.clear();
    }

    fn wait<'t>(&self, tap: MutexGuard<'t, Tap>) -> MutexGuard<'t, Tap> {
        self.0.advanced.wait(tap).unwrap_or_else(PoisonError::into_inner)
    }

    fn tap(&self) -> MutexGuard<'_, Tap> {
        // A poisoned lock means another worker panicked; that panic already ends the run.
        self.0.tap.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts and digests the bytes of the file as they pass.
pub(super) struct Tapped<R> {
    inner: R,
    account: Account,
}

impl<R> Tapped<R> {
    pub(super) fn new(inner: R, account: Account) -> Self {
        Self { inner, account }
    }
}

impl<R: Read> Read for Tapped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.account.pass(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}
