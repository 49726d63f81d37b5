//! Writes the measurements as the text of `RESULTS.md`.

use std::{fmt, fs, path::Path, process::Command, thread, time::Duration};

use crate::{
    comparison::{Comparison, Sample},
    members::{self, Members},
    start_up::{self, StartUp},
};

const MIB: f64 = 1024.0 * 1024.0;

const COMPARISONS: &str = "\
## CPU time of the server process per request

The collector's release binary with its defaults is compared with a server that only decodes the request and encodes the
same reply: bare hyper for naming, bare tonic for the rest. Each runs in its own process. The same callers load them
alternately in rounds; the table has the medians of the rounds. Every caller waits for its reply before the next call, over
keep-alive HTTP/1.1 for naming and 8 HTTP/2 connections for the rest. The ratio compares CPU time. The machine ran the load
as well, so the rates only show that the server was busy.

| Scenario | Callers | Collector | Bare | Ratio (min – max) | Limit | Collector | Bare |
|---|--:|--:|--:|--:|--:|--:|--:|";

const START_UP: &str = "\
## A million instances in the store

The instances were registered over gRPC. Then the collector was stopped and restarted on the same store, which was still in
the system's file cache. Ready is the time from the start of the process until `/readyz` answers 200, when the sizes were
measured.

| | Median (min – max) | Limit |
|---|--:|--:|";

const MEMBERS: &str = "\
## Collectors that share an etcd

Clusters with one, three and five loaded members on one etcd server were measured alternately. Each has one more member, the
follower, which gets no calls. Callers registered new applications at the loaded members and then requested a known application
there; the table has the medians of the rounds. All processes and the load shared the cores, so the rates do not apply to
clusters with a machine per member. CPU time per registration is the cost. The column of the follower is the cost of an
additional member without calls. The last two columns compare a read at all members, the follower included, with a read at
as many collectors with separate stores. Both grow with the size, because the same callers wake more processes on the same
cores.

| Loaded members | Callers | Registrations | Rows per commit | Conflicting commits | CPU, loaded members | CPU, follower | CPU, etcd | CPU, known application | The same, separate stores |
|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|";

/// The results of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) comparisons: Vec<Comparison>,
    pub(crate) start_up: Option<StartUp>,
    pub(crate) members: Vec<Members>,
}

impl Report {
    /// Writes the report to `benches/RESULTS.md`.
    pub(crate) fn save(&self) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/RESULTS.md");
        fs::write(&path, self.to_string()).expect("writing the results");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Results\n\n{}", machine())?;
        if !self.comparisons.is_empty() {
            writeln!(f, "\n{COMPARISONS}")?;
            self.comparisons
                .iter()
                .try_for_each(|comparison| row(f, comparison))?;
        }
        if let Some(start_up) = &self.start_up {
            table(f, start_up)?;
        }
        if !self.members.is_empty() {
            writeln!(f, "\n{MEMBERS}")?;
        }
        self.members.iter().try_for_each(|members| size(f, members))
    }
}

fn row(f: &mut fmt::Formatter<'_>, comparison: &Comparison) -> fmt::Result {
    let Comparison { scenario, rounds } = comparison;
    let collector = |of: fn(&Sample) -> f64| median(rounds.iter().map(|(sample, _)| of(sample)));
    let bare = |of: fn(&Sample) -> f64| median(rounds.iter().map(|(_, sample)| of(sample)));
    let ratios = || {
        rounds
            .iter()
            .map(|(collector, bare)| collector.cpu / bare.cpu)
    };
    writeln!(
        f,
        "| {} | {} | {:.1} µs | {:.1} µs | **{:.2}** ({:.2} – {:.2}) | {:.1} | {:.0} /s | {:.0} /s |",
        scenario.name,
        scenario.callers,
        collector(|sample| sample.cpu),
        bare(|sample| sample.cpu),
        median(ratios()),
        ratios().fold(f64::INFINITY, f64::min),
        ratios().fold(0.0, f64::max),
        scenario.target,
        collector(|sample| sample.rate),
        bare(|sample| sample.rate),
    )
}

fn size(f: &mut fmt::Formatter<'_>, Members { size, rounds }: &Members) -> fmt::Result {
    let middle = |of: fn(&members::Sample) -> f64| median(rounds.iter().map(of));
    writeln!(
        f,
        "| {size} | {} | {:.0} /s | {:.1} | {:.0} % | {:.1} µs | {:.1} µs | {:.1} µs | {:.1} µs | {:.1} µs |",
        members::CALLERS,
        middle(|sample| sample.rate),
        middle(|sample| sample.rows),
        middle(|sample| sample.behind) * 100.0,
        middle(|sample| sample.called),
        middle(|sample| sample.follower),
        middle(|sample| sample.etcd),
        middle(|sample| sample.read),
        middle(|sample| sample.read_alone),
    )
}

fn table(f: &mut fmt::Formatter<'_>, start_up: &StartUp) -> fmt::Result {
    let StartUp {
        ready,
        empty,
        full,
        strings,
    } = start_up;
    let seconds = || ready.iter().map(Duration::as_secs_f64);
    let full = median(full.iter().map(|bytes| *bytes as f64));
    let each = (full - *empty as f64) / start_up::INSTANCES as f64;
    writeln!(f, "\n{START_UP}")?;
    writeln!(
        f,
        "| Ready | **{:.2} s** ({:.2} – {:.2}) | 3 s |",
        median(seconds()),
        seconds().fold(f64::INFINITY, f64::min),
        seconds().fold(0.0, f64::max),
    )?;
    writeln!(
        f,
        "| Resident, empty store | {:.1} MiB | |",
        *empty as f64 / MIB
    )?;
    writeln!(f, "| Resident, full store | {:.1} MiB | |", full / MIB)?;
    writeln!(f, "| Resident per instance | {each:.0} B | |")?;
    writeln!(f, "| Strings per instance | {strings} B | |")?;
    writeln!(
        f,
        "| Resident per instance without its strings | **{:.0} B** | 400 B |",
        each - *strings as f64
    )
}

/// The median; of an even number of values, the upper one of the middle two.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values = values.collect::<Vec<_>>();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The commit and the machine of the measurement.
fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "Commit {}; {} cores of {}; Linux {}.",
        commit(),
        thread::available_parallelism().map_or(0, usize::from),
        model.map_or("an unknown CPU", |(_, model)| model.trim()),
        kernel.trim(),
    )
}

fn commit() -> String {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".into(),
    }
}
