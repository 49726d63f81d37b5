//! Loads two servers alternately.

use std::{net::SocketAddr, time::Duration};

use rollcall_tests::{
    bench::{
        Rounds,
        load::{self, Load},
        naming,
        pace::Delays,
        registration,
    },
    process,
};

use crate::{
    options::Options,
    scenario::{Call, Scenario},
    server::Server,
};

/// The time under load before a measurement.
const WARM_UP: Duration = Duration::from_secs(1);
/// The time under a paced load.
const PACED: Duration = Duration::from_secs(5);

/// The measurement of one server in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// CPU time of the server process per request, in microseconds.
    pub(crate) cpu: f64,
    /// Requests answered per second. The server shared its cores with the load.
    pub(crate) rate: f64,
}

/// The measurements of a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    pub(crate) scenario: Scenario,
    /// One pair for each round: the collector and the bare server.
    pub(crate) rounds: Vec<(Sample, Sample)>,
    /// The delays of the collector at half of its median rate, if the scenario is durable.
    pub(crate) delays: Option<Delays>,
}

/// Measures the collector and a bare server one after the other, round by round.
pub(crate) async fn run(scenario: &Scenario, options: &Options) -> Comparison {
    let call = scenario.call;
    let collector = if options.control {
        Server::bare(call, None).await
    } else {
        Server::collector().await
    };
    let bare = Server::bare(call, Some(&collector).filter(|_| !options.control)).await;
    let mut collector = Side::connect(scenario, collector).await;
    let mut bare = Side::connect(scenario, bare).await;
    collector.measure(WARM_UP).await;
    bare.measure(WARM_UP).await;
    let mut rounds = Vec::with_capacity(options.rounds);
    for _ in 0..options.rounds {
        let collector = collector.measure(options.round()).await;
        let bare = bare.measure(options.round()).await;
        rounds.push((collector, bare));
    }
    let delays = if scenario.is_durable() {
        let rates: Rounds = rounds.iter().map(|(collector, _)| collector.rate).collect();
        Some(collector.pace(rates.median() / 2.0).await)
    } else {
        None
    };
    Comparison {
        scenario: *scenario,
        rounds,
        delays,
    }
}

/// A server and its callers.
struct Side {
    server: Server,
    callers: Vec<Caller>,
}

enum Caller {
    Naming(naming::Caller),
    Registration(Box<registration::Caller>),
}

impl Side {
    async fn connect(scenario: &Scenario, server: Server) -> Self {
        let callers = connect(scenario, server.address(scenario.call)).await;
        Self { server, callers }
    }

    /// Loads the server for `period`, and measures it.
    async fn measure(&mut self, period: Duration) -> Sample {
        let before = process::cpu_time(self.server.id());
        let Load { calls, seconds } = load::put(&mut self.callers, period).await;
        let cpu = process::cpu_time(self.server.id()) - before;
        Sample {
            cpu: cpu.as_secs_f64() * 1e6 / calls,
            rate: calls / seconds,
        }
    }

    /// Loads the server with `rate` calls a second, and measures their delays.
    async fn pace(&mut self, rate: f64) -> Delays {
        load::pace(&mut self.callers, rate, PACED).await
    }
}

impl load::Caller for Caller {
    async fn run(&mut self, more: impl FnMut() -> bool + Send) -> u64 {
        match self {
            Self::Naming(caller) => caller.run(more).await,
            Self::Registration(caller) => caller.run(more).await,
        }
    }
}

async fn connect(scenario: &Scenario, server: SocketAddr) -> Vec<Caller> {
    let Scenario {
        call,
        callers,
        connections,
        ..
    } = *scenario;
    if let Call::Grpc(call) = call {
        let callers = registration::connect(server, call, callers, connections, 0).await;
        let boxed = |caller| Caller::Registration(Box::new(caller));
        return callers.into_iter().map(boxed).collect();
    }
    let mut connected = Vec::with_capacity(callers);
    for _ in 0..callers {
        connected.push(Caller::Naming(naming::Caller::connect(server).await));
    }
    connected
}
