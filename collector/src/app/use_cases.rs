//! The limits and periods of the use cases, from the configuration.

use std::time::Duration;

use rollcall_service::{self as service, register, sweep, write_back};

use super::{edge, timeline};
use crate::config::{self, Config};

/// The delay of a sweep that shows that the collector itself stalled.
const STALL: Duration = Duration::from_secs(5);
/// The most instances whose last-seen times are written back in one commit, so that registrations never wait long for it.
const WRITE_BACK_CHUNK: usize = 4096;
/// The same for the last write-back, after which nothing is registered. The requests to a shared store have limits of their own.
const LAST_CHUNK: usize = 1 << 16;

pub(super) fn use_cases(config: &Config, suspect: sweep::Suspect) -> service::Config {
    let is_shared = config.storage.provider == config::StorageProvider::Etcd;
    service::Config {
        register: register::Config {
            queue_capacity: config.register.queue_capacity,
            deadline: config.register.deadline,
            max_key_bytes: config.register.max_name_bytes,
            batch_rows: config.register.batch_rows,
            change_interval: config.register.change_interval,
            rates: register::RateLimits {
                per_second: config.register.max_new_per_peer,
                burst: config.register.max_new_burst_per_peer,
            },
            max_held_per_message: config.register.max_held_per_message,
            properties: config.register.properties,
        },
        max_batch: config.register.max_batch,
        work_memory: config.server.work_memory,
        largest_message: edge::largest_request(config),
        sweep: sweep::Config {
            tick: config.liveness.tick,
            limit: config.liveness.max_expired_per_tick,
            stall: STALL,
            mass: timeline::mass(&config.timeline),
            suspect,
        },
        write_back: write_back::Config {
            interval: config.liveness.write_back_interval,
            chunk: WRITE_BACK_CHUNK,
            last_chunk: if is_shared {
                WRITE_BACK_CHUNK
            } else {
                LAST_CHUNK
            },
            shared: is_shared,
        },
        listening: config.register.listening,
    }
}
