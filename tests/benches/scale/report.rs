//! Writes the results as a section of `RESULTS.md` with plots.

use std::fmt;

use rollcall_tests::{
    bench::{Rounds, pace::Delays, plot::Bars, section},
    results,
};

use super::Fleet;

const MIB: f64 = 1024.0 * 1024.0;

const TEXT: &str = "\
## A fleet by its size

`cargo bench -p rollcall-tests --bench scale`, SETUP; load average LOAD before it began.
The stores were written through the storage crate, with 500 instances of agents of 5.x to an application and strings of 74 bytes each,
and were in the system's file cache. The collectors of all fleets ran at the same time, and were loaded in turn; the cells are medians of
the rounds (min – max). A ratio, always to the smallest fleet, is refused if the middle half of the rounds' ratios spans more than a
quarter of their median. CPU is user and system time of the collector. Heartbeats go to all instances of the fleet in no order, from 64
callers over 8 connections. A page has 100 instances; the search is for a text that no name has. For the expiry a collector starts with
a term of 6 s and no spread, so all instances expire at the same moment, with the defaults otherwise; agents request the list of
collectors 800 times a second meanwhile. Then it stops, which writes all of them back.

";

const PLOTS: &str = "
![Resident memory of an instance by the size of the fleet](plots/scale-memory.svg)

![CPU of a heartbeat by the size of the fleet](plots/scale-heartbeat.svg)

![CPU of an instance that expires](plots/scale-expiry.svg)
";

/// The results of one run.
#[derive(Debug)]
pub(crate) struct Report {
    /// The load average of the machine before the first measurement.
    pub(crate) load: String,
    /// Resident memory of a collector without instances, in bytes.
    pub(crate) empty: u64,
    /// The measurements of each fleet, from the smallest fleet to the largest.
    pub(crate) fleets: Vec<Fleet>,
}

impl Report {
    /// Replaces the section and the plots.
    pub(crate) fn save(&self) {
        results::save("scale", &self.to_string());
        let mut memory = Bars::new(
            "Resident memory of an instance, with its strings (74 B)",
            "bytes",
        );
        let mut heartbeat = Bars::new("CPU of a heartbeat to any instance of a fleet", "µs");
        let mut expiry = Bars::new("CPU of an instance that falls silent with all others", "µs");
        for fleet in &self.fleets {
            let name = format!("{} instances", grouped(fleet.size));
            memory.bar(&name, self.each(fleet));
            heartbeat.bar(&name, fleet.calm.heartbeat.clone());
            let each = fleet.expiry.cpu * 1e6 / f64::from(fleet.size);
            expiry.bar(&name, Rounds::from_iter([each]));
        }
        memory.save("scale-memory");
        heartbeat.save("scale-heartbeat");
        expiry.save("scale-expiry");
    }

    /// Resident memory per instance, in bytes.
    fn each(&self, fleet: &Fleet) -> Rounds {
        let each = |resident: f64| (resident - self.empty as f64) / f64::from(fleet.size);
        fleet.resident.iter().map(each).collect()
    }

    fn rows(&self) -> Vec<String> {
        let row = |name: &str, cell: &dyn Fn(&Fleet) -> String| {
            let cells: Vec<_> = self.fleets.iter().map(cell).collect();
            format!("| {name} | {} |", cells.join(" | "))
        };
        let per_instance = |all: f64, fleet: &Fleet| all * 1e6 / f64::from(fleet.size);
        vec![
            row("Store", &|it| format!("{:.0} MiB", it.stored as f64 / MIB)),
            row("Ready after the start of the process", &|it| {
                format!("**{:.2}** s", it.ready)
            }),
            row("Resident when ready", &|it| {
                format!("{:.0} MiB", it.resident.median() / MIB)
            }),
            row("Resident for an instance", &|it| {
                format!("**{:.0} B**", self.each(it).median())
            }),
            row("CPU of a heartbeat", &|it| {
                format!("{:.1} µs", it.calm.heartbeat)
            }),
            row("Ratio (goal: ≤ 1.25)", &|it| {
                self.ratio(it, |calm| &calm.heartbeat)
            }),
            row("CPU of a page", &|it| format!("{:.2} ms", it.calm.page)),
            row("Ratio", &|it| self.ratio(it, |calm| &calm.page)),
            row("A page takes", &|it| {
                format!("{:.2} ms", it.calm.page_takes)
            }),
            row("CPU of a search", &|it| format!("{:.1} ms", it.calm.search)),
            row("A search takes", &|it| {
                format!("{:.1} ms", it.calm.search_takes)
            }),
            row("Naming p99 before the expiry", &|it| p99(it.expiry.before)),
            row("Naming p99 meanwhile", &|it| p99(it.expiry.meanwhile)),
            row("Until all are silent", &|it| {
                format!("{:.1} s", it.expiry.took)
            }),
            row("CPU of one that falls silent", &|it| {
                format!("{:.1} µs", per_instance(it.expiry.cpu, it))
            }),
            row("Growth of resident memory", &|it| {
                format!("{:.0} MiB", it.expiry.growth / MIB)
            }),
            row("CPU of writing one back", &|it| {
                format!("{:.1} µs", per_instance(it.expiry.write_back, it))
            }),
            row("The stop takes", &|it| format!("{:.1} s", it.expiry.stop)),
        ]
    }

    fn ratio(&self, fleet: &Fleet, of: impl Fn(&super::calm::Calm) -> &Rounds) -> String {
        match self.fleets.first() {
            Some(first) if first.size != fleet.size => {
                of(&fleet.calm).ratio(of(&first.calm)).to_string()
            }
            _ => String::new(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: Vec<_> = self
            .fleets
            .iter()
            .map(|fleet| grouped(fleet.size))
            .collect();
        let text = format!(
            "{}| Instances | {} |\n|---|{}",
            TEXT.replace("LOAD", &self.load),
            sizes.join(" | "),
            "--:|".repeat(sizes.len())
        );
        f.write_str(&section(&text, &results::setup(), self.rows()))?;
        f.write_str(PLOTS)
    }
}

fn p99(delays: Option<Delays>) -> String {
    delays.map_or(String::new(), |delays| format!("{:.1} ms", delays.p99))
}

/// The number with commas between groups of three digits, such as `1,000,000`.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
