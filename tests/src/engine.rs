//! The engines that collectors share: real etcd and ZooKeeper servers, from Debian's packages.
//!
//! Each [`Server`] is a separate process on a free port of 127.0.0.1, with its data in a temporary directory [in
//! memory](directory_in_memory). The tests never use servers that the operating system itself runs.

mod etcd;
mod server;
mod zookeeper;

pub use etcd::{Ensemble, Etcd, Taken};
pub use rollcall_etcd::testing::directory_in_memory;
pub use server::{Engine, Server};
pub use zookeeper::ZooKeeper;
