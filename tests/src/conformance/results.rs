use std::fmt::Write;

use super::Promise;
use crate::agent::Agent;

/// The number of log lines that are shown with a broken promise: the last ones.
const TAIL: usize = 40;

/// The outcome of one promise.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The promise was kept.
    Held,
    /// The promise does not apply to this agent.
    NotMade,
    /// The agent was never listed, so the promise could not be tested.
    NotTested,
    /// The promise was not kept.
    Broken {
        /// The actual result.
        instead: String,
        /// The output of the application and its agent up to that moment.
        log: Vec<String>,
    },
}

impl Outcome {
    fn cell(&self, promise: Promise, agent: &Agent) -> String {
        match self {
            Self::Held => promise.kept(agent).to_owned(),
            Self::NotMade => "-".to_owned(),
            Self::NotTested => "**not tested**".to_owned(),
            Self::Broken { instead, .. } => {
                let first = instead.lines().next().unwrap_or_default();
                format!("**broken**: {}", first.replace('|', "\\|"))
            }
        }
    }
}

/// The outcomes of all promises to one agent.
#[derive(Clone, Debug)]
pub struct Row {
    /// The agent.
    pub agent: Agent,
    /// The outcomes, in the order of [`Promise::ALL`].
    pub outcomes: Vec<Outcome>,
}

/// The outcomes of all promises to all agents.
#[derive(Clone, Debug)]
pub struct Results(Vec<Row>);

impl Results {
    pub(super) fn new(rows: Vec<Row>) -> Self {
        Self(rows)
    }

    /// The table as a document. Equal results give equal texts.
    pub fn document(&self) -> String {
        let headings = Promise::ALL.map(Promise::heading).join(" | ");
        let rules = "---|".repeat(4 + Promise::ALL.len());
        let mut text = format!(
            "# Conformance\n\n\
             Written by `cargo test -p rollcall-tests --test conformance`: every agent, as its ecosystem publishes it, against a collector \
             of its own, which requires a token over gRPC. What each column promises is in [conformance.rs](../src/conformance.rs). The periods are as short as each \
             agent's configuration allows, and the collector's terms fit them.\n\n\
             | Agent | Version | Language | Protocol | {headings} |\n|{rules}\n"
        );
        for Row { agent, outcomes } in &self.0 {
            let cells = Promise::ALL
                .iter()
                .zip(outcomes)
                .map(|(&promise, outcome)| outcome.cell(promise, agent))
                .collect::<Vec<_>>()
                .join(" | ");
            let Agent {
                package,
                version,
                language,
                protocol,
                ..
            } = agent;
            writeln!(
                text,
                "| {package} | {version} | {language} | {protocol} | {cells} |"
            )
            .expect("writing to a string");
        }
        text
    }

    /// Every broken promise, with the end of the agent's log.
    pub fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for row in &self.0 {
            for (promise, outcome) in Promise::ALL.iter().zip(&row.outcomes) {
                if let Outcome::Broken { instead, log } = outcome {
                    let tail = log[log.len().saturating_sub(TAIL)..].join("\n  ");
                    broken.push(format!("{}: {promise:?}: {instead}\n  {tail}", row.agent));
                }
            }
        }
        broken
    }
}
