//! Measures the largest rates of calls with known keys.

use rollcall_tests::{
    bench::{
        Rounds,
        load::{self, Caller, Load},
        naming,
        registration::{self, Call},
    },
    process::{Collector, cpu_time},
};

use super::Options;

/// The number of callers of naming, each with its own connection.
const NAMING: usize = 64;
/// The number of callers over gRPC, and of their connections.
const CALLERS: usize = 256;
const CONNECTIONS: usize = 16;

/// The measurements of one call.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    pub(crate) name: &'static str,
    /// Answers a second.
    pub(crate) rate: Rounds,
    /// CPU time of the collector for each call, in microseconds.
    pub(crate) cpu: Rounds,
}

impl Rate {
    const fn new(name: &'static str) -> Self {
        Self {
            name,
            rate: Rounds::new(),
            cpu: Rounds::new(),
        }
    }

    async fn measure<C: Caller>(
        &mut self,
        collector: &Collector,
        callers: &mut Vec<C>,
        options: &Options,
    ) {
        let before = cpu_time(collector.id());
        let Load { calls, seconds } = load::put(callers, options.round()).await;
        let cpu = cpu_time(collector.id()) - before;
        self.rate.add(calls / seconds);
        self.cpu.add(cpu.as_secs_f64() * 1e6 / calls);
    }
}

/// Loads one collector with each call in turn.
pub(crate) async fn measure(options: &Options) -> Vec<Rate> {
    let collector = Collector::start().await;
    let listeners = collector.listeners();
    let mut get = Vec::new();
    for _ in 0..NAMING {
        get.push(naming::Caller::connect(listeners.naming).await);
    }
    let mut over_http = Rate::new("naming GET");
    let mut over_grpc = Vec::new();
    for (name, call) in [
        ("register a known application", Call::KnownApplication),
        ("register a known instance", Call::KnownInstance),
        ("heartbeat", Call::Heartbeat),
    ] {
        let callers = registration::connect(listeners.grpc, call, CALLERS, CONNECTIONS, 0).await;
        over_grpc.push((Rate::new(name), callers));
    }
    for round in 0..=options.rounds() {
        eprintln!("rates: round {round} of {}", options.rounds());
        if round == 1 {
            // The first round only warmed up the collector.
            over_http = Rate::new(over_http.name);
            for (rate, _) in &mut over_grpc {
                *rate = Rate::new(rate.name);
            }
        }
        over_http.measure(&collector, &mut get, options).await;
        for (rate, callers) in &mut over_grpc {
            rate.measure(&collector, callers, options).await;
        }
    }
    let over_grpc = over_grpc.into_iter().map(|(rate, _)| rate);
    std::iter::once(over_http).chain(over_grpc).collect()
}
