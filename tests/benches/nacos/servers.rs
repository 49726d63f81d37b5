//! The measured servers, on the loopback address.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rollcall_tests::{
    PATIENCE, eventually,
    nacos::{self, Faces, Http},
    process::{Child as Program, Collector, cpu_time, nacos_addresses},
};
use tempfile::TempDir;

use crate::options::Options;

/// The version of r-nacos that is installed and measured.
pub(crate) const RNACOS: &str = "0.8.8";

/// The largest share of one core that a server may use without clients.
const IDLE: f64 = 0.2;
/// The pause before the CPU of an idle server is measured, and the duration of that measurement.
const WATCHED: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Collector,
    RNacos,
    Bare,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Collector, Self::RNacos, Self::Bare];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Collector => "the collector",
            Self::RNacos => "r-nacos",
            Self::Bare => "the bare servers",
        }
    }
}

/// A running server. It stops when the value is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) kind: Kind,
    process: Process,
    pub(crate) faces: Faces,
}

#[derive(Debug)]
enum Process {
    Collector(Box<Collector>),
    RNacos { child: Child, _home: TempDir },
    Bare(Program),
}

impl Server {
    pub(crate) async fn start(kind: Kind, options: &Options) -> Self {
        match kind {
            Kind::Collector => {
                // All clients have one address, so the usual limit per address would leave changes out of the timeline.
                let collector = Collector::options()
                    .on_disk()
                    .env("SW_TIMELINE_PER_PEER", "100000000");
                let (collector, faces) = nacos::collector(collector.release()).await;
                Self {
                    kind,
                    process: Process::Collector(Box::new(collector)),
                    faces,
                }
            }
            Kind::RNacos => start_rnacos(options).await,
            Kind::Bare => start_bare().await,
        }
    }

    /// Whether the server uses almost no CPU while no client is connected.
    pub(crate) async fn is_idle(&self) -> bool {
        tokio::time::sleep(WATCHED).await;
        let before = self.cpu();
        tokio::time::sleep(WATCHED).await;
        (self.cpu() - before).as_secs_f64() < IDLE * WATCHED.as_secs_f64()
    }

    fn id(&self) -> u32 {
        match &self.process {
            Process::Collector(collector) => collector.id(),
            Process::RNacos { child, .. } => child.id(),
            Process::Bare(child) => child.id(),
        }
    }

    /// The CPU time of all threads of the server so far, in user and kernel mode.
    pub(crate) fn cpu(&self) -> Duration {
        cpu_time(self.id())
    }

    /// The resident memory of the server, in bytes.
    pub(crate) fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.expect("a running server");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let size = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        size.expect("a size in kB") * 1024.0
    }
}

/// Starts r-nacos with its defaults, except that it has no console and logs only warnings.
async fn start_rnacos(options: &Options) -> Server {
    let (http, grpc) = nacos_addresses();
    let home = TempDir::new().expect("a temporary directory");
    let child = Command::new(options.rnacos.clone().unwrap_or_else(installed))
        .env("RNACOS_SDK_HOST", "127.0.0.1")
        .env("RNACOS_HTTP_PORT", http.port().to_string())
        .env("RNACOS_GRPC_PORT", grpc.port().to_string())
        .env("RNACOS_HTTP_CONSOLE_PORT", "0")
        .env("RNACOS_DATA_DIR", home.path())
        .env("RUST_LOG", "warn")
        .current_dir(&home)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starting r-nacos");
    let process = Process::RNacos { child, _home: home };
    let faces = Faces { http, grpc };
    let client = Http::new(http);
    eventually(PATIENCE, async || {
        let list = "/nacos/v1/ns/instance/list?serviceName=none";
        let reply = client.call("GET", list, None, &Default::default()).await;
        reply.map(drop)
    })
    .await;
    Server {
        kind: Kind::RNacos,
        process,
        faces,
    }
}

async fn start_bare() -> Server {
    let program = std::env::current_exe().expect("the path of this program");
    let mut command = Command::new(program);
    let child = Program::spawn("the bare servers", command.arg("--bare"));
    let addresses = |lines: &[String]| {
        let mut lines = lines.iter().map(|line| line.parse().ok());
        let (http, grpc) = (lines.next()??, lines.next()??);
        Some(Faces { http, grpc })
    };
    let faces = child.stdout.find(PATIENCE, addresses).await;
    let faces = faces.unwrap_or_else(|lines| panic!("no addresses in {lines:?}"));
    Server {
        kind: Kind::Bare,
        process: Process::Bare(child),
        faces,
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Self::RNacos { child, .. } = self {
            child.kill().expect("killing a child of this process");
            child.wait().expect("waiting for a child of this process");
        }
    }
}

/// The binary of r-nacos, in a temporary directory outside this repository. It is installed there first if it does not exist.
fn installed() -> PathBuf {
    let root = std::env::temp_dir().join(format!("rollcall-rnacos-{RNACOS}"));
    let binary = root.join("bin/rnacos");
    if !binary.exists() {
        eprintln!("installing r-nacos {RNACOS}: this takes several minutes");
        let mut install = Command::new(env!("CARGO"));
        install
            .args([
                "install",
                "rnacos",
                "--locked",
                "--version",
                RNACOS,
                "--root",
            ])
            .arg(&root)
            .arg("--target-dir")
            .arg(root.join("target"));
        let status = install.status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "the installation of r-nacos failed"
        );
    }
    binary
}
