//! Members that are restarted one after the other under load: agents move on, and not one of their registrations fails.

use std::time::Duration;

use rollcall_agent::{Agent, Phase, SpanType};
use rollcall_tests::{
    PATIENCE,
    cluster::{Cluster, Member},
    eventually,
};
use tokio::sync::watch;

const MEMBERS: usize = 3;
/// Agents that are there from the beginning.
const FLEET: usize = 20;
/// The period of everything that an agent does.
const PERIOD: Duration = Duration::from_millis(200);

/// Agents of applications that see new names all the time.
struct Fleet {
    naming: Vec<String>,
    agents: Vec<Agent>,
    /// How many names they have seen.
    names: usize,
}

impl Fleet {
    /// Starts one more agent, of an application and a process that nobody knows.
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

    /// Whether every agent has learnt the id of the newest name, which this asks for, too.
    fn has_caught_up(&self) -> Result<(), String> {
        let name = format!("operation {}", self.names);
        let behind = self.agents.iter().find(|agent| {
            let id = agent.operation(&name, SpanType::Entry);
            id.is_none() || agent.status().phase != Phase::Running
        });
        behind.map_or(Ok(()), |agent| Err(format!("{:#?}", agent.status())))
    }

    /// Shows every agent new names, and starts new agents now and then, until `stop` is closed.
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

/// How many collectors a member lists to agents.
async fn listed(member: &Member) -> Result<usize, String> {
    let naming = member.collector.http(member.collector.listeners().naming);
    let reply = naming.get("/agent/gRPC").await?;
    Ok(reply.json::<Vec<String>>().len())
}

/// Waits until every member lists all of them.
async fn everybody_is_listed(cluster: &Cluster) {
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
    let mut cluster = Cluster::start(MEMBERS).await;
    everybody_is_listed(&cluster).await;
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
        everybody_is_listed(&cluster).await;
    }
    drop(stop);
    let fleet = work.await.expect("the fleet");
    eventually(PATIENCE, async || fleet.has_caught_up()).await;
    assert!(
        fleet.agents.len() > FLEET,
        "nobody came during the restarts"
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
