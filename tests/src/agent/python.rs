use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use super::{Protocol, install};
use crate::process::Listeners;

pub(super) const HEARTBEAT: Duration = Duration::from_secs(2);

pub(super) fn command() -> Command {
    let mut python = Command::new(installed().join("venv/bin/python"));
    python.arg(install::sources("python").join("application.py"));
    python
}

pub(super) fn environment(
    protocol: Protocol,
    code: &str,
    collector: Listeners,
) -> Vec<(&'static str, String)> {
    let (name, collector) = match protocol {
        Protocol::Grpc => ("grpc", collector.grpc),
        Protocol::Http => ("http", collector.jetty),
    };
    let heartbeat = HEARTBEAT.as_secs().to_string();
    vec![
        ("SW_AGENT_NAME", code.to_owned()),
        ("SW_AGENT_PROTOCOL", name.to_owned()),
        ("SW_AGENT_COLLECTOR_BACKEND_SERVICES", collector.to_string()),
        ("SW_AGENT_COLLECTOR_HEARTBEAT_PERIOD", heartbeat),
        (
            "SW_AGENT_COLLECTOR_PROPERTIES_REPORT_PERIOD_FACTOR",
            "2".to_owned(),
        ),
    ]
}

/// The directory of the virtual environment.
pub(super) fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        install::once("python", |sources, directory| {
            let venv = directory.join("venv");
            install::run(
                Command::new("python3")
                    .args(["-m", "venv", "--clear"])
                    .arg(&venv),
            );
            install::run(
                Command::new(venv.join("bin/python"))
                    .args([
                        "-m",
                        "pip",
                        "install",
                        "--quiet",
                        "--no-deps",
                        "--requirement",
                    ])
                    .arg(sources.join("requirements.txt")),
            );
        })
    })
}
