//! The table, and its section of `RESULTS.md`.

use std::fmt;

use rollcall_tests::results;

use crate::{
    measures::{Goal, MEASURES, Measure, Round},
    servers::{Kind, RNACOS},
};

/// The measured rounds of all three kinds of servers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    collector: Side,
    rnacos: Side,
    bare: Side,
}

#[derive(Clone, Debug, Default)]
struct Side {
    rounds: Vec<Round>,
    discarded: usize,
}

impl Report {
    pub(crate) fn add(&mut self, kind: Kind, round: Round, discarded: usize) {
        self.discard(kind, discarded);
        self.side(kind).rounds.push(round);
    }

    pub(crate) fn discard(&mut self, kind: Kind, discarded: usize) {
        self.side(kind).discarded += discarded;
    }

    fn side(&mut self, kind: Kind) -> &mut Side {
        match kind {
            Kind::Collector => &mut self.collector,
            Kind::RNacos => &mut self.rnacos,
            Kind::Bare => &mut self.bare,
        }
    }

    /// Replaces the section of `benches/RESULTS.md`.
    pub(crate) fn save(&self) {
        results::save("nacos", &self.to_string());
    }
}

impl Side {
    fn values(&self, place: usize) -> Vec<f64> {
        let values = self.rounds.iter().map(|round| round[place]);
        values.filter(|value| !value.is_nan()).collect()
    }

    fn shown(&self, place: usize, unit: &str) -> String {
        let mut values = self.values(place);
        values.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (values.first(), values.last()) else {
            return String::new();
        };
        let median = median(values.clone());
        format!("**{median:.1} {unit}** ({least:.1} – {most:.1})")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounds = self.collector.rounds.len();
        let (own, other) = (self.collector.discarded, self.rnacos.discarded);
        writeln!(
            f,
            "## Nacos beside r-nacos\n\n\
             `cargo bench -p rollcall-tests --bench nacos`, {}. The release binaries of the collector and of r-nacos {RNACOS} were\n\
             started in turn, {rounds} times each, with their defaults (r-nacos without its console and with a log of warnings only; the\n\
             collector without its limit on the changes of one peer, because all clients have one address). The\n\
             table has the medians of the rounds (min – max). CPU is user and system time of the server process for a call: 16 callers\n\
             wait for each answer. Memory is the growth of resident memory for 40,000 instances of 200 connections, which is included;\n\
             the collector also holds a timeline of each instance, up to the limit SW_TIMELINE_MEMORY. The CPU of a change includes its\n\
             pushes and their acknowledgements.\n\
             The bare servers decode the same calls and send the same answers with hyper and tonic: their cost is the floor. Over HTTP they\n\
             find a stored answer by its path; over gRPC they decode the envelope and its JSON.\n\
             The delay of a change is the median of 7 changes in a round, from the provider's call until the subscribers of one process\n\
             have read the push. Rounds discarded because the server used the CPU without clients: collector {own}, r-nacos {other}.\n\n\
             | | Collector | r-nacos | Ratio | Bare | Its ratio | Goal |\n|---|--:|--:|--:|--:|--:|--:|",
            results::setup(),
        )?;
        for (place, Measure { name, unit, goal }) in MEASURES.iter().enumerate() {
            let sides = [&self.collector, &self.rnacos, &self.bare];
            let [own, other, bare] = sides.map(|side| median(side.values(place)));
            let ratios = [own / other, bare / other].map(|ratio| {
                if ratio.is_nan() {
                    String::new()
                } else {
                    format!("{ratio:.2}")
                }
            });
            let goal = match goal {
                Goal::Ratio(most) => format!("≤ {most}"),
                Goal::Value(most) => format!("≤ {most} {unit}"),
                Goal::None => String::new(),
            };
            let prefix = if *unit == "µs" { "CPU, " } else { "" };
            let [own, other, bare] = sides.map(|side| side.shown(place, unit));
            let [ratio, floor] = ratios;
            writeln!(
                f,
                "| {prefix}{name} | {own} | {other} | {ratio} | {bare} | {floor} | {goal} |"
            )?;
        }
        Ok(())
    }
}

/// The median of these values: the higher one if there are two middle values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
