//! Settings of the whole catalog that operators change while it runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The switches. Those with a field have an effect; the others are only stored, for the consoles that set them.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Switches {
    /// The beat interval of clients without their own term, in milliseconds.
    pub client_beat_interval: u64,
    /// Whether clients may omit their description in beats.
    pub light_beat_enabled: bool,
    /// Whether instances without beats become unhealthy and are removed, and whether probes run.
    pub health_check_enabled: bool,
    /// Whether changes are pushed.
    pub push_enabled: bool,
    /// The number of equal results in a row that changes the health of a probed instance.
    pub check_times: u32,
    /// The kind of instances that are registered without one.
    pub default_instance_ephemeral: bool,
    /// The poll interval of clients without pushes, in milliseconds.
    pub default_cache_millis: u64,
    /// The poll interval of clients with pushes, in milliseconds.
    pub push_cache_millis: u64,
    /// The status that the server reports instead of its true one.
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
