use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use super::{Agent, Generation, TOKEN, install};
use crate::process::Listeners;

/// The application with the whole agent.
pub(super) fn whole(agent: &Agent, home: &Path, code: &str, collector: Listeners) -> Command {
    let mut java = machine(agent, home, code, collector);
    let jar = installed().join(format!("agents/{}-{}.jar", agent.package, agent.version));
    java.arg(format!("-javaagent:{}", jar.display()))
        .arg("-cp")
        .arg(installed().join("classes"))
        .arg("rollcall.conformance.Application");
    java
}

/// The application that starts the services of the agent's core and, for 5.0.0-GA, reports the ids.
pub(super) fn core(agent: &Agent, home: &Path, code: &str, collector: Listeners) -> Command {
    let mut java = machine(agent, home, code, collector);
    let version = agent.version;
    let mut path = vec![
        format!("agents/{}-{version}.jar", agent.package),
        "agents/byte-buddy-1.12.19.jar".to_owned(),
        "classes".to_owned(),
    ];
    if agent.generation == Generation::V5 {
        path.push("reporter".to_owned());
    }
    let path = path
        .iter()
        .map(|part| installed().join(part).display().to_string())
        .collect::<Vec<_>>();
    java.arg("-cp")
        .arg(path.join(":"))
        .args(["rollcall.conformance.Application", "boot"]);
    java
}

/// A small JVM, with the agent's configuration and log in `home`.
fn machine(agent: &Agent, home: &Path, code: &str, collector: Listeners) -> Command {
    let config = home.join("agent.config");
    let mut keys = vec![
        format!("agent.authentication={TOKEN}"),
        "collector.grpc_channel_check_interval=1".to_owned(),
        format!("logging.dir={}", home.display()),
        "logging.level=INFO".to_owned(),
    ];
    keys.extend(match agent.generation {
        Generation::V5 => vec![
            format!("agent.application_code={code}"),
            format!("collector.servers={}", collector.naming),
            "collector.discovery_check_interval=1".to_owned(),
            "collector.app_and_service_register_check_interval=1".to_owned(),
        ],
        Generation::V6 => vec![
            format!("agent.service_name={code}"),
            format!("collector.backend_service={}", collector.grpc),
            "collector.app_and_service_register_check_interval=1".to_owned(),
            // The minutes between a reset and the next registration.
            "agent.cool_down_threshold=0".to_owned(),
        ],
        Generation::V8 => vec![
            format!("agent.service_name={code}"),
            format!("collector.backend_service={}", collector.grpc),
            format!("collector.heartbeat_period={}", agent.period.as_secs()),
            "collector.properties_report_period_factor=2".to_owned(),
        ],
    });
    fs::write(&config, keys.join("\n")).expect("writing the agent's configuration");
    let mut java = Command::new("java");
    java.args(["-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .arg(format!("-Dskywalking_config={}", config.display()));
    java
}

/// The directory with the classes and agents from Maven.
pub(super) fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        install::once("java", |sources, directory| {
            install::run(
                Command::new("mvn")
                    .args(["--quiet", "--batch-mode", "--file"])
                    .arg(sources.join("pom.xml"))
                    .arg("process-classes")
                    .arg(format!("-Drollcall.build={}", directory.display())),
            );
        })
    })
}
