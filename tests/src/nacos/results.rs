use std::fmt::Write;

use super::{Client, Face};

/// The number of output lines that are shown with a broken promise: the last ones.
const TAIL: usize = 40;

/// A promise of the collector to every client. The columns are in the order of [`Promise::ALL`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Promise {
    /// Another process lists an instance that one process has registered.
    Registers,
    /// A subscriber reports a change within one second, in the best of three attempts.
    SeesChanges,
    /// A new weight and new metadata replace the old ones.
    Updates,
    /// One call registers several instances of a service, and one call replaces them.
    Batches,
    /// A persistent instance is listed and probed.
    Persists,
    /// A deregistered instance is removed at once.
    Deregisters,
    /// After the collector is killed and restarted, the lists have the client's instances again, and no subscriber has received a
    /// list without them.
    SurvivesRestart,
    /// The client logs no error while it is idle, and its instances stay healthy.
    LogsNoError,
    /// The instances of a killed client are removed within their term, and the persistent ones stay.
    Vanishes,
    /// On a collector that serves all clients, the client reports the instances of all clients.
    SeesOthers,
    /// The same after a restart of that collector.
    KeepsOthers,
    /// The same after two clients, one of each protocol, are killed.
    SeesDeaths,
}

impl Promise {
    /// All promises.
    pub const ALL: [Self; 12] = [
        Self::Registers,
        Self::SeesChanges,
        Self::Updates,
        Self::Batches,
        Self::Persists,
        Self::Deregisters,
        Self::SurvivesRestart,
        Self::LogsNoError,
        Self::Vanishes,
        Self::SeesOthers,
        Self::KeepsOthers,
        Self::SeesDeaths,
    ];

    /// The entry of a kept promise.
    fn kept(self) -> &'static str {
        match self {
            Self::SeesChanges => "within 1 s",
            Self::Vanishes => "gone within its term",
            _ => "held",
        }
    }

    fn heading(self) -> &'static str {
        match self {
            Self::Registers => "registered and listed",
            Self::SeesChanges => "change reported",
            Self::Updates => "updated",
            Self::Batches => "batch",
            Self::LogsNoError => "no error logged",
            Self::Persists => "persistent and probed",
            Self::Deregisters => "deregistered",
            Self::SurvivesRestart => "collector restarted",
            Self::Vanishes => "killed",
            Self::SeesOthers => "sees all others",
            Self::KeepsOthers => "all others after a restart",
            Self::SeesDeaths => "sees two die",
        }
    }
}

/// The outcome of one promise.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The promise was kept.
    Held,
    /// The promise does not apply: the client has no such call, or it is a client that is killed.
    NotMade,
    /// An earlier failure prevented the test.
    NotTested,
    /// The promise was not kept.
    Broken {
        /// The actual result.
        instead: String,
        /// The client's output up to that moment.
        output: Vec<String>,
    },
}

impl Outcome {
    fn cell(&self, promise: Promise) -> String {
        match self {
            Self::Held => promise.kept().to_owned(),
            Self::NotMade => "-".to_owned(),
            Self::NotTested => "**not tested**".to_owned(),
            Self::Broken { instead, .. } => {
                let first = instead.lines().next().unwrap_or_default();
                format!("**broken**: {}", first.replace('|', "\\|"))
            }
        }
    }
}

/// The outcomes of all promises to one client.
#[derive(Clone, Debug)]
pub struct Row {
    /// The client.
    pub client: Client,
    /// The outcomes, in the order of [`Promise::ALL`].
    pub outcomes: Vec<Outcome>,
}

/// The outcomes of all promises to all clients.
#[derive(Clone, Debug)]
pub struct Results(Vec<Row>);

impl Results {
    /// One row per client.
    pub fn new(rows: Vec<Row>) -> Self {
        Self(rows)
    }

    /// The table as a document.
    pub fn document(&self) -> String {
        let headings = Promise::ALL.map(Promise::heading).join(" | ");
        let rules = "---|".repeat(4 + Promise::ALL.len());
        let mut text = format!(
            "# Nacos clients\n\n\
             Written by `cargo test -p rollcall-tests --test nacos_clients`: every client, as its ecosystem publishes it. Up to \
             \"killed\" two processes of one client have a collector of their own; the last three columns are about one collector \
             that serves all clients at once. What each column promises is in [results.rs](../src/nacos/results.rs).\n\n\
             | Client | Version | Language | Protocol | {headings} |\n|{rules}\n"
        );
        for Row { client, outcomes } in &self.0 {
            let cells = Promise::ALL.iter().zip(outcomes);
            let cells = cells
                .map(|(&promise, outcome)| outcome.cell(promise))
                .collect::<Vec<_>>();
            let protocol = match client.face {
                Face::Udp => "HTTP, UDP push",
                Face::Poll => "HTTP, polls",
                Face::Grpc => "gRPC",
            };
            let Client {
                package,
                version,
                language,
                ..
            } = client;
            let cells = cells.join(" | ");
            writeln!(
                text,
                "| {package} | {version} | {language} | {protocol} | {cells} |"
            )
            .expect("writing to a string");
        }
        text
    }

    /// Every broken promise, with the end of the client's output.
    pub fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for row in &self.0 {
            for (promise, outcome) in Promise::ALL.iter().zip(&row.outcomes) {
                if let Outcome::Broken { instead, output } = outcome {
                    let tail = output[output.len().saturating_sub(TAIL)..].join("\n  ");
                    broken.push(format!("{}: {promise:?}: {instead}\n  {tail}", row.client));
                }
            }
        }
        broken
    }
}
