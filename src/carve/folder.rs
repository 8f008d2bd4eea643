//! The folder of carved evidence: filled under a temporary name beside its place, then renamed.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder being filled.
#[derive(Debug)]
pub(super) struct Folder(TempDir);

/// Fails unless `folder` is free to be written: it does not exist, or is an empty folder.
pub(super) fn check(folder: &Path) -> io::Result<()> {
    match fs::read_dir(folder).map(|entries| entries.count()) {
        Ok(0) => Ok(()),
        Ok(_) => Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, "the folder is not empty; name a new one")),
        Err(error) if error.kind() == io::ErrorKind::NotFound && parent(folder).is_dir() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(io::Error::new(io::ErrorKind::NotFound, "its folder does not exist; create it first"))
        }
        Err(error) => Err(error),
    }
}

/// The folder that holds `folder`.
fn parent(folder: &Path) -> PathBuf {
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

impl Folder {
    /// A folder beside the place that it will take.
    pub(super) fn beside(folder: &Path) -> io::Result<Self> {
        tempfile::Builder::new().prefix(".sipconsent-").tempdir_in(parent(folder)).map(Self)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes its place.
    pub(super) fn settle(self, folder: &Path) -> io::Result<()> {
        match fs::remove_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(self.0.path(), folder)?;
        // Nothing is left to be taken away.
        let _moved = self.0.keep();
        Ok(())
    }
}

/// The path shown of a source as a name for its records: without an ending that says how it was compressed, and told
/// apart from those taken.
pub(super) fn free_name(shown: &str, taken: &mut BTreeSet<String>) -> String {
    let plain = [".gz", ".zst", ".bz2", ".xz", ".lz4"].iter().find_map(|ending| shown.strip_suffix(ending));
    // What names no file below the folder (standard input) gets a name of its own.
    let plain = match plain.unwrap_or(shown) {
        "" | "-" => "standard-input.log",
        plain => plain,
    };
    let mut name = plain.to_owned();
    let mut count = 1;
    while !taken.insert(name.clone()) {
        count += 1;
        name = format!("{count}-{plain}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let mut taken = BTreeSet::from(["calls.pcapng".to_owned()]);
        let names = ["a/access.log.gz", "a/access.log", "-", "calls.pcapng", "a/access.log.zst"];
        let free: Vec<String> = names.iter().map(|name| free_name(name, &mut taken)).collect();
        assert_eq!(free, ["a/access.log", "2-a/access.log", "standard-input.log", "2-calls.pcapng", "3-a/access.log"]);
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let place = tempfile::tempdir().expect("a folder");
        assert!(check(&place.path().join("new")).is_ok());
        assert!(check(place.path()).is_ok() && check(Path::new("new")).is_ok());
        let nowhere = check(&place.path().join("none/new")).expect_err("no folder");
        assert_eq!(nowhere.to_string(), "its folder does not exist; create it first");
        fs::write(place.path().join("kept"), "x").expect("a file");
        assert_eq!(check(place.path()).expect_err("not empty").kind(), io::ErrorKind::DirectoryNotEmpty);
        assert!(check(&place.path().join("kept")).is_err());
    }

    #[test]
    fn a_folder_takes_its_place_whole_or_leaves_nothing() {
        let place = tempfile::tempdir().expect("a folder");
        let wanted = place.path().join("out");
        let folder = Folder::beside(&wanted).expect("a folder");
        fs::write(folder.path().join("file"), "x").expect("a file");
        drop(folder);
        assert_eq!(fs::read_dir(place.path()).expect("listed").count(), 0);
        let folder = Folder::beside(&wanted).expect("a folder");
        fs::write(folder.path().join("file"), "x").expect("a file");
        folder.settle(&wanted).expect("it moves");
        assert_eq!(fs::read(wanted.join("file")).expect("read"), b"x");
        assert_eq!(fs::read_dir(place.path()).expect("listed").count(), 1);
    }
}
