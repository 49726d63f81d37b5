//! Real processes: the collector's binary, and any other process that a scenario kills.

mod addresses;
mod build;
mod child;
mod collector;
mod listeners;
mod log;
mod options;
mod usage;

pub use addresses::{free_addresses, nacos_addresses};
pub use build::{collector_binary, release_binary, target_directory, without_crate_variables};
pub use child::{Child, Lines};
pub use collector::Collector;
pub use listeners::Listeners;
pub use log::{Level, Line};
pub use options::{Options, Run};
pub use usage::cpu_time;
