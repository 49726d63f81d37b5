//! The documents for users: `README.md`, and the pages of `collector/docs`.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The root of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The text of the page with this path, which is relative to the root of the repository.
///
/// # Panics
/// If the page cannot be read.
#[must_use]
pub fn page(path: &str) -> String {
    read(&Path::new(ROOT).join(path))
}

/// The texts of all pages. A new page of `collector/docs` is one of them without a further step.
///
/// # Panics
/// If a page cannot be read.
#[must_use]
pub fn pages() -> Vec<String> {
    let mut files: Vec<PathBuf> = fs::read_dir(Path::new(ROOT).join("collector/docs"))
        .expect("the directory of the pages")
        .map(|entry| entry.expect("an entry of the directory").path())
        .filter(|file| file.extension().is_some_and(|own| own == "md"))
        .collect();
    files.push(Path::new(ROOT).join("README.md"));
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
