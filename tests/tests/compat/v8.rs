//! The only request of 8.x and later agents.

use rollcall_proto::management::{Commands, InstancePingPkg, v3::ManagementServiceClient};
use rollcall_tests::{grpc as harness, process::Collector};
use tonic::transport::Channel;

use crate::{
    face::{Answer, Ask},
    grpc::answer,
};

pub(crate) struct Client {
    client: ManagementServiceClient<Channel>,
}

impl Client {
    pub(crate) async fn connect(collector: &Collector) -> Self {
        let connection = harness::Client::connect(collector.listeners().grpc).await;
        Self {
            client: ManagementServiceClient::new(connection.channel),
        }
    }

    pub(crate) async fn ask(&mut self, ask: &Ask) -> Option<Answer> {
        let Ask::Named { service, instance } = ask else {
            return None;
        };
        let ping = InstancePingPkg {
            service: service.clone(),
            service_instance: instance.clone(),
        };
        Some(answer(self.client.keep_alive(ping).await, |commands| {
            assert_eq!(commands, Commands::default());
            Answer::Done
        }))
    }
}
