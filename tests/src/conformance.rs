//! Tests the collector's promises to every agent in any language. The test follows one life of each agent from start to death;
//! during this life the collector is restarted and loses its store.

mod life;
mod results;

use std::{cmp::Reverse, rc::Rc, thread};

use tokio::{
    sync::Semaphore,
    task::{JoinSet, LocalSet},
};

pub use results::{Outcome, Results, Row};

use crate::{
    agent::{self, Agent, Generation},
    process::collector_binary,
};

/// The number of agents that start at the same time. It is small, so that the start of one agent does not delay the signals of
/// another.
const STARTING: usize = 1;

/// A promise. The variants are in the order in which a life tests them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Promise {
    /// The application and its instance are listed within the agent's own period.
    Registers,
    /// The instance shows the properties that the agent reports.
    ShowsProperties,
    /// Names and addresses of the application get ids, and the agent receives them.
    AssignsNames,
    /// An idle agent is up without interruption, for a minute and for five of its periods.
    StaysUp,
    /// Up to this point the agent has logged no error.
    LogsNoError,
    /// After the collector is killed and restarted with its data, it still knows the agent, and the agent reconnects.
    SurvivesRestart,
    /// After the collector has lost its store, it lists the agent again, in the way of the agent's generation.
    Heals,
    /// The collector detects the death of the process: silent first, then down, and never removed.
    NoticesDeath,
}

impl Promise {
    /// All promises, in their order.
    pub const ALL: [Self; 8] = [
        Self::Registers,
        Self::ShowsProperties,
        Self::AssignsNames,
        Self::StaysUp,
        Self::LogsNoError,
        Self::SurvivesRestart,
        Self::Heals,
        Self::NoticesDeath,
    ];

    /// Whether the promise applies to this agent: agents since 8.0 have no ids.
    pub fn is_made_to(self, agent: &Agent) -> bool {
        self != Self::AssignsNames || agent.generation != Generation::V8
    }

    /// The heading of the promise's column.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Registers => "listed within its period",
            Self::ShowsProperties => "properties shown",
            Self::AssignsNames => "ids of names learnt",
            Self::StaysUp => "up while idle",
            Self::LogsNoError => "no error logged",
            Self::SurvivesRestart => "collector restarted",
            Self::Heals => "store lost",
            Self::NoticesDeath => "killed",
        }
    }

    /// The table entry of a kept promise for this agent.
    pub fn kept(self, agent: &Agent) -> &'static str {
        match (self, agent.generation) {
            (Self::Heals, Generation::V5) => "held: its ids are adopted",
            (Self::Heals, Generation::V6) => "held: reset, it registers again",
            (Self::Heals, Generation::V8) => "held: listed with its next call",
            (Self::NoticesDeath, _) => "held: silent, then down",
            _ => "held",
        }
    }
}

/// Tests every promise with every agent. All agents run concurrently, because they are idle for most of their lives.
///
/// `observed_application` is as in [`agent::all`].
///
/// # Panics
/// When an agent cannot be installed, or a collector logs an unexpected line.
pub async fn every_agent(observed_application: &'static str) -> Results {
    let agents = agent::all(observed_application);
    collector_binary();
    thread::scope(|scope| {
        for agent in &agents {
            scope.spawn(|| agent.install());
        }
    });

    let mut agents = agents.into_iter().enumerate().collect::<Vec<_>>();
    // The longest life starts first.
    agents.sort_by_key(|(_, agent)| Reverse(agent.period));
    let starting = Rc::new(Semaphore::new(STARTING));
    let mut lives = JoinSet::new();
    let mut rows = LocalSet::new()
        .run_until(async {
            for (place, agent) in agents {
                let starting = Rc::clone(&starting);
                lives.spawn_local(async move { (place, life::of(agent, &starting).await) });
            }
            lives.join_all().await
        })
        .await;
    rows.sort_unstable_by_key(|&(place, _)| place);
    Results::new(rows.into_iter().map(|(_, row)| row).collect())
}
