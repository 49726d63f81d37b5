//! The requests over gRPC of 6.x and 7.0 agents that send no version. Such agents may ignore a reset.

use rollcall_proto::register::{
    Commands, DetectPoint, Endpoint, EndpointMappingElement, Endpoints, NetAddresses,
    RegisterClient, Service, ServiceInstance, ServiceInstancePingClient, ServiceInstancePingPkg,
    ServiceInstances, Services,
};
use rollcall_proto::trace::UpstreamSegment;
use rollcall_tests::{grpc as harness, process::Collector};
use tonic::{client::Grpc, transport::Channel};
use tonic_prost::ProstCodec;

use crate::{
    ENTRY, EXIT, LOCAL,
    face::{Name, Reply, Request, Sender},
    grpc::{answer, pair, segment_v5, upstream},
};

pub(crate) struct Client {
    channel: Channel,
    register: RegisterClient<Channel>,
}

impl Client {
    pub(crate) async fn connect(collector: &Collector) -> Self {
        let connection = harness::Client::connect(collector.listeners().grpc).await;
        Self {
            register: RegisterClient::new(connection.channel.clone()),
            channel: connection.channel,
        }
    }

    /// Sends a request. `None` if the generation lacks the call: it has no local endpoints.
    pub(crate) async fn send(&mut self, request: &Request) -> Option<Reply> {
        match request {
            Request::Applications(codes) => Some(self.services(codes).await),
            Request::Instance { application, uuid } => {
                Some(self.instance(*application, uuid).await)
            }
            Request::Heartbeat(instance) => Some(self.ping(*instance).await),
            Request::Names(names) if names.iter().any(|name| name.span_type == LOCAL) => None,
            Request::Names(names) => Some(self.endpoints(names).await),
            Request::Addresses(addresses) => Some(self.addresses(addresses).await),
            Request::Segment(sender) => Some(self.segment(*sender).await),
            Request::Named { .. } => None,
        }
    }

    async fn services(&mut self, names: &[String]) -> Reply {
        let service = |name: &String| Service {
            service_name: name.clone(),
        };
        let services = names.iter().map(service).collect();
        let reply = self.register.do_service_register(Services { services });
        answer(reply.await, |mapping| {
            Reply::Ids(mapping.services.into_iter().map(pair).collect())
        })
    }

    async fn instance(&mut self, service_id: i32, uuid: &str) -> Reply {
        let instance = ServiceInstance {
            service_id,
            instance_uuid: uuid.to_owned(),
            time: 1_514_764_800_000,
            properties: Vec::new(),
        };
        let instances = vec![instance];
        let reply = self
            .register
            .do_service_instance_register(ServiceInstances { instances });
        answer(reply.await, |mapping| {
            let (key, id) = pair(mapping.service_instances[0].clone());
            assert_eq!(key, uuid);
            Reply::Instance(service_id, id)
        })
    }

    async fn ping(&mut self, instance: i32) -> Reply {
        let ping = ServiceInstancePingPkg {
            service_instance_id: instance,
            time: 1_514_764_800_000,
            service_instance_uuid: String::new(),
        };
        let mut client = ServiceInstancePingClient::new(self.channel.clone());
        answer(client.do_ping(ping).await, |_| Reply::Done)
    }

    async fn endpoints(&mut self, names: &[Name]) -> Reply {
        let endpoints = names.iter().map(endpoint).collect();
        let reply = self.register.do_endpoint_register(Endpoints { endpoints });
        answer(reply.await, |mapping| {
            Reply::Names(mapping.elements.into_iter().map(named).collect())
        })
    }

    async fn addresses(&mut self, addresses: &[String]) -> Reply {
        let addresses = addresses.to_vec();
        let reply = self
            .register
            .do_network_address_register(NetAddresses { addresses });
        answer(reply.await, |mapping| {
            Reply::Ids(mapping.address_ids.into_iter().map(pair).collect())
        })
    }

    async fn segment(&mut self, sender: Sender) -> Reply {
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await.expect("a connection");
        let segments = tokio_stream::once(upstream(segment_v5(sender)));
        let path = http::uri::PathAndQuery::from_static("/TraceSegmentReportService/collect");
        let codec = ProstCodec::<UpstreamSegment, Commands>::default();
        let reply = client.client_streaming(tonic::Request::new(segments), path, codec);
        answer(reply.await, done)
    }
}

fn done(commands: Commands) -> Reply {
    assert_eq!(commands, Commands::default());
    Reply::Done
}

fn endpoint(name: &Name) -> Endpoint {
    Endpoint {
        service_id: name.application,
        endpoint_name: name.name.clone(),
        from: match name.span_type {
            ENTRY => DetectPoint::Server.into(),
            EXIT => DetectPoint::Client.into(),
            other => other,
        },
    }
}

fn named(mapping: EndpointMappingElement) -> (Name, i32) {
    let name = Name {
        application: mapping.service_id,
        span_type: if mapping.from() == DetectPoint::Server {
            ENTRY
        } else {
            EXIT
        },
        name: mapping.endpoint_name,
    };
    (name, mapping.endpoint_id)
}
