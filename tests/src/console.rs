//! The sources of the console, its packages and its build.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::{agent::install, process::target_directory};

/// The sources of the console, without `dist`, which is built from them.
const SOURCES: [&str; 6] = [
    ".npmrc",
    "build.mjs",
    "package-lock.json",
    "package.json",
    "tsconfig.json",
    "src",
];

/// The directory of the console.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../collector/api/admin/console")
}

/// A copy of the sources, with the packages that their lock file names.
///
/// # Panics
/// When npm cannot install them.
pub fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let (from, to) = (directory(), target_directory().join("console"));
        let text = SOURCES
            .map(|name| install::contents(&from.join(name)))
            .concat();
        install::once_into(&to, &text, |to| {
            let old = to.join("src");
            if old.exists() {
                fs::remove_dir_all(&old).expect("removing earlier sources");
            }
            for name in SOURCES {
                copy(&from.join(name), &to.join(name));
            }
            let mut npm = Command::new("npm");
            npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
            install::run(npm.current_dir(to));
        });
        to
    })
}

/// Builds the console into a directory.
///
/// # Panics
/// When the sources do not compile.
pub fn build(out: &Path) {
    let mut npm = Command::new("npm");
    npm.args(["run", "build", "--"]).arg(out);
    install::run(npm.current_dir(installed()));
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::copy(from, to).expect("copying a source");
        return;
    }
    fs::create_dir_all(to).expect("a directory for sources");
    for entry in fs::read_dir(from).expect("a readable directory") {
        let name = entry.expect("a readable directory").file_name();
        copy(&from.join(&name), &to.join(&name));
    }
}
