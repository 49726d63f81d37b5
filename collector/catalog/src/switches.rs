//! Settings of the whole catalog that operators change while it runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The switches. Those with a field have an effect; the others are kept and shown for the sake of the consoles that set them.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Switches {
    /// How often clients without a term of their own are asked to beat, in milliseconds.
    pub client_beat_interval: u64,
    /// Whether clients are asked to leave their description out of their beats.
    pub light_beat_enabled: bool,
    /// Whether instances without beats become unhealthy and are removed, and whether probes run.
    pub health_check_enabled: bool,
    /// Whether changes are pushed.
    pub push_enabled: bool,
    /// How many results in a row a probe needs to change the health of an instance.
    pub check_times: u32,
    /// The kind of instances that are registered without one.
    pub default_instance_ephemeral: bool,
    /// The poll interval of clients that are not pushed to, in milliseconds.
    pub default_cache_millis: u64,
    /// The poll interval of clients that are pushed to, in milliseconds.
    pub push_cache_millis: u64,
    /// The status that the server reports whatever its true one is.
    pub overridden_server_status: Option<String>,
    /// All others, by the name of the face that set them.
    pub others: BTreeMap<String, String>,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            client_beat_interval: 5_000,
            light_beat_enabled: true,
            health_check_enabled: true,
            push_enabled: true,
            check_times: 3,
            default_instance_ephemeral: true,
            default_cache_millis: 3_000,
            push_cache_millis: 10_000,
            overridden_server_status: None,
            others: BTreeMap::new(),
        }
    }
}
