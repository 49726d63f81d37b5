//! The ranges of keys. With a value outside its range, the collector could not start or could not work as the key describes.

use std::time::Duration;

use super::error::Broken;
use super::keys::{Field, KEYS, Key};
use super::value::{print_bytes, print_duration};
use super::{ClusterProvider, Config};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;
/// The shortest time-out. With a shorter one, a network or a busy machine would be too slow for any peer.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The longest duration of any key.
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);
/// The number of ids of one dictionary. Ids are positive and negative 32-bit numbers; each dictionary uses at least one half.
const MAX_IDS: usize = 2_147_483_646;

/// All sizes and counts. A budget of the listeners of less than 1 MiB would refuse every peer, the probes included.
const NUMBERS: &[(&str, usize, usize)] = &[
    ("remote.gRPC.buffer_size", 1, 1_000_000),
    ("agent_gRPC.gRPC.max_message_size", KIB, GIB),
    ("agent_gRPC.gRPC.max_health_watchers", 0, 1_000_000),
    ("agent_jetty.jetty.max_body_size", KIB, GIB),
    ("ui.jetty.max_page_size", KIB, GIB),
    ("ui.jetty.max_application_metrics", 0, 100_000),
    ("ui.jetty.max_service_metrics", 0, 100_000),
    ("ui.jetty.max_event_subscribers", 1, 100_000),
    ("storage.embedded.max_backups", 1, 100_000),
    ("register.default.queue_capacity", 1, 10_000_000),
    ("register.default.batch_rows", 1, 1_000_000),
    // One row, with its name, must fit into a request to etcd: 1.5 MiB.
    ("register.default.max_name_bytes", 1, 512 * KIB),
    ("register.default.max_assigned_ids", 1, MAX_IDS),
    ("register.default.max_adopted_ids", 1, MAX_IDS),
    ("register.default.max_batch", 1, MAX_IDS),
    ("register.default.max_held_per_message", 1, MAX_IDS),
    ("register.default.max_new_per_peer", 1, MAX_IDS),
    ("register.default.max_new_burst_per_peer", 1, MAX_IDS),
    ("register.default.inventory_memory", 64 * KIB, 1024 * GIB),
    // More properties would not fit into a message.
    ("register.default.max_properties", 1, 512),
    ("register.default.max_property_name_bytes", 1, 8 * KIB),
    ("register.default.max_property_value_bytes", 1, 16 * KIB),
    ("register.default.max_properties_bytes", 1, 64 * KIB),
    ("liveness.default.max_expired_per_tick", 1, MAX_IDS),
    ("timeline.default.per_instance", 1, 128),
    ("timeline.default.per_peer", 1, MAX_IDS),
    ("timeline.default.memory", 64 * KIB, 1024 * GIB),
    ("timeline.default.journal_size", 64 * KIB, 1024 * GIB),
    ("timeline.default.mass_instances", 2, MAX_IDS),
    ("timeline.default.mass_percent", 1, 100),
    ("nacos.default.max_message_size", KIB, GIB),
    ("nacos.default.push_retries", 0, 1_000),
    ("nacos.default.max_services", 1, 10_000_000),
    ("nacos.default.max_services_per_peer", 1, 10_000_000),
    ("nacos.default.max_instances_per_service", 1, 10_000_000),
    ("nacos.default.max_instances_per_connection", 1, 10_000_000),
    ("nacos.default.max_subscriptions", 1, 100_000_000),
    (
        "nacos.default.max_subscriptions_per_connection",
        1,
        10_000_000,
    ),
    ("nacos.default.max_patterns_per_connection", 0, 10_000),
    ("nacos.default.max_matches", 1, 1_000_000),
    ("nacos.default.max_connections", 1, 10_000_000),
    ("nacos.default.max_namespaces", 1, 1_000_000),
    ("nacos.default.max_metadata", 1, MIB),
    ("nacos.default.memory", MIB, 1024 * GIB),
    ("nacos.default.memory_per_peer", MIB, 1024 * GIB),
    ("nacos.default.body_cache", 1, 1024 * GIB),
    ("nacos.default.journal", 64 * KIB, 1024 * GIB),
    ("nacos.default.max_probes", 1, 10_000),
    ("nacos.default.write_queue", 1, 1_000_000),
    ("tls.default.max_handshakes", 1, 1_000_000),
    ("server.default.max_connections", 1, 10_000_000),
    ("server.default.max_connections_per_peer", 1, 10_000_000),
    ("server.default.max_header_size", 8 * KIB, 256 * KIB),
    ("server.default.max_streams_per_connection", 1, 1_000_000),
    ("server.default.inbound_memory", MIB, 1024 * GIB),
    ("server.default.work_memory", MIB, 1024 * GIB),
    ("server.default.outbound_memory", MIB, 1024 * GIB),
    ("server.default.connection_memory", MIB, 1024 * GIB),
];

/// Durations; those not listed are between 1 ms and a year.
const DURATIONS: &[(&str, Duration, Duration)] = &[
    ("cluster.etcd.lease_term", SHORTEST_LEASE, HOUR),
    ("cluster.zookeeper.session_timeout", SECOND, HOUR),
    ("storage.embedded.backup_timeout", SECOND, DAY),
    ("register.default.deadline", Duration::from_millis(1), HOUR),
    (
        "tls.default.reload_interval",
        Duration::from_millis(100),
        DAY,
    ),
    ("liveness.default.tick", Duration::from_millis(1), HOUR),
    // Tokens carry whole seconds.
    ("nacos.default.token_ttl", SECOND, YEAR),
    ("nacos.default.push_timeout", SHORTEST_TIMEOUT, YEAR),
    ("nacos.default.idle_after", SHORTEST_TIMEOUT, YEAR),
    ("nacos.default.detection_timeout", SHORTEST_TIMEOUT, YEAR),
    ("server.default.handshake_timeout", SHORTEST_TIMEOUT, YEAR),
    ("server.default.header_timeout", SHORTEST_TIMEOUT, YEAR),
    ("server.default.read_timeout", SHORTEST_TIMEOUT, YEAR),
    ("server.default.write_timeout", SHORTEST_TIMEOUT, YEAR),
    ("server.default.ping_interval", SECOND, DAY),
    ("server.default.ping_timeout", SECOND, HOUR),
];

/// The shortest lease that etcd grants with its default settings.
const SHORTEST_LEASE: Duration = Duration::from_secs(2);

/// The problems of all keys that are out of range.
pub(super) fn broken(config: &Config) -> Broken {
    let in_use = KEYS.iter().filter(|key| is_in_use(key, config));
    let in_use: Vec<&Key> = in_use.collect();
    let mut config = config.clone();
    let mut broken = Broken::new();
    for key in in_use {
        let path = key.path();
        let allowed = match key.field {
            Field::Count(at) => number(&path, *at(&mut config), usize::to_string),
            Field::OptionalCount(at) => {
                at(&mut config).and_then(|count| number(&path, count, usize::to_string))
            }
            Field::Bytes(at) => size(&path, *at(&mut config)),
            Field::OptionalBytes(at) => at(&mut config).and_then(|bytes| size(&path, bytes)),
            Field::Duration(at) | Field::Millis(at) => duration(&path, *at(&mut config)),
            _ => None,
        };
        if let Some(allowed) = allowed {
            let value = key.field.get(&mut config);
            broken.push((
                vec![path],
                format!("{value} is out of range; allowed: {allowed}"),
            ));
        }
    }
    broken
}

/// Whether the collector uses the key. It does not if the key belongs to another cluster provider, or to faces that are off.
fn is_in_use(key: &Key, config: &Config) -> bool {
    let cluster = config.cluster.provider;
    match (key.module, key.provider) {
        ("cluster", "etcd") => cluster == ClusterProvider::Etcd,
        ("cluster", "zookeeper") => cluster == ClusterProvider::Zookeeper,
        ("nacos", _) => config.nacos.is_on(),
        _ => true,
    }
}

fn size(path: &str, bytes: usize) -> Option<String> {
    number(path, bytes, |bytes| print_bytes(*bytes))
}

fn number(path: &str, value: usize, print: impl Fn(&usize) -> String) -> Option<String> {
    let (_, least, most) = NUMBERS.iter().find(|(key, ..)| *key == path)?;
    let is_allowed = (least..=most).contains(&&value);
    (!is_allowed).then(|| format!("{} to {}", print(least), print(most)))
}

fn duration(path: &str, value: Duration) -> Option<String> {
    let (_, least, most) = DURATIONS.iter().find(|(key, ..)| *key == path)?;
    let is_allowed = (least..=most).contains(&&value);
    (!is_allowed).then(|| format!("{} to {}", print_duration(*least), print_duration(*most)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn key(path: &str) -> &'static Key {
        let found = KEYS.iter().find(|key| key.path() == path);
        found.unwrap_or_else(|| panic!("{path} is not a key"))
    }

    /// Whether a configuration may have this value.
    fn accepts(path: &str, text: &str) -> bool {
        let mut config = Config::for_test(Path::new("data"));
        if let Some(("cluster", rest)) = path.split_once('.') {
            config.cluster.provider = match rest.starts_with("etcd") {
                true => ClusterProvider::Etcd,
                false => ClusterProvider::Zookeeper,
            };
        }
        let is_set = key(path).field.set(&mut config, text).is_ok();
        is_set
            && broken(&config)
                .iter()
                .all(|(keys, _)| !keys.iter().any(|key| key == path))
    }

    #[test]
    fn both_ends_of_every_range_are_accepted_and_their_neighbours_are_not() {
        for (path, least, most) in NUMBERS {
            for value in [least, most] {
                assert!(accepts(path, &value.to_string()), "{path}: {value}");
            }
            let outside = [least.checked_sub(1), most.checked_add(1)];
            for value in outside.into_iter().flatten() {
                assert!(!accepts(path, &value.to_string()), "{path}: {value}");
            }
        }
        for (path, least, most) in DURATIONS {
            for value in [least, most] {
                assert!(accepts(path, &print_duration(*value)), "{path}: {value:?}");
            }
            let millisecond = Duration::from_millis(1);
            for outside in [*least - millisecond, *most + millisecond] {
                let text = print_duration(outside);
                assert!(!accepts(path, &text), "{path}: {outside:?}");
            }
        }
    }

    #[test]
    fn every_count_and_every_size_has_a_range() {
        let numbers = KEYS.iter().filter(|key| {
            matches!(
                key.field,
                Field::Count(_)
                    | Field::OptionalCount(_)
                    | Field::Bytes(_)
                    | Field::OptionalBytes(_)
            )
        });
        for path in numbers.map(Key::path) {
            assert!(NUMBERS.iter().any(|(key, ..)| *key == path), "{path}");
        }
    }
}
