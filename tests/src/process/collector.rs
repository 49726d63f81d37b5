//! A collector in a process of its own: starts, stops and restarts it, and checks its log.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitStatus,
    thread,
};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use tempfile::TempDir;

use super::{Child, Level, Line, Listeners, Options};
use crate::{eventually, grpc, http, query};

/// A real collector in its own process.
///
/// Unless the test has called [`Collector::expect_log`], the log must have no line of level WARN or above and no text that is not a
/// log line (such as a panic), and standard output must be empty. Every stop of the collector checks this.
pub struct Collector {
    options: Options,
    listeners: Listeners,
    child: Option<Child>,
    data: PathBuf,
    /// The texts of allowed warnings and errors.
    expected: Vec<String>,
    /// Whether every warning is allowed.
    expects_warnings: bool,
    /// The output of the processes that have ended.
    log: Vec<Line>,
    /// Deletes the data directory, unless the test has given one.
    _temporary: Option<TempDir>,
}

/// Warnings that are always allowed, because many tests end instances. The collector logs each such end for operators.
const DEPARTURES: [&str; 6] = [
    "instance down",
    "more instances down",
    "service instance lost",
    "more service instances lost",
    "service instance unhealthy",
    "more service instances unhealthy",
];

/// What a collector logs while the engine that is its store or its coordinator does not answer. Which of them it logs depends on what
/// it does at that moment.
const OUTAGE: [&str; 9] = [
    "until the store is back",
    "the last known members stay",
    "the log of the store was not shortened",
    "stop not confirmed by the coordinator",
    "could not write back",
    "a commit failed, its changes are refused",
    "changes of other collectors could not be read",
    "instances of other collectors cannot be read",
    "changes of Nacos instances could not be published",
];

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

    /// The address of its HTTP face for Nacos clients.
    ///
    /// # Panics
    /// When the face is not listening within [`PATIENCE`](crate::PATIENCE), or the patience of the options.
    pub async fn nacos(&self) -> SocketAddr {
        self.address_of("nacos").await
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
    ///
    /// # Panics
    /// When `text` is empty, because that would also allow panics.
    pub fn expect_log(&mut self, text: impl Into<String>) {
        let text = text.into();
        assert!(!text.is_empty(), "an empty text allows every line");
        self.expected.push(text);
    }

    /// Allows the lines about an engine that is its store or its coordinator, and that it cannot reach for a time.
    pub fn expect_outage(&mut self) {
        for text in OUTAGE {
            self.expect_log(text);
        }
    }

    /// Allows every line of level WARN, for a test that causes many kinds of trouble. Errors and panics remain unexpected.
    pub fn expect_warnings(&mut self) {
        self.expects_warnings = true;
    }

    /// The log so far, including that of earlier starts.
    pub fn log(&self) -> Vec<Line> {
        let running = self.child.iter().flat_map(|child| child.stderr.so_far());
        let running = running.map(|line| Line::parse(&line));
        self.log.iter().cloned().chain(running).collect()
    }

    /// Waits for a line of the running collector's log that `wanted` accepts.
    ///
    /// # Panics
    /// When no such line appears within [`PATIENCE`](crate::PATIENCE), or the patience of the options, with the log.
    pub async fn wait_for_log(&self, mut wanted: impl FnMut(&Line) -> bool) -> Line {
        self.running()
            .stderr
            .find(self.options.within(), |lines| {
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

    /// A size in the process's status, in bytes.
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

    /// Lifts a resource limit that [`Options::ulimit`] has lowered with `-S`.
    ///
    /// # Panics
    /// When it is stopped.
    pub fn lift_limit(&self, resource: Resource) {
        let hard = getrlimit(resource).maximum;
        let lifted = Rlimit {
            current: hard,
            maximum: hard,
        };
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        prlimit(id, resource, lifted).expect("a limit that this process has, too");
    }

    /// Kills the collector (SIGKILL) and returns when the process has ended.
    ///
    /// # Panics
    /// When it is stopped, or its log has an unexpected line.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("a running collector");
        child.kill();
        self.keep_output(&child);
        self.check_log();
    }

    /// Sends SIGTERM and waits for its end.
    ///
    /// # Panics
    /// When it is stopped, does not end within [`PATIENCE`](crate::PATIENCE), or its log has an unexpected line.
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
    /// When it is stopped, does not end within [`PATIENCE`](crate::PATIENCE), or its log has an unexpected line.
    pub async fn exit(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("a running collector");
        let status = child.exit(self.options.within()).await;
        self.keep_output(&child);
        self.check_log();
        status
    }

    /// Starts the collector again with the same data and ports, and waits until it is ready. A running collector is killed first.
    ///
    /// # Panics
    /// When it is not ready within [`PATIENCE`](crate::PATIENCE), with its log.
    pub async fn restart(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        self.spawn().await;
    }

    /// Deletes the data directory, so that the store is lost.
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

    /// Starts a collector with these options and data, and waits until it is ready. The directory `temporary` is deleted with this
    /// value.
    pub(super) async fn start_with(
        options: Options,
        data: PathBuf,
        temporary: Option<TempDir>,
    ) -> Self {
        let mut collector = Self {
            options,
            listeners: Listeners::free(),
            child: None,
            data,
            expected: Vec::new(),
            expects_warnings: false,
            log: Vec::new(),
            _temporary: temporary,
        };
        collector.spawn().await;
        collector
    }

    /// Starts the process, and waits until it is ready.
    async fn spawn(&mut self) {
        self.child = Some(self.options.spawn(&self.data, self.listeners));
        self.listeners = Listeners {
            naming: self.address_of("naming").await,
            remote: self.address_of("remote").await,
            grpc: self.address_of("agent_gRPC").await,
            jetty: self.address_of("agent_jetty").await,
            ui: self.address_of("ui").await,
        };
        let probe = http::Client::new(self.listeners.ui);
        eventually(self.options.within(), async || {
            match probe.get("/readyz").await {
                Ok(reply) if reply.status == 200 => Ok(()),
                other => Err((other, self.log())),
            }
        })
        .await;
    }

    /// The address of a listener, from the log of the running collector.
    async fn address_of(&self, module: &str) -> SocketAddr {
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

    /// Adds the output of an ended process to the log. A line on standard output counts as an unexpected line of the log.
    fn keep_output(&mut self, child: &Child) {
        for output in [&child.stderr, &child.stdout] {
            let lines = output.so_far();
            self.log.extend(lines.iter().map(|line| Line::parse(line)));
        }
    }

    /// Checks that the output of the ended processes has no unexpected line.
    fn check_log(&self) {
        let is_unexpected = |line: &&Line| line.level >= Level::Warn && !self.allows(line);
        let unexpected: Vec<_> = self.log.iter().filter(is_unexpected).collect();
        assert!(
            unexpected.is_empty(),
            "the collector's log has unexpected lines: {unexpected:#?}"
        );
    }

    /// Whether a line of level WARN or above is allowed: by the test, or always.
    fn allows(&self, line: &Line) -> bool {
        // A busy machine can delay an engine's answer.
        let is_about_engine = line.message == "store unavailable at start, retrying"
            || OUTAGE.iter().any(|text| line.message.contains(text));
        let is_late_engine = is_about_engine
            && ["error", "reason"].iter().any(|field| {
                let why = line.text(field);
                why.is_some_and(|why| why.contains("no answer in time"))
            });
        // A small machine has less memory than the default budgets.
        let is_small_machine = line
            .message
            .starts_with("the memory budgets together exceed what the process may use");
        is_late_engine
            || is_small_machine
            || DEPARTURES.contains(&&*line.message)
            || line.level == Level::Warn && self.expects_warnings
            || self.expected.iter().any(|text| line.message.contains(text))
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill();
            self.keep_output(&child);
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
