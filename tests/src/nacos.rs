//! The Nacos clients of the conformance tests: the unmodified packages of their ecosystems, each with one small driver program.
//!
//! A driver takes the collector's HTTP address as its first argument, as a client takes it in its configuration. The gRPC port is
//! the HTTP port plus 1000. It prints `ready` and then answers each command on standard input with one line:
//!
//! | Command | Answer |
//! |---|---|
//! | `register SERVICE IP PORT WEIGHT CLUSTER KIND METADATA`, `update ...` | `ok register SERVICE` |
//! | `deregister SERVICE IP PORT WEIGHT CLUSTER KIND METADATA` | `ok deregister SERVICE` |
//! | `batch SERVICE IP:PORT...` | `ok batch SERVICE` |
//! | `list SERVICE` | `hosts SERVICE HOST...` |
//! | `subscribe SERVICE` | `ok subscribe SERVICE`, and `changed SERVICE HOST...` whenever the client reports a change |
//!
//! KIND is `ephemeral` or `persistent`, METADATA is `key=value,...` or `-`, and a HOST is `IP:PORT/WEIGHT/HEALTH/METADATA`. If the
//! client fails a command, the answer is `error COMMAND TEXT`. A driver ends when its standard input ends.

mod call;
mod client;
mod driver;
mod fleet;
pub mod framework;
mod life;
mod results;
mod wire;

pub use call::{Http, encoded};
pub use client::{Client, Face, all};
pub use driver::{Driver, Host};
pub use fleet::on_one_collector;
pub use life::on_its_own_collector;
pub use results::{Outcome, Promise, Results, Row};
pub use wire::{Connection, Message, Payload};

use std::net::SocketAddr;

use crate::process::{Collector, Options, nacos_addresses};

/// The addresses of the faces for Nacos clients.
#[derive(Clone, Copy, Debug)]
pub struct Faces {
    /// The address in a client's configuration.
    pub http: SocketAddr,
    /// The gRPC address: the HTTP port plus 1000.
    pub grpc: SocketAddr,
}

/// A collector and its faces for Nacos clients.
pub async fn collector(options: Options) -> (Collector, Faces) {
    let (http, grpc) = nacos_addresses();
    let collector = options
        .env("SW_NACOS_PORT", http.port().to_string())
        .env("SW_NACOS_GRPC_PORT", grpc.port().to_string())
        .env("SW_NACOS_UDP_PORT", http.port().to_string())
        .start()
        .await;
    (collector, Faces { http, grpc })
}
