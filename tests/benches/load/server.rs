//! The measured processes.

use std::{net::SocketAddr, process::Command};

use http::header::CONTENT_TYPE;
use rollcall_tests::{
    PATIENCE,
    bench::naming,
    http as client,
    process::{self, Child, Collector},
};

use crate::{options::Reply, scenario::Call};

/// A running server. Dropping this value stops the server.
#[derive(Debug)]
pub(crate) enum Server {
    /// The collector's release binary.
    Collector(Box<Collector>),
    /// A bare server and its address.
    Bare(Child, SocketAddr),
}

/// A collector with default settings, except that it does not limit the new ids and the recorded changes of one peer, because the
/// whole load comes from one address.
pub(crate) fn collector() -> process::Options {
    Collector::options()
        .on_disk()
        .env("SW_REGISTER_MAX_NEW_PER_PEER", "100000000")
        .env("SW_REGISTER_MAX_NEW_BURST_PER_PEER", "100000000")
        .env("SW_TIMELINE_PER_PEER", "100000000")
}

impl Server {
    /// Starts such a collector with a new store.
    pub(crate) async fn collector() -> Self {
        Self::Collector(Box::new(collector().start().await))
    }

    /// A server that only answers `call`, with the same reply as `model`.
    pub(crate) async fn bare(call: Call, model: Option<&Self>) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
        if call == Call::Naming {
            let reply = match model {
                Some(model) => model.naming_reply().await,
                None => Reply::default(),
            };
            command.args(["bare-hyper", &reply.content_type, &reply.body]);
        } else {
            command.arg("bare-tonic");
        }
        let child = Child::spawn("a bare server", &mut command);
        let address = child
            .stdout
            .find(PATIENCE, |lines| lines.first()?.parse().ok())
            .await;
        let address = address.unwrap_or_else(|lines| panic!("no address in {lines:?}"));
        Self::Bare(child, address)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        match self {
            Self::Collector(collector) => collector.id(),
            Self::Bare(child, _) => child.id(),
        }
    }

    /// The address that serves `call`.
    pub(crate) fn address(&self, call: Call) -> SocketAddr {
        match self {
            Self::Collector(collector) if call == Call::Naming => collector.listeners().naming,
            Self::Collector(collector) => collector.listeners().grpc,
            Self::Bare(_, address) => *address,
        }
    }

    async fn naming_reply(&self) -> Reply {
        let http = client::Client::new(self.address(Call::Naming));
        let reply = http
            .get(naming::PATH)
            .await
            .expect("a reply to a naming request");
        let content_type = reply.headers[CONTENT_TYPE]
            .to_str()
            .expect("a content type")
            .to_owned();
        Reply {
            content_type,
            body: reply.text(),
        }
    }
}
