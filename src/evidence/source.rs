//! Evidence sources: what was named on the command line, walked, ranked, opened once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::compression::{Content, decompress};
use super::digest::HashKind;
use super::progress::{Phase, Progress};
use super::text::escaped;
use crate::error::Error;

/// One input file, or standard input.
#[derive(Clone, Debug)]
pub struct Source {
    /// How reports name it: relative to the folder named, or the file's name, `-` for standard input.
    pub shown: String,
    /// Whether it is no UTF-8 and shown escaped: `\xNN`, the backslash doubled.
    pub escaped: bool,
    /// Where it is; `None` for standard input.
    pub path: Option<PathBuf>,
    /// Whether it was named itself, rather than found in a folder: then it must be recognised.
    pub named: bool,
    /// Told of every piece that is read of it.
    pub progress: Progress,
    /// Why it is passed over though it lies in a folder that was named; `None` where it is read.
    pub passed_over: Option<&'static str>,
}

impl Source {
    fn new((shown, escaped): (String, bool), path: Option<PathBuf>, named: bool) -> Self {
        Self { shown, escaped, path, named, progress: Progress::default(), passed_over: None }
    }

    /// What was named by itself, shown by its name alone.
    fn alone(path: &Path) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str());
        Self::new(shown(Path::new(name)), Some(path.to_owned()), true)
    }

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
        decompress(Box::new(self.progress.watch(raw)), hash).map_err(cause)
    }

    /// Bytes of the file; `None` where only reading it tells, as of a pipe; none where nothing is read.
    fn size(&self) -> Option<u64> {
        let path = self.path.as_ref()?;
        match fs::metadata(path) {
            _ if self.passed_over.is_some() => Some(0),
            Ok(metadata) => metadata.is_file().then_some(metadata.len()),
            Err(_) => Some(0),
        }
    }

    /// The name for messages: the path as given.
    #[must_use]
    pub fn name(&self) -> PathBuf {
        self.path.clone().unwrap_or_else(|| PathBuf::from("-"))
    }
}

/// Walks what was named into sources, in the order the report lists them: by the path shown, then by content.
///
/// Folders are walked in name order and whole. Links to files are followed, links to folders inside a folder are not:
/// they are listed as passed over, and so is what is neither a file nor a folder. What cannot be opened, a folder too, is
/// told when it is its turn to be read. `progress` is told that a pass over them begins, in this phase, and then how far
/// it comes.
///
/// # Errors
///
/// When a named input does not exist: before anything is read. One that is there and cannot be opened is told when it is its
/// turn, and the others are read.
pub fn collect(named: &[PathBuf], (progress, phase): (&Progress, Phase)) -> Result<Vec<Source>, Error> {
    let mut sources = Vec::new();
    for path in named {
        if path.as_os_str() == "-" {
            sources.push(Source::new(("-".to_owned(), false), None, true));
            continue;
        }
        let cause = |cause| Error::Open { path: path.clone(), cause };
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => walk(path, Path::new(""), &mut sources),
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Err(cause(missing)),
            Ok(_) | Err(_) => sources.push(Source::alone(path)),
        }
    }
    rank(&mut sources);
    progress.begin(phase, sources.iter().map(Source::size).sum());
    sources.iter_mut().for_each(|source| source.progress = progress.clone());
    Ok(sources)
}

fn walk(root: &Path, below: &Path, sources: &mut Vec<Source>) {
    let folder = root.join(below);
    let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(_) if below.as_os_str().is_empty() => return sources.push(Source::alone(root)),
        Err(_) => return sources.push(Source::new(shown(below), Some(folder), false)),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let relative = below.join(entry.file_name());
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        let passed_over = match fs::metadata(entry.path()) {
            Ok(kind) if kind.is_dir() && !is_link => {
                walk(root, &relative, sources);
                continue;
            }
            Ok(kind) if kind.is_dir() => Some("a link to a folder, which is not followed"),
            Ok(kind) if !kind.is_file() => Some("neither a file nor a folder"),
            Ok(_) | Err(_) => None,
        };
        sources.push(Source { passed_over, ..Source::new(shown(&relative), Some(entry.path()), false) });
    }
}

/// Paths are shown with `/` on every system; and whether this one is escaped.
fn shown(path: &Path) -> (String, bool) {
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().as_encoded_bytes()).collect();
    match String::from_utf8(parts.join(&b'/')) {
        Ok(path) => (path, false),
        Err(path) => (escaped(path.as_bytes()), true),
    }
}

/// Keeps each file once, however often and by whatever path it was named; the first path shown stands.
fn distinct(sources: &mut Vec<Source>) {
    let mut kept: Vec<Source> = Vec::with_capacity(sources.len());
    let mut known: BTreeMap<Option<PathBuf>, usize> = BTreeMap::new();
    for source in sources.drain(..) {
        // A file that cannot be resolved is told when it is opened.
        let place = source.path.as_ref().map(|path| fs::canonicalize(path).unwrap_or_else(|_| path.clone()));
        match known.get(&place).and_then(|place| kept.get_mut(*place)) {
            Some(first) => {
                first.named |= source.named;
                first.passed_over = first.passed_over.and(source.passed_over);
            }
            None => {
                known.insert(place, kept.len());
                kept.push(source);
            }
        }
    }
    *sources = kept;
}

/// Sorts by the path shown; files shown alike are told apart by what they hold, never by the order of the arguments.
fn rank(sources: &mut Vec<Source>) {
    sources.sort_by(|one, other| one.shown.cmp(&other.shown));
    distinct(sources);
    for alike in sources.chunk_by_mut(|one, other| one.shown == other.shown) {
        if alike.len() < 2 {
            continue;
        }
        let mut keyed = Vec::new();
        for source in alike.iter() {
            let key = match &source.path {
                Some(path) if source.passed_over.is_none() => file_digest(path).unwrap_or_default(),
                Some(_) | None => String::new(),
            };
            keyed.push((key, !source.named, source.clone()));
        }
        keyed.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
        for (place, (.., source)) in alike.iter_mut().zip(keyed) {
            *place = source;
        }
    }
}

fn file_digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut file, &mut hasher)?;
    Ok(hasher.finalize().to_hex().to_string())
}
