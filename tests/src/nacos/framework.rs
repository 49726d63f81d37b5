//! Tests applications whose frameworks discover services through the Nacos client.

use std::{net::SocketAddr, path::PathBuf, process::Command, sync::OnceLock, time::Duration};

use tempfile::TempDir;

use super::{Driver, collector};
use crate::{
    PATIENCE,
    agent::install,
    process::{Child, Collector},
    until,
};

/// The time for which idle applications are checked for errors.
const IDLE: Duration = Duration::from_secs(5);

/// A framework; `conformance/nacos/frameworks` has the versions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framework {
    /// Spring Cloud Alibaba's discovery.
    Spring,
    /// Dubbo with its Nacos registry.
    Dubbo,
}

/// Tests that a Spring Cloud application finds another one, also after a restart of the collector, and that the death of the other
/// one is detected.
///
/// # Errors
/// The failure.
pub async fn spring() -> Result<(), String> {
    let (mut collector, faces) = collector(Collector::options()).await;
    let start = |name| Framework::Spring.start(faces.http, name);
    let (provider, consumer) = tokio::join!(start("orders"), start("shop"));
    let (mut provider, mut consumer) = (provider?, consumer?);
    let lists = async |consumer: &mut Driver, wanted: usize| {
        until(PATIENCE, async || match consumer.list("orders").await {
            Ok(hosts) if hosts.len() == wanted => Ok(()),
            other => Err(format!("orders: {other:?}")),
        })
        .await
    };
    lists(&mut consumer, 1).await?;
    log_no_error(&[&provider, &consumer]).await?;
    collector.restart().await;
    lists(&mut consumer, 1).await?;
    provider.kill();
    lists(&mut consumer, 0).await
}

/// Tests that a Dubbo consumer calls its provider, also after a restart of the collector, and finds the next provider after the
/// first one has died.
///
/// # Errors
/// The failure.
pub async fn dubbo() -> Result<(), String> {
    let (mut collector, faces) = collector(Collector::options()).await;
    let start = |role| Framework::Dubbo.start(faces.http, role);
    let mut provider = start("provider").await?;
    let mut consumer = start("consumer").await?;
    let calls = async |consumer: &mut Driver| {
        until(PATIENCE, async || consumer.run("call you").await.map(drop)).await
    };
    calls(&mut consumer).await?;
    log_no_error(&[&provider, &consumer]).await?;
    collector.restart().await;
    consumer.run("call you").await?;
    provider.kill();
    let _next = start("provider").await?;
    calls(&mut consumer).await
}

/// Checks that idle applications log no error. Errors of the start do not count, because a client's short deadline may expire on a
/// busy machine.
async fn log_no_error(drivers: &[&Driver]) -> Result<(), String> {
    let errors = || {
        drivers
            .iter()
            .flat_map(|driver| driver.errors())
            .collect::<Vec<_>>()
    };
    let before = errors().len();
    tokio::time::sleep(IDLE).await;
    errors().into_iter().nth(before).map_or(Ok(()), Err)
}

impl Framework {
    /// Downloads and builds the missing parts of the frameworks.
    ///
    /// # Panics
    /// When a tool fails, with the output of that tool.
    pub fn install() {
        installed();
    }

    async fn start(self, server: SocketAddr, name: &str) -> Result<Driver, String> {
        let home = TempDir::new().expect("a temporary directory");
        let module = match self {
            Self::Spring => "spring",
            Self::Dubbo => "dubbo",
        };
        let build = installed().join(module);
        let mut java = Command::new("java");
        java.args(["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg(format!("-Duser.home={}", home.path().display()))
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
            .arg("-Ddubbo.application.logger=slf4j")
            .arg("-cp")
            .arg(format!("{0}/classes:{0}/client/*", build.display()))
            .args(["rollcall.nacos.Driver", &server.to_string(), name])
            .current_dir(&home)
            .env("HOME", home.path());
        Driver::new(Child::spawn(format!("{self:?} {name}"), &mut java), home).await
    }
}

fn installed() -> &'static PathBuf {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        install::once("nacos/frameworks", |sources, directory| {
            install::run(
                Command::new("mvn")
                    .args(["--quiet", "--batch-mode", "--threads", "2", "--file"])
                    .arg(sources.join("pom.xml"))
                    .arg("process-classes")
                    .arg(format!("-Drollcall.build={}", directory.display())),
            );
        })
    })
}
