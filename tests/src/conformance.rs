//! What the collector promises to every agent, whatever it is written in: one life of an agent, from its start to its death, with
//! the collector restarted and its store lost on the way.

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

/// How many agents start at a time: their periods are to be measured, not how busy the machine is.
const STARTING: usize = 1;

/// A promise, in the order in which a life puts them to the test.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Promise {
    /// The application and its instance are listed within the agent's own period.
    Registers,
    /// The instance shows what the agent tells of its process.
    ShowsProperties,
    /// Names and addresses that the application uses get ids, which the agent learns.
    AssignsNames,
    /// An idle agent is up without a break, for a minute and for five of its periods.
    StaysUp,
    /// Until then the agent has logged no error.
    IsQuiet,
    /// A collector that is killed and comes back on its data knows the agent, and the agent finds it again.
    SurvivesRestart,
    /// A collector whose store is lost learns of the agent again, in the way of its generation.
    Heals,
    /// The collector notices the death of the process: silent first, then down, and never gone.
    NoticesDeath,
}

impl Promise {
    /// All of them, in their order.
    pub const ALL: [Self; 8] = [
        Self::Registers,
        Self::ShowsProperties,
        Self::AssignsNames,
        Self::StaysUp,
        Self::IsQuiet,
        Self::SurvivesRestart,
        Self::Heals,
        Self::NoticesDeath,
    ];

    /// Whether it is made to this agent: since 8.0 there are no ids.
    pub fn is_made_to(self, agent: &Agent) -> bool {
        self != Self::AssignsNames || agent.generation != Generation::V8
    }

    /// The heading of its column.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Registers => "listed within its period",
            Self::ShowsProperties => "properties shown",
            Self::AssignsNames => "ids of names learnt",
            Self::StaysUp => "up while idle",
            Self::IsQuiet => "no error logged",
            Self::SurvivesRestart => "collector restarted",
            Self::Heals => "store lost",
            Self::NoticesDeath => "killed",
        }
    }

    /// What a kept promise looks like with this agent.
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

/// Puts every promise to the test with every agent, all side by side, as most of their lives they are idle.
///
/// `observed_application` is as in [`agent::all`].
///
/// # Panics
/// When an agent cannot be installed, or a collector logs what no test expects.
pub async fn every_agent(observed_application: &'static str) -> Results {
    let agents = agent::all(observed_application);
    collector_binary();
    thread::scope(|scope| {
        for agent in &agents {
            scope.spawn(|| agent.install());
        }
    });

    let mut agents = agents.into_iter().enumerate().collect::<Vec<_>>();
    // The longest life first.
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
