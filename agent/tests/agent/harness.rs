//! Agents with shorter intervals than the defaults, and waits for their status.

use std::{iter, net::SocketAddr, time::Duration};

use rollcall_agent::{Agent, Builder, Phase, Status};

use crate::fake::{Collector, Naming, PATIENCE, Response};

pub(crate) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A builder with short intervals and without environment variables. Heartbeats keep their default interval of 60 s, which is
/// longer than a test.
pub(crate) fn builder() -> Builder {
    Agent::builder("orders")
        .environment(iter::empty::<(String, String)>())
        .discovery_interval(ms(60))
        .discovery_timeout(ms(500))
        .channel_interval(ms(60))
        .connect_timeout(ms(1000))
        .register_interval(ms(10))
        .call_timeout(ms(5000))
}

/// Waits until `wanted` accepts the agent's status. `what` describes the wanted status in the failure message.
pub(crate) fn until(agent: &Agent, what: &str, wanted: impl FnMut(&Status) -> bool) -> Status {
    let status = agent.subscribe().wait_for(PATIENCE, wanted);
    status.unwrap_or_else(|last| panic!("{what}: not observed in time; last seen: {last:#?}"))
}

pub(crate) fn until_running(agent: &Agent) -> Status {
    until(agent, "running", |status| status.phase == Phase::Running)
}

/// An agent that has registered with this collector. It has the collector's address from its settings, without discovery.
pub(crate) fn running_on(collector: &Collector) -> Agent {
    let agent = builder()
        .direct_collectors([collector.address()])
        .start()
        .unwrap();
    until_running(&agent);
    agent
}

pub(crate) fn naming_for(collectors: &[&Collector]) -> Naming {
    Naming::start(Response::List(
        collectors
            .iter()
            .map(|collector| collector.address())
            .collect(),
    ))
}

/// An address without a listener.
pub(crate) fn unused() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
