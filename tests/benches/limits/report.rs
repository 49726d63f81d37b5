//! The results as a section of `RESULTS.md`, and its plots.

use std::fmt::{self, Write as _};

use rollcall_tests::{
    bench::{Rounds, plot::Bars, section},
    results,
};

use super::{
    connections::Kind,
    handshakes::{Both, Handshakes},
    keepalives::Held,
    rates::Rate,
};

const KIB: f64 = 1024.0;

/// The goal for the memory of an idle connection, in KiB.
const GOAL: f64 = 16.0;

/// The number of connections to which figures are extrapolated.
const MANY: f64 = 100_000.0;

const TEXT: &str = "\
## What a connection costs, and the largest rates

`cargo bench -p rollcall-tests --bench limits`, SETUP; load average LOAD before it began.
The release binary and its clients shared the machine; cells are medians of the rounds (min – max). CPU is user and system time of the
collector. Memory is the growth of its resident memory, without the kernel's buffers.

| Idle connection | Resident | Goal |
|---|--:|--:|";

const KEEPALIVES: &str = "
As many connections as the limit on open files of one process allowed, from 8 addresses, idle for a minute. The collector pings an
HTTP/2 connection after 30 s without a frame, and asks a Nacos client after 20 s whether it is there. The last two columns extrapolate to
100,000 connections.

| Idle connections | Number | Resident each | CPU each in a minute | Memory of 100,000 | Share of one core |
|---|--:|--:|--:|--:|--:|";

const HANDSHAKES: &str = "
A connection is opened, makes one naming GET and is closed; 16 clients at a time, on one port. TLS makes full handshakes, which are not
resumed. A ratio is refused if the middle half of the rounds' ratios spans more than a quarter of their median.

| New connections | Reached together with the clients | CPU each | Ratio |
|---|--:|--:|--:|";

const RATES: &str = "
Every caller waits for its answer: 64 over HTTP/1.1, 256 over 16 HTTP/2 connections. The last column is the rate at which the collector
would use one core, from the CPU of a call.

| Known calls | Reached together with the callers | CPU each | One core |
|---|--:|--:|--:|";

const PLOTS: &str = "
![Resident memory of an idle connection](plots/limits-connections.svg)

![CPU of a new connection with and without TLS](plots/limits-handshakes.svg)
";

/// The results of one run.
#[derive(Debug)]
pub(crate) struct Report {
    /// The load average of the machine before the first measurement.
    pub(crate) load: String,
    pub(crate) idle: Vec<(Kind, Rounds)>,
    pub(crate) keepalives: Vec<Held>,
    pub(crate) handshakes: Both,
    pub(crate) rates: Vec<Rate>,
}

impl Report {
    /// Replaces the section and the plots.
    pub(crate) fn save(&self) {
        results::save("limits", &self.to_string());
        let title = "Resident memory of an idle connection";
        let mut idle = Bars::new(title, "KiB").goal(GOAL);
        for (kind, bytes) in &self.idle {
            idle.bar(kind.name(), kib(bytes));
        }
        idle.save("limits-connections");
        let title = "CPU of a new connection with one naming GET";
        let mut handshakes = Bars::new(title, "µs");
        handshakes.bar("without TLS", self.handshakes.plain.cpu.clone());
        handshakes.bar("with TLS", self.handshakes.tls.cpu.clone());
        handshakes.save("limits-handshakes");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let idle = self.idle.iter().map(|(kind, bytes)| {
            format!("| {} | {:.1} KiB | ≤ {GOAL} KiB |", kind.name(), kib(bytes))
        });
        let text = TEXT.replace("LOAD", &self.load);
        let mut text = section(&text, &results::setup(), idle);
        text.push_str(&section(KEEPALIVES, "", self.keepalives.iter().map(held)));
        let Both { plain, tls } = &self.handshakes;
        let ratio = tls.cpu.ratio(&plain.cpu).to_string();
        let rows = [
            handshakes("without TLS", plain, ""),
            handshakes("with TLS", tls, &ratio),
        ];
        text.push_str(&section(HANDSHAKES, "", rows));
        text.push_str(&section(RATES, "", self.rates.iter().map(rate)));
        text.push_str(PLOTS);
        f.write_str(&text)
    }
}

fn kib(bytes: &Rounds) -> Rounds {
    bytes.iter().map(|bytes| bytes / KIB).collect()
}

fn held(held: &Held) -> String {
    let mut row = format!(
        "| {} | {} (open after {:.1} s) | {:.1} KiB | {:.0} µs |",
        held.kind.name(),
        held.connections,
        held.opening,
        held.resident / KIB,
        held.cpu,
    );
    write!(
        row,
        " {:.1} GiB | {:.1} % |",
        held.resident * MANY / KIB.powi(3),
        held.cpu * MANY / 60e6 * 100.0,
    )
    .expect("writing to a string");
    row
}

fn handshakes(name: &str, Handshakes { rate, cpu }: &Handshakes, ratio: &str) -> String {
    format!("| {name} | {rate:.0} /s | {cpu:.0} µs | {ratio} |")
}

fn rate(Rate { name, rate, cpu }: &Rate) -> String {
    let one_core = 1e6 / cpu.median();
    format!("| {name} | {rate:.0} /s | {cpu:.1} µs | {one_core:.0} /s |")
}
