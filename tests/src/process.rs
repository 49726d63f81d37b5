//! Real processes: the collector's binary, and whatever else a scenario needs killed.

mod addresses;
mod build;
mod child;
mod collector;
mod log;

pub use addresses::{free_addresses, nacos_addresses};
pub use build::{collector_binary, release_binary, target_directory};
pub use child::{Child, Lines};
pub use collector::{Collector, Listeners, Options, Run};
pub use log::{Level, Line};
