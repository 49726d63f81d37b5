use fastrand::Rng;
use rollcall_tests::{
    cluster::Cluster,
    grpc::Client,
    history::{Operation, Reply, Report, Request, Signal},
    key::Key,
};
use tokio::{sync::watch, task::JoinSet};

use crate::{CONNECTIONS, agent::Agent, observer::Observer, recorder::Recorder};

/// The number of agents. Half of them send pings, and half of them heartbeats.
const AGENTS: usize = 16;
/// The smallest number of signals per agent and reports per member for a meaningful history.
const ENOUGH: usize = 100;

/// The agents, and the observers of the members' reports.
pub(crate) struct Fleet {
    agents: JoinSet<Vec<Operation>>,
    observers: JoinSet<Vec<Report>>,
}

impl Fleet {
    /// Registers the agents, and runs them and the observers until the sender of `stop` is dropped.
    pub(crate) async fn start(
        cluster: &Cluster,
        connections: &[Vec<Client>],
        recorder: &mut Recorder,
        random: &mut Rng,
        stop: &watch::Receiver<()>,
    ) -> Self {
        let application = Key::Application("agents".to_owned());
        let application = assign(recorder, &connections[0], application).await;
        let mut agents = JoinSet::new();
        for number in 0..AGENTS {
            let members = connections[number % CONNECTIONS].clone();
            let process = Key::Instance(application, format!("agent {number}"));
            let agent = Agent {
                instance: assign(recorder, &members, process.clone()).await,
                process,
                by: [Signal::Ping, Signal::Heartbeat][number % 2],
                members,
                recorder: Recorder::new(recorder.start()),
                random: random.fork(),
            };
            agents.spawn(agent.run(stop.clone()));
        }
        let mut observers = JoinSet::new();
        for (number, member) in cluster.members.iter().enumerate() {
            let observer = Observer {
                member: number,
                query: member.collector.query(),
                application,
                start: recorder.start(),
            };
            observers.spawn(observer.run(stop.clone()));
        }
        Self { agents, observers }
    }

    /// All signals and all reports, once the stop has been requested.
    pub(crate) async fn end(self) -> (Vec<Operation>, Vec<Report>) {
        let signals = self.agents.join_all().await;
        let reports = self.observers.join_all().await;
        println!(
            "signals of each agent: {:?}",
            signals.iter().map(Vec::len).collect::<Vec<_>>()
        );
        for sent in signals.iter().map(Vec::len) {
            assert!(sent >= ENOUGH, "too few signals for a meaningful history");
        }
        for reported in reports.iter().map(Vec::len) {
            assert!(
                reported >= ENOUGH,
                "too few reports for a meaningful history"
            );
        }
        let signals = signals.into_iter().flatten().collect();
        (signals, reports.into_iter().flatten().collect())
    }
}

/// Requests the id of a key before the faults begin.
async fn assign(recorder: &mut Recorder, members: &[Client], key: Key) -> i32 {
    let called = recorder.send(0, &members[0], Request::Assign(key));
    match called.await {
        Ok(Reply::Id(id)) => id,
        other => panic!("no id before the faults begin: {other:?}"),
    }
}
