//! `ServiceInstancePing`: the heartbeat of 6.0.0-beta to 7.0.0 agents, every 3 s. An agent with an id that this collector does
//! not know gets the command to register again, which Java agents execute since 6.3.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use rollcall_proto::{
    common::KeyWithStringValue,
    register::{Command, Commands, ServiceInstancePingPkg},
};
use rollcall_service::{
    Services,
    heartbeat::{self, Ping, Pong, agent_time},
};
use tonic::Request;

use super::{
    call::{Ended, Refusal, end},
    convert,
    unary::{self, Calls},
};

/// Adds the call of this service.
pub(super) fn add(calls: Calls, services: &Services) -> Calls {
    let handler = Arc::new(Handler::new(services));
    calls.add(DO_PING, &handler, |it, request| async move {
        it.do_ping(&request).await
    })
}

const DO_PING: &str = "ServiceInstancePing/doPing";

#[derive(Debug)]
struct Handler {
    heartbeat: heartbeat::Handle,
    of_another: Counter,
}

impl Handler {
    fn new(services: &Services) -> Self {
        Self {
            heartbeat: services.heartbeat.clone(),
            of_another: services.metrics.dropped("pings_with_the_id_of_another"),
        }
    }

    async fn take(&self, request: &Request<ServiceInstancePingPkg>) -> Result<Commands, Refusal> {
        let heartbeat = self.heartbeat.for_peer(unary::peer(request));
        let resettable = convert::is_resettable(request.metadata());
        let package = request.get_ref();
        let ping = Ping {
            instance: convert::service_instance_id(package.service_instance_id)?,
            uuid: &package.service_instance_uuid,
            resettable,
        };
        let skew = heartbeat.read_clock(agent_time(package.time));
        let pong = heartbeat.ping(ping).await?;
        if ping.renews(pong) {
            heartbeat.report_clock(ping.instance, skew);
        }
        let commands = match pong {
            Pong::Same => Vec::new(),
            Pong::Unknown => vec![reset(package)],
            Pong::Another => {
                self.of_another.inc();
                vec![reset(package)]
            }
        };
        Ok(Commands { commands })
    }
}

/// The command to register again. An agent executes each serial number only once, so each command gets a new one.
fn reset(ping: &ServiceInstancePingPkg) -> Command {
    Command {
        command: "ServiceMetadataReset".to_owned(),
        args: vec![KeyWithStringValue {
            key: "SerialNumber".to_owned(),
            value: format!("{}-{}", ping.service_instance_id, ping.time),
        }],
    }
}

impl Handler {
    async fn do_ping(&self, request: &Request<ServiceInstancePingPkg>) -> Ended<Commands> {
        end(self.take(request).await)
    }
}
