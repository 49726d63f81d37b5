//! Requests and answers in a form that is common to all generations.

use rollcall_tests::process::Collector;

use crate::{grpc, http, v6, v8};

/// A protocol of agents.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Face {
    /// gRPC, in the spelling of 3.2.6.
    V3,
    /// gRPC, in the spelling of 5.x.
    V5,
    /// gRPC, with the calls of 6.x.
    V6,
    /// gRPC, with the calls of 8.x, which identify instances by names only.
    V8,
    /// HTTP with JSON.
    Http,
}

/// The request of an agent.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Applications(Vec<String>),
    Instance { application: i32, uuid: String },
    Heartbeat(i32),
    Names(Vec<Name>),
    Addresses(Vec<String>),
    Segment(Sender),
    Named { service: String, instance: String },
}

/// The answer of a collector. Keys without an id are left out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    /// The echoed keys with their ids.
    Ids(Vec<(String, i32)>),
    /// The echoed application id, and the instance id.
    Instance(i32, i32),
    /// The echoed names with their ids.
    Names(Vec<(Name, i32)>),
    /// Success.
    Done,
    /// The request is invalid (`INVALID_ARGUMENT`, 400).
    Refused,
}

/// An operation name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Name {
    pub(crate) application: i32,
    pub(crate) span_type: i32,
    pub(crate) name: String,
}

/// The ids in a segment of one span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(crate) application: i32,
    pub(crate) instance: i32,
    pub(crate) operation: i32,
}

/// A client of one face.
pub(crate) enum Client {
    Grpc(grpc::Client),
    V6(v6::Client),
    V8(v8::Client),
    Http(Box<http::Client>),
}

impl Face {
    pub(crate) const ALL: [Self; 5] = [Self::V3, Self::V5, Self::V6, Self::V8, Self::Http];

    pub(crate) async fn client(self, collector: &Collector) -> Client {
        match self {
            Self::V3 => Client::Grpc(grpc::Client::connect(collector, grpc::Spelling::V3).await),
            Self::V5 => Client::Grpc(grpc::Client::connect(collector, grpc::Spelling::V5).await),
            Self::V6 => Client::V6(v6::Client::connect(collector).await),
            Self::V8 => Client::V8(v8::Client::connect(collector).await),
            Self::Http => Client::Http(Box::new(http::Client::new(collector))),
        }
    }
}

impl Client {
    /// Sends a request; `None` if the face lacks such a call.
    pub(crate) async fn send(&mut self, request: &Request) -> Option<Reply> {
        match self {
            Self::Grpc(client) => client.send(request).await,
            Self::V6(client) => client.send(request).await,
            Self::V8(client) => client.send(request).await,
            Self::Http(client) => Some(client.send(request).await),
        }
    }
}
