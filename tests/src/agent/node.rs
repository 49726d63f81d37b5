use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use super::install;
use crate::process::Listeners;

/// The heartbeat period, which is fixed in the agent. The first heartbeat is sent after one period.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(20);

pub(super) fn command() -> Command {
    let mut node = Command::new("node");
    node.arg(installed().join("application.js"));
    node
}

pub(super) fn environment(code: &str, collector: Listeners) -> Vec<(&'static str, String)> {
    vec![
        ("SW_AGENT_NAME", code.to_owned()),
        ("SW_AGENT_INSTANCE", format!("{code}-1")),
        (
            "SW_AGENT_COLLECTOR_BACKEND_SERVICES",
            collector.grpc.to_string(),
        ),
        ("SW_AGENT_LOGGING_LEVEL", "warn".to_owned()),
    ]
}

/// The directory of the program and its modules.
pub(super) fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        install::once("node", |sources, directory| {
            for file in ["application.js", "package.json", "package-lock.json"] {
                fs::copy(sources.join(file), directory.join(file)).expect("copying a source");
            }
            install::run(
                Command::new("npm")
                    .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                    .current_dir(directory),
            );
        })
    })
}
