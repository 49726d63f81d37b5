use std::{path::PathBuf, process::Command, sync::OnceLock};

use crate::process::workspace_binary;

/// The command that runs the application; its agent is configured by its command line.
pub(super) fn command(code: &str, naming: &str) -> Command {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let binary = BINARY.get_or_init(|| {
        workspace_binary(&[
            "--package",
            "rollcall-tests",
            "--bin",
            "observed-application",
        ])
    });
    let mut command = Command::new(binary);
    command.args([code, naming]);
    command
}
