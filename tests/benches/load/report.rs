//! The measurements as sections of `RESULTS.md`.

use std::{fmt, time::Duration};

use rollcall_tests::{
    bench::{Rounds, section},
    results,
};

use crate::{
    comparison::{Comparison, Sample},
    members::{self, Members},
    start_up::{self, StartUp},
};

const MIB: f64 = 1024.0 * 1024.0;

const COMPARISONS: &str = "\
## CPU time of the server process per request

Measured at SETUP.
The collector's release binary with its defaults, but without limits of one peer, is compared with a server that only decodes the request and encodes the
same reply: bare hyper for naming, bare tonic for the rest. Each runs in its own process. The same callers load them
alternately in rounds; the table has the medians of the rounds. Every caller waits for its reply before the next call, over
keep-alive HTTP/1.1 for naming and 8 HTTP/2 connections for the rest. The ratio compares CPU time. The machine ran the load
as well, so the rates only show that the server was busy. The p99 is the delay of the collector's answers at half of its rate
(goal: ≤ 25 ms).

| Scenario | Callers | Collector | Bare | Ratio (min – max) | Goal | Collector | Bare | p99 |
|---|--:|--:|--:|--:|--:|--:|--:|--:|";

const START_UP: &str = "\
## A million instances in the store

Measured at SETUP.
The instances were registered over gRPC. Then the collector was stopped and restarted on the same store, which was still in
the system's file cache. Ready is the time from the start of the process until `/readyz` answers 200, when the sizes were
measured.

| | Median (min – max) | Goal |
|---|--:|--:|";

const MEMBERS: &str = "\
## Collectors that share an etcd

Measured at SETUP.
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
    /// Replaces the sections of the measured parts.
    pub(crate) fn save(&self) {
        for (section, text) in self.sections() {
            results::save(section, &text);
        }
    }

    /// The sections of the measured parts, each with its name.
    fn sections(&self) -> Vec<(&'static str, String)> {
        let Self {
            comparisons,
            start_up,
            members,
        } = self;
        let setup = results::setup();
        let mut sections = Vec::new();
        if !comparisons.is_empty() {
            let rows = comparisons.iter().map(row);
            sections.push(("load", section(COMPARISONS, &setup, rows)));
        }
        if let Some(start_up) = start_up {
            let rows = rows(start_up).into_iter();
            sections.push(("start_up", section(START_UP, &setup, rows)));
        }
        if !members.is_empty() {
            let rows = members.iter().map(size);
            sections.push(("members", section(MEMBERS, &setup, rows)));
        }
        sections
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sections()
            .iter()
            .try_for_each(|(_, text)| writeln!(f, "{text}"))
    }
}

fn row(comparison: &Comparison) -> String {
    let Comparison {
        scenario,
        rounds,
        delays,
    } = comparison;
    let collector = |of: fn(&Sample) -> f64| median(rounds.iter().map(|(sample, _)| of(sample)));
    let bare = |of: fn(&Sample) -> f64| median(rounds.iter().map(|(_, sample)| of(sample)));
    let ratios: Rounds = rounds
        .iter()
        .map(|(collector, bare)| collector.cpu / bare.cpu)
        .collect();
    let p99 = delays.map_or(String::new(), |delays| format!("{:.1} ms", delays.p99));
    format!(
        "| {} | {} | {:.1} µs | {:.1} µs | **{:.2}** ({:.2} – {:.2}) | {} | {:.0} /s | {:.0} /s | {p99} |",
        scenario.name,
        scenario.callers,
        collector(|sample| sample.cpu),
        bare(|sample| sample.cpu),
        ratios.median(),
        ratios.least(),
        ratios.most(),
        scenario.goal,
        collector(|sample| sample.rate),
        bare(|sample| sample.rate),
    )
}

fn size(Members { size, rounds }: &Members) -> String {
    let middle = |of: fn(&members::Sample) -> f64| median(rounds.iter().map(of));
    format!(
        "| {size} | {} | {:.0} /s | {:.1} | {:.0} % | {:.1} µs | {:.1} µs | {:.1} µs | {:.1} µs | {:.1} µs |",
        members::CALLERS,
        middle(|sample| sample.rate),
        middle(|sample| sample.rows),
        middle(|sample| sample.conflicts) * 100.0,
        middle(|sample| sample.called),
        middle(|sample| sample.follower),
        middle(|sample| sample.etcd),
        middle(|sample| sample.read),
        middle(|sample| sample.read_alone),
    )
}

fn rows(start_up: &StartUp) -> [String; 6] {
    let StartUp {
        ready,
        empty,
        full,
        strings,
    } = start_up;
    let seconds: Rounds = ready.iter().map(Duration::as_secs_f64).collect();
    let full = median(full.iter().map(|bytes| *bytes as f64));
    let each = (full - *empty as f64) / start_up::INSTANCES as f64;
    let strings = *strings as f64;
    [
        format!(
            "| Ready | **{:.2} s** ({:.2} – {:.2}) | ≤ 1 s |",
            seconds.median(),
            seconds.least(),
            seconds.most(),
        ),
        format!(
            "| Resident, empty store | {:.1} MiB | |",
            *empty as f64 / MIB
        ),
        format!("| Resident, full store | {:.1} MiB | |", full / MIB),
        format!("| Resident per instance | {each:.0} B | |"),
        format!("| Strings per instance | {strings:.0} B | |"),
        format!(
            "| Resident per instance without its strings | **{:.0} B** | ≤ 200 B |",
            each - strings
        ),
    ]
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    values.collect::<Rounds>().median()
}
