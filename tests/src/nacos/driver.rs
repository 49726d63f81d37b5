use std::{
    collections::BTreeMap,
    fmt, fs,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::process::Child;

/// The longest time until a client has started on a busy machine.
const START: Duration = Duration::from_secs(90);

/// The longest time of one call. It is longer than the client's own deadline with its retries.
const CALL: Duration = Duration::from_secs(20);

/// An instance in a client's report.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// `IP:PORT`.
    pub address: String,
    /// Its weight.
    pub weight: f64,
    /// Whether it is healthy.
    pub healthy: bool,
    /// Its metadata.
    pub metadata: BTreeMap<String, String>,
}

impl Host {
    fn parse(text: &str) -> Self {
        let parts = text.splitn(4, '/').collect::<Vec<_>>();
        let [address, weight, health, metadata] = parts[..] else {
            panic!("no host: {text:?}");
        };
        let entries = metadata
            .split(',')
            .filter_map(|entry| entry.split_once('='));
        Self {
            address: address.to_owned(),
            weight: weight
                .parse()
                .unwrap_or_else(|error| panic!("{error}: {text:?}")),
            healthy: health == "healthy",
            metadata: entries
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
    }
}

/// A running driver and the client in it.
pub struct Driver {
    child: Child,
    home: TempDir,
    /// The number of output lines up to and including the last answer.
    answered: usize,
}

impl Driver {
    pub(super) async fn new(child: Child, home: TempDir) -> Result<Self, String> {
        let mut driver = Self {
            child,
            home,
            answered: 0,
        };
        driver.answer(START).await?;
        Ok(driver)
    }

    /// Sends a command and waits for the answer.
    ///
    /// # Errors
    /// The client's error, or its output if it did not answer.
    pub async fn run(&mut self, command: &str) -> Result<String, String> {
        self.child.write_line(command);
        let answer = self.answer(CALL).await;
        match answer {
            Ok(line) if line.starts_with("error ") => Err(line),
            Ok(line) => Ok(line),
            Err(error) => Err(format!("{command}: {error}")),
        }
    }

    /// Makes the client list the instances of a service.
    ///
    /// # Errors
    /// As [`Driver::run`].
    pub async fn list(&mut self, service: &str) -> Result<Vec<Host>, String> {
        let line = self.run(&format!("list {service}")).await?;
        Ok(line.split(' ').skip(2).map(Host::parse).collect())
    }

    /// All lists that the client has reported for a subscribed service, in order.
    pub fn changes(&self, service: &str) -> Vec<Vec<Host>> {
        let lines = self.child.stdout.so_far();
        let lines = lines.iter().filter_map(|line| changed(line, service));
        lines.collect()
    }

    /// Waits until `wanted` accepts the client's last report of a service, and returns the elapsed time.
    ///
    /// # Errors
    /// The last report, after `within`.
    pub async fn reports(
        &self,
        service: &str,
        within: Duration,
        wanted: impl Fn(&[Host]) -> bool,
    ) -> Result<Duration, String> {
        let start = Instant::now();
        let found = self.child.stdout.find(within, |lines| {
            let last = lines.iter().rev().find_map(|line| changed(line, service))?;
            wanted(&last).then_some(())
        });
        match found.await {
            Ok(()) => Ok(start.elapsed()),
            Err(_) => Err(format!(
                "the last report is {:?}",
                self.changes(service).last()
            )),
        }
    }

    /// The errors that the client has logged.
    pub fn errors(&self) -> Vec<String> {
        let mut lines = self.child.stderr.so_far();
        lines.extend(self.files().lines().map(str::to_owned));
        lines.retain(|line| line.contains("ERROR") || line.contains("Traceback"));
        lines
    }

    /// The whole output, for failure messages.
    pub fn output(&self) -> Vec<String> {
        let mut lines = self.child.stdout.so_far();
        lines.extend(self.child.stderr.so_far());
        lines.extend(self.files().lines().map(str::to_owned));
        lines
    }

    /// Kills the driver (SIGKILL).
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// The contents of the log files in the driver's directory.
    fn files(&self) -> String {
        let entries = fs::read_dir(&self.home).expect("a readable directory");
        let paths = entries.map(|entry| entry.expect("a readable directory").path());
        let logs = paths.filter(|path| path.extension().is_some_and(|end| end == "log"));
        logs.filter_map(|path| fs::read_to_string(path).ok())
            .collect()
    }

    /// The next answer line.
    async fn answer(&mut self, within: Duration) -> Result<String, String> {
        let answered = self.answered;
        let found = self.child.stdout.find(within, |lines| {
            let mut lines = lines.iter().enumerate().skip(answered);
            lines
                .find(|(_, line)| {
                    ["ready", "ok ", "hosts ", "error "]
                        .iter()
                        .any(|start| line.starts_with(start))
                })
                .map(|(index, line)| (index, line.clone()))
        });
        match found.await {
            Ok((index, line)) => {
                self.answered = index + 1;
                Ok(line)
            }
            Err(_) => Err(format!("no answer; it wrote {:#?}", self.output())),
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.child.fmt(f)
    }
}

fn changed(line: &str, service: &str) -> Option<Vec<Host>> {
    let mut words = line.split(' ');
    let is_change = words.next() == Some("changed") && words.next() == Some(service);
    is_change.then(|| words.map(Host::parse).collect())
}
