//! The only request of these tests that 8.x and later agents send.

use rollcall_proto::management::{Commands, InstancePingPkg, v3::ManagementServiceClient};
use rollcall_tests::{grpc as harness, process::Collector};
use tonic::transport::Channel;

use crate::{
    face::{Reply, Request},
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

    pub(crate) async fn send(&mut self, request: &Request) -> Option<Reply> {
        let Request::Named { service, instance } = request else {
            return None;
        };
        let ping = InstancePingPkg {
            service: service.clone(),
            service_instance: instance.clone(),
        };
        Some(answer(self.client.keep_alive(ping).await, |commands| {
            assert_eq!(commands, Commands::default());
            Reply::Done
        }))
    }
}
