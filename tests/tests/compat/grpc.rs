//! The requests over gRPC, in the spelling of 3.2.6 or of 5.x.

use prost::Message;
use rollcall_proto::{
    application::{Application, ApplicationMapping, ApplicationRegisterServiceClient},
    common::KeyWithIntegerValue,
    instance::{
        ApplicationInstance, ApplicationInstanceHeartbeat, InstanceDiscoveryServiceClient, OsInfo,
    },
    network_address::{NetworkAddressRegisterServiceClient, NetworkAddresses},
    segment::{v3, v5},
    service_name::{
        ServiceNameCollection, ServiceNameDiscoveryServiceClient, ServiceNameElement,
        ServiceNameMappingElement,
    },
    trace::{TraceSegmentServiceClient, UniqueId, UpstreamSegment},
};
use rollcall_tests::{grpc, process::Collector};
use tonic::{Code, Response, Status, transport::Channel};

use crate::face::{Name, Reply, Request, Sender};

/// The generation of the method names and of the segment layout.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Spelling {
    V3,
    V5,
}

pub(crate) struct Client {
    channel: Channel,
    spelling: Spelling,
}

impl Client {
    pub(crate) async fn connect(collector: &Collector, spelling: Spelling) -> Self {
        let connection = grpc::Client::connect(collector.listeners().grpc).await;
        Self {
            channel: connection.channel,
            spelling,
        }
    }

    /// Sends a request. `None` if the generation lacks the call: 3.2.6 has neither addresses nor sides of names.
    pub(crate) async fn send(&mut self, request: &Request) -> Option<Reply> {
        match (request, self.spelling) {
            (Request::Applications(codes), _) => Some(self.applications(codes).await),
            (Request::Instance { application, uuid }, _) => {
                Some(self.instance(*application, uuid).await)
            }
            (Request::Heartbeat(instance), _) => Some(self.heartbeat(*instance).await),
            (Request::Names(names), Spelling::V3)
                if names.iter().any(|name| name.span_type != 0) =>
            {
                None
            }
            (Request::Names(names), _) => Some(self.names(names).await),
            (Request::Addresses(_), Spelling::V3) => None,
            (Request::Addresses(addresses), Spelling::V5) => Some(self.addresses(addresses).await),
            (Request::Segment(sender), _) => Some(self.segment(*sender).await),
            (Request::Named { .. }, _) => None,
        }
    }

    async fn applications(&mut self, codes: &[String]) -> Reply {
        let mut client = ApplicationRegisterServiceClient::new(self.channel.clone());
        let pairs = |mapping: ApplicationMapping| mapping.application.into_iter().map(pair);
        match self.spelling {
            Spelling::V3 => {
                let application_code = codes.to_vec();
                let reply = client.register(Application { application_code }).await;
                answer(reply, |mapping| Reply::Ids(pairs(mapping).collect()))
            }
            Spelling::V5 => {
                let mut ids = Vec::new();
                for code in codes {
                    let application_code = vec![code.clone()];
                    let reply = client
                        .application_code_register(Application { application_code })
                        .await;
                    match answer(reply, |mapping| Reply::Ids(pairs(mapping).collect())) {
                        Reply::Ids(one) => ids.extend(one),
                        other => return other,
                    }
                }
                Reply::Ids(ids)
            }
        }
    }

    async fn instance(&mut self, application: i32, uuid: &str) -> Reply {
        let mut client = InstanceDiscoveryServiceClient::new(self.channel.clone());
        let instance = ApplicationInstance {
            application_id: application,
            agent_uuid: uuid.to_owned(),
            register_time: 1_514_764_800_000,
            osinfo: Some(OsInfo {
                os_name: "Linux".to_owned(),
                hostname: "node1".to_owned(),
                process_no: 42,
                ipv4s: vec!["10.0.0.1".to_owned()],
            }),
        };
        let reply = match self.spelling {
            Spelling::V3 => client.register(instance).await,
            Spelling::V5 => client.register_instance(instance).await,
        };
        answer(reply, |mapping| {
            Reply::Instance(mapping.application_id, mapping.application_instance_id)
        })
    }

    async fn heartbeat(&mut self, instance: i32) -> Reply {
        let mut client = InstanceDiscoveryServiceClient::new(self.channel.clone());
        let heartbeat = ApplicationInstanceHeartbeat {
            application_instance_id: instance,
            heartbeat_time: 1_514_764_800_000,
        };
        answer(client.heartbeat(heartbeat).await, |_| Reply::Done)
    }

    async fn names(&mut self, names: &[Name]) -> Reply {
        let mut client = ServiceNameDiscoveryServiceClient::new(self.channel.clone());
        let elements = names.iter().map(element).collect();
        let reply = client.discovery(ServiceNameCollection { elements }).await;
        answer(reply, |mapping| {
            Reply::Names(mapping.elements.into_iter().map(named).collect())
        })
    }

    async fn addresses(&mut self, addresses: &[String]) -> Reply {
        let mut client = NetworkAddressRegisterServiceClient::new(self.channel.clone());
        let addresses = addresses.to_vec();
        let reply = client.batch_register(NetworkAddresses { addresses }).await;
        answer(reply, |mapping| {
            Reply::Ids(mapping.address_ids.into_iter().map(pair).collect())
        })
    }

    async fn segment(&mut self, sender: Sender) -> Reply {
        let mut client = TraceSegmentServiceClient::new(self.channel.clone());
        let segment = match self.spelling {
            Spelling::V3 => v3::TraceSegmentObject {
                spans: vec![v3::SpanObject {
                    operation_name_id: sender.operation,
                    ..v3::SpanObject::default()
                }],
                application_id: sender.application,
                application_instance_id: sender.instance,
                ..v3::TraceSegmentObject::default()
            }
            .encode_to_vec(),
            Spelling::V5 => segment_v5(sender),
        };
        let reply = client.collect(tokio_stream::once(upstream(segment))).await;
        answer(reply, |_| Reply::Done)
    }
}

/// A segment in the layout of 5.x, which 6.x and 7.0 share.
pub(crate) fn segment_v5(sender: Sender) -> Vec<u8> {
    v5::TraceSegmentObject {
        spans: vec![v5::SpanObject {
            operation_name_id: sender.operation,
            ..v5::SpanObject::default()
        }],
        application_id: sender.application,
        application_instance_id: sender.instance,
        ..v5::TraceSegmentObject::default()
    }
    .encode_to_vec()
}

/// A segment in its envelope.
pub(crate) fn upstream(segment: Vec<u8>) -> UpstreamSegment {
    UpstreamSegment {
        global_trace_ids: vec![UniqueId {
            id_parts: vec![1, 2, 3],
        }],
        segment: segment.into(),
    }
}

pub(crate) fn answer<T>(reply: Result<Response<T>, Status>, ok: impl FnOnce(T) -> Reply) -> Reply {
    match reply {
        Ok(reply) => ok(reply.into_inner()),
        Err(status) if status.code() == Code::InvalidArgument => Reply::Refused,
        Err(status) => panic!("{status:?}"),
    }
}

pub(crate) fn pair(mapping: KeyWithIntegerValue) -> (String, i32) {
    (mapping.key, mapping.value)
}

fn element(name: &Name) -> ServiceNameElement {
    ServiceNameElement {
        service_name: name.name.clone(),
        application_id: name.application,
        src_span_type: name.span_type,
    }
}

fn named(mapping: ServiceNameMappingElement) -> (Name, i32) {
    let element = mapping.element.expect("the element is echoed");
    let name = Name {
        application: element.application_id,
        span_type: element.src_span_type,
        name: element.service_name,
    };
    (name, mapping.service_id)
}
