//! The failures that end a run or mark it incomplete. Bytes of evidence never cause one.

use std::{fmt, io, path::PathBuf};

/// A failure outside the evidence's bytes: opening, reading, settings, writing.
///
/// The text names what failed and the path; the cause is only in [`source`](std::error::Error::source).
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A named input could not be opened or listed.
    Open {
        /// The input as named.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A named input is none of the kinds of evidence this program knows.
    Unrecognised {
        /// The input as named.
        path: PathBuf,
        /// What it is, where that is known.
        found: Option<String>,
    },
    /// The configuration file could not be read.
    ReadConfig {
        /// The file as named.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The configuration does not say what it must.
    Config {
        /// The file as named; `None` for text that came from no file.
        path: Option<PathBuf>,
        /// The line the mistake is on, from 1, where it is known.
        line: Option<usize>,
        /// What is wrong and what would be valid.
        message: String,
    },
    /// A report to be verified could not be read, or is none.
    ReadReport {
        /// The file as named.
        path: PathBuf,
        /// What the system or the reader of JSON said.
        cause: io::Error,
    },
    /// The key of a redaction could not be read.
    ReadKey {
        /// The file as named.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Carved evidence could not be written.
    Carve {
        /// The folder as named.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The evidence needs more memory than it was given.
    MemoryLimit {
        /// What it was given, in bytes.
        limit: u64,
    },
    /// Signalling that was set aside in a temporary file could not be read again.
    SetAside {
        /// What the system said.
        cause: io::Error,
    },
    /// The worker threads could not be started.
    Threads {
        /// What the pool said.
        message: String,
    },
    /// A report could not be written.
    Write {
        /// The destination; `None` for standard output.
        path: Option<PathBuf>,
        /// What the system said.
        cause: io::Error,
    },
}

impl Error {
    /// What hinders a report from being written there: `cause` is the destination's failure, or has another as its own.
    #[must_use]
    pub fn of_writing(path: Option<PathBuf>, cause: io::Error) -> Self {
        cause.downcast().unwrap_or_else(|cause| Self::Write { path, cause })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, .. } => write!(f, "cannot open evidence {}", path.display()),
            Self::Unrecognised { path, found: Some(found) } => write!(f, "{}: {found}", path.display()),
            Self::Unrecognised { path, found: None } => {
                let read = "neither a capture (pcap, pcapng, snoop) nor an access log, a document of API requests or an \
                            export of the platform";
                write!(f, "{}: {read}", path.display())
            }
            Self::ReadConfig { path, .. } => write!(f, "cannot read configuration {}", path.display()),
            Self::Config { path, line, message } => {
                if let Some(path) = path {
                    write!(f, "{}", path.display())?;
                } else {
                    f.write_str("configuration")?;
                }
                if let Some(line) = line {
                    write!(f, ":{line}")?;
                }
                write!(f, ": {message}")
            }
            Self::ReadReport { path, .. } => write!(f, "cannot read report {}", path.display()),
            Self::ReadKey { path, .. } => write!(f, "cannot read the key {}", path.display()),
            Self::Carve { path, .. } => write!(f, "cannot write carved evidence {}", path.display()),
            Self::MemoryLimit { limit } => {
                write!(f, "what must be kept of the evidence takes more than the {limit} bytes of --memory-limit")
            }
            Self::SetAside { .. } => f.write_str("cannot read again what was set aside in a temporary file"),
            Self::Threads { message } => write!(f, "cannot start the worker threads: {message}"),
            Self::Write { path: Some(path), .. } => write!(f, "cannot write report {}", path.display()),
            Self::Write { path: None, .. } => f.write_str("cannot write the report to standard output"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Carve { cause, .. }
            | Self::Open { cause, .. }
            | Self::ReadConfig { cause, .. }
            | Self::ReadKey { cause, .. }
            | Self::ReadReport { cause, .. }
            | Self::SetAside { cause }
            | Self::Write { cause, .. } => Some(cause),
            Self::Unrecognised { .. } | Self::Config { .. } | Self::MemoryLimit { .. } | Self::Threads { .. } => None,
        }
    }
}
