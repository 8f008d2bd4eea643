//! What every test needs: scenes turned into evidence, the program run, its report held against a truth.

pub(crate) mod browser;
pub(crate) mod encapsulate;
pub(crate) mod exports;
pub(crate) mod laws;
pub(crate) mod normalised;
pub(crate) mod packet;
pub(crate) mod run;
pub(crate) mod scene;
#[cfg(unix)]
pub(crate) mod terminal;
pub(crate) mod truth;

use std::path::{Path, PathBuf};

/// A path below the package's root.
pub(crate) fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The text of a file that the package ships.
pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

/// The folders below `path`, by name.
pub(crate) fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the folder can be listed").path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}
