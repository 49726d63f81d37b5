use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use super::{Child, Collector, Listeners, collector_binary, release_binary};
use crate::{PATIENCE, engine::directory_in_memory};

/// Settings for starting a collector.
#[derive(Clone, Debug, Default)]
pub struct Options {
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    data: Option<PathBuf>,
    wrapper: Vec<String>,
    release: bool,
    is_on_disk: bool,
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

    /// Sets terms that are short enough for a test: instances become silent and down this long after their last signal.
    pub fn terms(self, silent_after: Duration, down_after: Duration) -> Self {
        let milliseconds = |duration: Duration| format!("{}ms", duration.as_millis());
        self.env("SW_LIVENESS_SILENT_AFTER", milliseconds(silent_after))
            .env("SW_LIVENESS_DOWN_AFTER", milliseconds(down_after))
            .env("SW_LIVENESS_TICK", "100ms")
            .env("SW_LIVENESS_RESTART_SPREAD", "100ms")
    }

    /// Turns off the listening period, so that the collector assigns ids at once even though agents may hold unknown ids. For tests
    /// of such ids.
    pub fn without_listening(self) -> Self {
        self.env("SW_REGISTER_LISTEN_AFTER_LOSS", "never")
    }

    /// Uses this data directory instead of a temporary one. The directory is not deleted.
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data = Some(path.into());
        self
    }

    /// Starts the collector through another program, whose arguments end with the collector's command line.
    pub fn through(mut self, command: &[&str]) -> Self {
        self.wrapper = command.iter().map(|&part| part.to_owned()).collect();
        self
    }

    /// Starts the collector with resource limits, given as arguments of the shell's `ulimit`, such as `-n 64` or `-f 1000`. A write
    /// beyond the file size limit fails with an error instead of a signal. [`Collector::lift_limit`] lifts a limit with `-S`.
    pub fn ulimit(self, limits: &str) -> Self {
        let script = format!("ulimit {limits} && exec \"$0\" \"$@\"");
        self.through(&["/bin/sh", "-c", &script])
    }

    /// Waits this long for the start and the end of the collector, instead of [`PATIENCE`]. For stores that take longer to read and
    /// write.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Keeps the data on a disk, for measurements. Other collectors keep them in memory where there is room.
    pub fn on_disk(mut self) -> Self {
        self.is_on_disk = true;
        self
    }

    /// Starts the release build, independent of the test's profile.
    pub fn release(mut self) -> Self {
        self.release = true;
        self
    }

    /// Starts the collector and waits until it is ready.
    ///
    /// # Panics
    /// When it is not ready within [`PATIENCE`], with its log.
    pub async fn start(self) -> Collector {
        let own = self.data.is_none().then(|| self.own_directory());
        let data = self
            .data
            .clone()
            .unwrap_or_else(|| own.as_ref().expect("made above").path().join("data"));
        Collector::start_with(self, data, own).await
    }

    /// Starts the collector with its data in this directory, and does not wait. For tests of the start itself.
    pub fn launch(&self, data: &Path) -> (Child, Listeners) {
        let listeners = Listeners::free();
        (self.spawn(data, listeners), listeners)
    }

    /// Runs the program until it ends by itself. For command lines and configurations that do not start a collector.
    ///
    /// # Panics
    /// When the program is still running after [`PATIENCE`], or the patience of the options.
    pub async fn run(self) -> Run {
        let own = TempDir::new().expect("a temporary directory");
        let data = self.data.clone().unwrap_or_else(|| own.path().join("data"));
        let mut child = self.spawn(&data, Listeners::default());
        let status = child.exit(self.within()).await;
        Run {
            code: status.code(),
            stdout: child.stdout.so_far().join("\n"),
            stderr: child.stderr.so_far().join("\n"),
        }
    }

    fn own_directory(&self) -> TempDir {
        if !self.is_on_disk {
            return directory_in_memory();
        }
        // The system's temporary directory is often in memory.
        let executable = std::env::current_exe().expect("the path of this program");
        let beside = executable.parent().expect("a directory");
        TempDir::new_in(beside).expect("a temporary directory")
    }

    /// The longest time for the start and for the end of the collector.
    pub(super) fn within(&self) -> Duration {
        self.patience.unwrap_or(PATIENCE)
    }

    pub(super) fn spawn(&self, data: &Path, listeners: Listeners) -> Child {
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
        // Every machine has enough descriptors for this value. With the default, a collector warns if the limit of descriptors is
        // low.
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
