use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    thread,
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Child, Level, Line, collector_binary, free_addresses, release_binary};
use crate::{PATIENCE, eventually, grpc, http, query};

/// Settings for starting a collector.
#[derive(Clone, Debug, Default)]
pub struct Options {
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    data: Option<PathBuf>,
    wrapper: Vec<String>,
    release: bool,
    patience: Option<Duration>,
}

impl Options {
    /// Adds a command line argument.
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets an environment variable. The collector gets no other variable that begins with `SW_`.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Terms short enough for a test: silent and down this long after the last sign of life.
    pub fn terms(self, silent_after: Duration, down_after: Duration) -> Self {
        let milliseconds = |duration: Duration| format!("{}ms", duration.as_millis());
        self.env("SW_LIVENESS_SILENT_AFTER", milliseconds(silent_after))
            .env("SW_LIVENESS_DOWN_AFTER", milliseconds(down_after))
            .env("SW_LIVENESS_TICK", "100ms")
            .env("SW_LIVENESS_RESTART_SPREAD", "100ms")
    }

    /// Assigns ids at once although agents may hold unknown ones, for tests of such ids.
    pub fn without_listening(self) -> Self {
        self.env("SW_REGISTER_LISTEN_AFTER_LOSS", "never")
    }

    /// Uses this data directory, which is kept, instead of a temporary one.
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data = Some(path.into());
        self
    }

    /// Starts it through another program, whose arguments end with the collector's command line.
    pub fn through(mut self, command: &[&str]) -> Self {
        self.wrapper = command.iter().map(|&part| part.to_owned()).collect();
        self
    }

    /// Starts it with resource limits: arguments of the shell's `ulimit`, such as `-n 64` or `-f 1000`. A write beyond the limit
    /// on file size then fails with an error instead of a signal.
    pub fn ulimit(self, limits: &str) -> Self {
        let script = format!("ulimit {limits} && trap '' XFSZ && exec \"$0\" \"$@\"");
        self.through(&["/bin/sh", "-c", &script])
    }

    /// Waits this long for its start and its end, instead of [`PATIENCE`]: for a store that takes longer to read and to write.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Starts the release build, whatever the test's profile.
    pub fn release(mut self) -> Self {
        self.release = true;
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it is not ready within [`PATIENCE`], with its log.
    pub async fn start(self) -> Collector {
        let own = self
            .data
            .is_none()
            .then(|| TempDir::new().expect("a temporary directory"));
        let data = self
            .data
            .clone()
            .unwrap_or_else(|| own.as_ref().expect("made above").path().join("data"));
        let mut collector = Collector {
            options: self,
            listeners: Listeners::free(),
            child: None,
            data,
            expected: Vec::new(),
            log: Vec::new(),
            _own: own,
        };
        collector.start_again().await;
        collector
    }

    /// Runs it until it ends by itself: for command lines and configurations that do not start a collector.
    ///
    /// # Panics
    /// When it is still running after [`PATIENCE`].
    pub async fn run(self) -> Run {
        let own = TempDir::new().expect("a temporary directory");
        let data = self.data.clone().unwrap_or_else(|| own.path().join("data"));
        let mut child = self.spawn(&data, Listeners::default());
        let status = child.exit(PATIENCE).await;
        Run {
            code: status.code(),
            stdout: child.stdout.end(PATIENCE).await.join("\n"),
            stderr: child.stderr.end(PATIENCE).await.join("\n"),
        }
    }

    fn spawn(&self, data: &Path, listeners: Listeners) -> Child {
        let binary = if self.release {
            release_binary()
        } else {
            collector_binary()
        };
        let mut command = match self.wrapper.split_first() {
            None => Command::new(binary),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary);
                command
            }
        };
        for (name, _) in
            std::env::vars().filter(|(name, _)| name.starts_with("SW_") || name == "RUST_LOG")
        {
            command.env_remove(name);
        }
        for (variable, address) in [
            ("SW_NAMING_JETTY_PORT", listeners.naming),
            ("SW_AGENT_GRPC_PORT", listeners.grpc),
            ("SW_REMOTE_GRPC_PORT", listeners.remote),
            ("SW_AGENT_JETTY_PORT", listeners.jetty),
            ("SW_UI_JETTY_PORT", listeners.ui),
        ] {
            command.env(variable, address.port().to_string());
        }
        // The descriptors of any machine are enough for this; with the default, a collector warns if their limit is low.
        command.env("SW_SERVER_MAX_CONNECTIONS", "4096");
        command.env("SW_NACOS_PORT", "0");
        command.env("SW_STORAGE_PATH", data).envs(&self.environment);
        command.args(["--log-format", "json"]).args(&self.arguments);
        Child::spawn("the collector", &mut command)
    }
}

/// The result of a collector that ended by itself.
#[derive(Debug)]
pub struct Run {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error, which has its log.
    pub stderr: String,
}

/// The addresses of a collector's listeners.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Listeners {
    /// The HTTP endpoints that list collectors: the addresses in an agent's `collector.servers`.
    pub naming: SocketAddr,
    /// The listener for other collectors, whose address identifies the member.
    pub remote: SocketAddr,
    /// Registration over gRPC.
    pub grpc: SocketAddr,
    /// Registration over HTTP.
    pub jetty: SocketAddr,
    /// Probes, metrics, the query API and the console.
    pub ui: SocketAddr,
}

impl Default for Listeners {
    fn default() -> Self {
        let unbound = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            naming: unbound,
            remote: unbound,
            grpc: unbound,
            jetty: unbound,
            ui: unbound,
        }
    }
}

impl Listeners {
    /// Addresses that the collector can bind again after a restart.
    fn free() -> Self {
        let [naming, remote, grpc, jetty, ui] = free_addresses();
        Self {
            naming,
            remote,
            grpc,
            jetty,
            ui,
        }
    }
}

/// A real collector in its own process.
///
/// The log may have no line of level WARN or above and nothing that is not a line of the log (such as a panic), and standard
/// output has to be empty, unless the test has called [`Collector::expect_log`]. Every stop of the collector checks this.
pub struct Collector {
    options: Options,
    listeners: Listeners,
    child: Option<Child>,
    data: PathBuf,
    expected: Vec<String>,
    log: Vec<Line>,
    _own: Option<TempDir>,
}

impl Collector {
    /// A collector with default options.
    pub async fn start() -> Self {
        Options::default().start().await
    }

    /// Options for starting a collector.
    pub fn options() -> Options {
        Options::default()
    }

    /// The addresses of its listeners, which all restarts keep.
    pub fn listeners(&self) -> Listeners {
        self.listeners
    }

    /// The directory of its store.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it is stopped.
    pub fn id(&self) -> u32 {
        self.running().id()
    }

    /// A client of one of its HTTP listeners.
    pub fn http(&self, address: SocketAddr) -> http::Client {
        http::Client::new(address)
    }

    /// A client of its query API.
    pub fn query(&self) -> query::Client {
        query::Client::new(self.listeners.ui)
    }

    /// A new connection to its gRPC listener.
    pub async fn grpc(&self) -> grpc::Client {
        grpc::Client::connect(self.listeners.grpc).await
    }

    /// Allows lines of level WARN and above that contain `text`.
    pub fn expect_log(&mut self, text: impl Into<String>) {
        self.expected.push(text.into());
    }

    /// Its log so far, over all its restarts.
    pub fn log(&self) -> Vec<Line> {
        let running = self.child.iter().flat_map(|child| child.stderr.so_far());
        self.log
            .iter()
            .cloned()
            .chain(running.map(|line| Line::parse(&line)))
            .collect()
    }

    /// Waits for a line of the running collector's log.
    ///
    /// # Panics
    /// When there is none within [`PATIENCE`], or the patience of its options, with the log.
    pub async fn wait_for_log(&self, mut wanted: impl FnMut(&Line) -> bool) -> Line {
        self.running()
            .stderr
            .find(self.options.patience.unwrap_or(PATIENCE), |lines| {
                lines.iter().map(|line| Line::parse(line)).find(&mut wanted)
            })
            .await
            .unwrap_or_else(|lines| panic!("no such line in the log: {lines:#?}"))
    }

    /// Its resident memory now, in bytes.
    ///
    /// # Panics
    /// When it is stopped.
    pub fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// Its largest resident memory since the start, in bytes.
    ///
    /// # Panics
    /// When it is stopped.
    pub fn peak_resident_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))
            .expect("a running collector");
        let line = status
            .lines()
            .find(|line| line.starts_with(field))
            .expect("the resident size of a process");
        let kilobytes = line
            .split_whitespace()
            .nth(1)
            .and_then(|number| number.parse::<u64>().ok());
        kilobytes.expect("a size in kB") * 1024
    }

    /// Kills it (SIGKILL) and returns when it has ended.
    ///
    /// # Panics
    /// When it is stopped, or its log has an unexpected line.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("a running collector");
        child.kill();
        self.keep_log(&child);
        self.check_log();
    }

    /// Sends SIGTERM and waits for its end.
    ///
    /// # Panics
    /// When it is stopped, does not end within [`PATIENCE`], or its log has an unexpected line.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.running().signal(Signal::TERM);
        self.exit().await
    }

    /// Sends a signal without waiting.
    ///
    /// # Panics
    /// When it is stopped.
    pub fn signal(&self, signal: Signal) {
        self.running().signal(signal);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it is stopped, does not end within [`PATIENCE`], or its log has an unexpected line.
    pub async fn exit(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("a running collector");
        let patience = self.options.patience.unwrap_or(PATIENCE);
        let status = child.exit(patience).await;
        self.keep_log(&child);
        self.check_log();
        status
    }

    /// Starts it again on the same data and ports, after killing it if it runs, and waits until it is ready.
    ///
    /// # Panics
    /// When it is not ready within [`PATIENCE`], with its log.
    pub async fn restart(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        self.start_again().await;
    }

    /// Deletes its data directory: the store is lost.
    ///
    /// # Panics
    /// When it runs.
    pub fn lose_store(&mut self) {
        assert!(
            self.child.is_none(),
            "a running collector does not lose its store"
        );
        std::fs::remove_dir_all(&self.data).expect("deleting the data directory");
    }

    async fn start_again(&mut self) {
        self.child = Some(self.options.spawn(&self.data, self.listeners));
        self.listeners = Listeners {
            naming: self.bound("naming").await,
            remote: self.bound("remote").await,
            grpc: self.bound("agent_gRPC").await,
            jetty: self.bound("agent_jetty").await,
            ui: self.bound("ui").await,
        };
        let probe = http::Client::new(self.listeners.ui);
        let patience = self.options.patience.unwrap_or(PATIENCE);
        eventually(patience, async || match probe.get("/readyz").await {
            Ok(reply) if reply.status == 200 => Ok(()),
            other => Err((other, self.log())),
        })
        .await;
    }

    async fn bound(&self, module: &str) -> SocketAddr {
        let line = self
            .wait_for_log(|line| line.message == "listening" && line.text("module") == Some(module))
            .await;
        let address = line
            .text("address")
            .and_then(|address| address.parse().ok());
        address.unwrap_or_else(|| panic!("no address in {line:?}"))
    }

    fn running(&self) -> &Child {
        self.child.as_ref().expect("a running collector")
    }

    fn keep_log(&mut self, child: &Child) {
        self.log
            .extend(child.stderr.so_far().iter().map(|line| Line::parse(line)));
        self.log
            .extend(child.stdout.so_far().iter().map(|line| Line::parse(line)));
    }

    fn check_log(&self) {
        // Many tests end instances, which is a warning for operators. A busy machine can delay the answer of a store at the start.
        let allowed = |line: &Line| {
            let is_late = line.message == "store unavailable at start, retrying"
                && line
                    .text("reason")
                    .is_some_and(|reason| reason.ends_with("no answer in time"));
            let departures = [
                "instance down",
                "service instance lost",
                "service instance unhealthy",
            ];
            let more = [
                "more instances down",
                "more service instances lost",
                "more service instances unhealthy",
            ];
            is_late
                || departures.contains(&&*line.message)
                || more.contains(&&*line.message)
                || self.expected.iter().any(|text| line.message.contains(text))
        };
        let bad = self
            .log
            .iter()
            .filter(|line| line.level >= Level::Warn && !allowed(line))
            .collect::<Vec<_>>();
        assert!(
            bad.is_empty(),
            "the collector's log has unexpected lines: {bad:#?}"
        );
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill();
            self.keep_log(&child);
        }
        if thread::panicking() {
            eprintln!("the collector's log: {:#?}", self.log);
        } else {
            self.check_log();
        }
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector")
            .field("child", &self.child)
            .field("listeners", &self.listeners)
            .finish_non_exhaustive()
    }
}
