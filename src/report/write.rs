//! A report onto the disk: whole or not at all.
//!
//! A [`Destination`] is tried before any evidence is read, so that a typing mistake costs no hour, and written after:
//! under a temporary name in the same folder, then renamed over what was there. A run that fails leaves an older report
//! as it was. What is no regular file (a pipe, `/dev/null`) has nothing to keep and is written to directly.
//!
//! # Design
//!
//! Between the trial and the writing no temporary file lies about: reports are often written beside the evidence, and
//! an unfinished one must not be walked as evidence itself.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::Error;

/// A file a report will be written to.
#[derive(Debug)]
pub struct Destination {
    /// As named, for messages.
    named: PathBuf,
    target: Target,
}

#[derive(Debug)]
enum Target {
    /// A regular file, existing or not: its own place, links followed.
    File(PathBuf),
    /// Something that is written to as it is.
    Stream(File),
}

impl Destination {
    /// Checks that a report can be written to `path`, and changes nothing there.
    ///
    /// # Errors
    ///
    /// When `path` is a folder or read-only, or its folder is missing or cannot be written to.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let target = Target::open(path).map_err(|cause| Error::Write { path: Some(path.to_owned()), cause })?;
        Ok(Self { named: path.to_owned(), target })
    }

    /// Whether writing replaces the file at `path`, by whatever name.
    #[must_use]
    pub fn replaces(&self, path: &Path) -> bool {
        match &self.target {
            Target::File(own) => path.canonicalize().is_ok_and(|other| other == *own),
            Target::Stream(_) => false,
        }
    }

    /// Whether both are one file, by whatever names.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.target, &other.target) {
            (Target::File(own), Target::File(other)) => own == other,
            _ => false,
        }
    }

    /// Writes what `render` gives, replacing what was there once all of it is on the disk.
    ///
    /// # Errors
    ///
    /// When writing fails; an older report stays as it was then.
    pub fn write(self, render: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>) -> Result<(), Error> {
        let Self { named, target } = self;
        let written = match target {
            Target::File(path) => replace(&path, render),
            Target::Stream(file) => write_all(file, render).map(drop),
        };
        written.map_err(|cause| Error::of_writing(Some(named), cause))
    }
}

impl Target {
    fn open(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder; name a file in it"))
            }
            Ok(found) if found.is_file() => {
                if found.permissions().readonly() {
                    return Err(io::Error::new(io::ErrorKind::PermissionDenied, "is read-only"));
                }
                let path = path.canonicalize()?;
                temporary(&path, Some(&found))?.close()?;
                Ok(Self::File(path))
            }
            Ok(_) => Ok(Self::Stream(OpenOptions::new().write(true).open(path)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let Some(name) = path.file_name() else {
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, "names no file"));
                };
                let folder = folder(path).canonicalize().map_err(|cause| match cause.kind() {
                    io::ErrorKind::NotFound => {
                        io::Error::new(io::ErrorKind::NotFound, "its folder does not exist; create it first")
                    }
                    _ => cause,
                })?;
                let path = folder.join(name);
                temporary(&path, None)?.close()?;
                Ok(Self::File(path))
            }
            Err(error) => Err(error),
        }
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A file beside `path`, with the permissions of the one it will replace, else those of any new file.
fn temporary(path: &Path, replaced: Option<&Metadata>) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sipconsent-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The system takes the umask off.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(folder(path))?;
    if let Some(replaced) = replaced {
        file.as_file().set_permissions(replaced.permissions())?;
    }
    Ok(file)
}

fn replace(path: &Path, render: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>) -> io::Result<()> {
    let replaced = fs::metadata(path).ok();
    let mut file = temporary(path, replaced.as_ref())?;
    write_all(file.as_file_mut(), render)?.sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn write_all<W: Write + Send>(to: W, render: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>) -> io::Result<W> {
    let mut buffered = BufWriter::with_capacity(64 << 10, to);
    render(&mut buffered)?;
    Ok(buffered.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("folder");
        entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect()
    }

    fn refusal(path: &Path) -> String {
        let error = Destination::open(path).expect_err("refused");
        let cause = std::error::Error::source(&error).expect("cause").to_string();
        format!("{error}: {cause}").replace(&*path.to_string_lossy(), "PATH")
    }

    #[test]
    fn a_report_replaces_the_older_one_whole() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("report.json");
        fs::write(&path, "old and longer").expect("write");
        let destination = Destination::open(&path).expect("open");
        assert_eq!(names(folder.path()), ["report.json"], "nothing lies about before the report is written");
        assert!(destination.replaces(&path) && !destination.replaces(folder.path()));
        destination.write(|out| out.write_all(b"new")).expect("write");
        assert_eq!(fs::read(&path).expect("read"), b"new");
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    fn a_failed_run_leaves_the_older_report_and_nothing_else() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("report.json");
        fs::write(&path, "old").expect("write");
        drop(Destination::open(&path).expect("open"));
        let failed = Destination::open(&path).expect("open").write(|out| {
            out.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        });
        assert!(matches!(failed, Err(Error::Write { path: Some(_), .. })));
        assert_eq!(fs::read(&path).expect("read"), b"old");
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    fn a_destination_that_cannot_be_is_refused_at_once() {
        let folder = tempfile::tempdir().expect("folder");
        assert_eq!(refusal(folder.path()), "cannot write report PATH: is a folder; name a file in it");
        let missing = folder.path().join("none").join("report.json");
        assert_eq!(refusal(&missing), "cannot write report PATH: its folder does not exist; create it first");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("write");
        assert!(Destination::open(&file.join("report.json")).is_err());
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_any_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("folder");
        let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
        let ordinary = folder.path().join("ordinary");
        fs::write(&ordinary, "").expect("write");
        let path = folder.path().join("report.txt");
        Destination::open(&path).expect("open").write(|_| Ok(())).expect("write");
        assert_eq!(mode(&path), mode(&ordinary));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        Destination::open(&path).expect("open").write(|_| Ok(())).expect("write");
        assert_eq!(mode(&path), 0o640, "an existing file keeps its own");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).expect("chmod");
        assert_eq!(refusal(&path), "cannot write report PATH: is read-only");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_streams_written_to_as_they_are() {
        let folder = tempfile::tempdir().expect("folder");
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").expect("write");
        std::os::unix::fs::symlink("real", &link).expect("link");
        Destination::open(&link).expect("open").write(|out| out.write_all(b"new")).expect("write");
        assert_eq!(fs::read(&real).expect("read"), b"new");
        assert!(fs::symlink_metadata(&link).expect("metadata").is_symlink());
        let null = Path::new("/dev/null");
        Destination::open(null).expect("open").write(|out| out.write_all(b"gone")).expect("write");
        assert!(!fs::metadata(null).expect("metadata").is_file());
    }
}
