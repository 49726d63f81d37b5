//! Settings of the whole catalog that operators change while it runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The most characters of the overridden status in a message.
const MAX_STATUS: usize = 40;

/// The switches. Those with a field of their own have an effect; the others are only stored, for the consoles that set them.
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
    /// The status that the server reports instead of its true status.
    pub overridden_server_status: Option<String>,
    /// All other switches, by the name under which the face set them.
    pub others: BTreeMap<String, String>,
}

impl Switches {
    /// A text for the operator that names the switches that deny service to clients, as the Nacos API names them; `None` if none
    /// does.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let mut set = Vec::new();
        match self.overridden_server_status.as_deref() {
            None | Some("" | "UP") => {}
            Some(status) => {
                let status: String = status.chars().take(MAX_STATUS).collect();
                set.push(format!(
                    "overriddenServerStatus={status:?} (calls are refused with this status)"
                ));
            }
        }
        if !self.push_enabled {
            set.push("pushEnabled=false (subscribers get no changes)".to_owned());
        }
        if !self.health_check_enabled {
            set.push("healthCheckEnabled=false (instances without beats stay healthy)".to_owned());
        }
        (!set.is_empty()).then(|| {
            format!(
                "an operator set switches of Nacos that deny service to clients: {}; PUT \
                 /nacos/v1/ns/operator/switches?entry=..&value=.. sets them",
                set.join(", ")
            )
        })
    }
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
