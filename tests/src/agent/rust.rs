use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use super::install;
use crate::process::Listeners;

/// The heartbeat period that the program sets.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(2);

pub(super) fn command(code: &str, collector: Listeners) -> Command {
    let mut command = Command::new(installed().join("debug/conformance-rust"));
    command.args([code, &collector.grpc.to_string()]);
    command
}

/// The target directory of the program's own workspace.
pub(super) fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        install::once("rust", |sources, directory| {
            install::run(
                Command::new(env!("CARGO"))
                    .args(["build", "--quiet", "--locked", "--target-dir"])
                    .arg(directory)
                    .arg("--manifest-path")
                    .arg(sources.join("Cargo.toml")),
            );
        })
    })
}
