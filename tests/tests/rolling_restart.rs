//! Tests members that are restarted one after the other under load: agents reconnect, and none of their registrations fails.

use std::time::Duration;

use rollcall_agent::{Agent, Phase, SpanType};
use rollcall_tests::{
    PATIENCE,
    cluster::{Cluster, Member},
    eventually,
    process::Collector,
};
use tokio::sync::watch;

const MEMBERS: usize = 3;
/// The number of agents at the beginning.
const FLEET: usize = 20;
/// The period of every loop of an agent.
const PERIOD: Duration = Duration::from_millis(200);

/// Agents whose applications use new names all the time.
struct Fleet {
    naming: Vec<String>,
    agents: Vec<Agent>,
    /// The number of names that the agents have used.
    names: usize,
}

impl Fleet {
    /// Starts one more agent, with a new application and process.
    fn grow(&mut self) {
        let code = format!("application {}", self.agents.len());
        let agent = Agent::builder(code)
            .collectors(self.naming.clone())
            .discovery_interval(PERIOD)
            .channel_interval(PERIOD)
            .register_interval(PERIOD)
            .heartbeat_after(PERIOD)
            .start();
        self.agents.push(agent.expect("an agent"));
    }

    /// Checks that every agent is running and knows the id of the newest name. Each check also queues the name.
    fn has_caught_up(&self) -> Result<(), String> {
        let name = format!("operation {}", self.names);
        let behind = self.agents.iter().find(|agent| {
            let id = agent.operation(&name, SpanType::Entry);
            id.is_none() || agent.status().phase != Phase::Running
        });
        behind.map_or(Ok(()), |agent| Err(format!("{:#?}", agent.status())))
    }

    /// Queues new names at every agent, and starts new agents from time to time, until the sender of `stop` is dropped.
    async fn work(mut self, mut stop: watch::Receiver<()>) -> Self {
        while tokio::time::timeout(PERIOD / 4, stop.changed())
            .await
            .is_err()
        {
            self.names += 1;
            for agent in &self.agents {
                agent.operation(&format!("operation {}", self.names), SpanType::Entry);
                agent.address(&format!("peer:{}", self.names));
            }
            if self.names.is_multiple_of(10) {
                self.grow();
            }
        }
        self
    }
}

/// The number of collectors that a member lists for agents.
async fn listed(member: &Member) -> Result<usize, String> {
    let naming = member.collector.http(member.collector.listeners().naming);
    let reply = naming.get("/agent/gRPC").await?;
    Ok(reply.json::<Vec<String>>().len())
}

/// Waits until every member lists all members.
async fn all_members_are_listed(cluster: &Cluster) {
    for member in &cluster.members {
        eventually(PATIENCE, async || match listed(member).await {
            Ok(MEMBERS) => Ok(()),
            other => Err(other),
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_fails_no_registration() {
    // Five times the default, for a busy machine: the agents count each refusal.
    let patient = || Collector::options().env("SW_REGISTER_DEADLINE", "5s");
    let mut cluster = Cluster::start_with(MEMBERS, patient).await;
    all_members_are_listed(&cluster).await;
    let naming = |member: &Member| member.collector.listeners().naming.to_string();
    let mut fleet = Fleet {
        naming: cluster.members.iter().map(naming).collect(),
        agents: Vec::new(),
        names: 0,
    };
    for _ in 0..FLEET {
        fleet.grow();
    }
    eventually(PATIENCE, async || fleet.has_caught_up()).await;

    let (stop, stopped) = watch::channel(());
    let work = tokio::spawn(fleet.work(stopped));
    for number in 0..MEMBERS {
        let collector = &mut cluster.members[number].collector;
        assert!(collector.terminate().await.success());
        collector.restart().await;
        all_members_are_listed(&cluster).await;
    }
    drop(stop);
    let fleet = work.await.expect("the fleet");
    eventually(PATIENCE, async || fleet.has_caught_up()).await;
    assert!(
        fleet.agents.len() > FLEET,
        "no agent joined during the restarts"
    );
    let mut moved = 0;
    for agent in &fleet.agents {
        let status = agent.status();
        assert_eq!(status.counts.call_failures, 0, "{status:#?}");
        moved += status.counts.connections - 1;
    }
    println!(
        "{} agents moved {moved} times over {} names",
        fleet.agents.len(),
        fleet.names
    );
}
