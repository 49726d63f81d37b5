use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::target_directory;

/// The sources of the conformance program in `language`.
pub(crate) fn sources(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("conformance")
        .join(language)
}

/// Lets `build` fill a directory below cargo's target directory, and returns the directory. Calls `build` again only if the sources
/// have changed.
///
/// Test programs run concurrently, but the build tools do not support two runs in the same directory. So a lock admits one build at
/// a time.
pub(crate) fn once(language: &str, build: impl FnOnce(&Path, &Path)) -> PathBuf {
    let sources = sources(language);
    let directory = target_directory().join("conformance").join(language);
    once_into(&directory, &contents(&sources), |directory| {
        build(&sources, directory)
    });
    directory
}

/// Like [`once`], for this directory. Calls `build` again only if `text`, the contents of all sources, has changed.
pub(crate) fn once_into(directory: &Path, text: &[u8], build: impl FnOnce(&Path)) {
    fs::create_dir_all(directory).expect("a directory for what is installed");
    let lock = File::create(directory.join("lock")).expect("a lock file");
    lock.lock().expect("waiting for another test's build");
    let stamp = directory.join("built-from");
    if fs::read(&stamp).is_ok_and(|built_from| built_from == text) {
        return;
    }
    build(directory);
    fs::write(stamp, text).expect("recording the built sources");
}

/// Runs a build tool or package manager until it exits.
///
/// # Panics
/// When the tool is missing or fails, with its output.
pub(crate) fn run(tool: &mut Command) {
    let output = tool
        .output()
        .unwrap_or_else(|error| panic!("running {tool:?}: {error}; tests/run installs it"));
    assert!(
        output.status.success(),
        "{tool:?}:\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The contents of all files below `path`, in the order of their names.
pub(crate) fn contents(path: &Path) -> Vec<u8> {
    if path.is_file() {
        return fs::read(path).expect("a readable source");
    }
    let entries = fs::read_dir(path).expect("a readable directory");
    let mut entries = entries
        .map(|entry| entry.expect("a readable directory").path())
        .collect::<Vec<_>>();
    entries.sort();
    entries.iter().flat_map(|entry| contents(entry)).collect()
}
