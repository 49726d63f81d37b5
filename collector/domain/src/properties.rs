//! The properties that agents report about their process, bounded, for all protocols.

mod caps;

use crate::inventory::{Properties, PropertiesView};

pub use caps::Caps;
use caps::cut;

/// The operating system, host and process that an agent reports. Agents of 3.x and 5.x report nothing else about themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsInfo<'a> {
    /// The operating system; empty if not reported.
    pub os_name: &'a str,
    /// The host; empty if not reported.
    pub host_name: &'a str,
    /// The process id; 0 if not reported.
    pub process_no: i64,
    /// The addresses of the host.
    pub ipv4s: &'a [String],
}

/// Whether an agent reports that it runs on this host.
pub fn is_on<'a>(properties: impl Into<PropertiesView<'a>>, host: &str) -> bool {
    let mut hosts = spelled(properties, "hostname");
    hosts.any(|value| value.eq_ignore_ascii_case(host))
}

/// The host that an agent reports.
pub fn host<'a>(properties: impl Into<PropertiesView<'a>>) -> Option<&'a str> {
    spelled(properties, "hostname").next()
}

/// The process id that an agent reports.
pub fn process_id<'a>(properties: impl Into<PropertiesView<'a>>) -> Option<&'a str> {
    spelled(properties, "processno").next()
}

/// The values of a property whose name agents spell in several ways: `host_name`, `hostname`, `Host Name`. `letters` are the
/// letters and digits of the name in lower case.
fn spelled<'a>(
    properties: impl Into<PropertiesView<'a>>,
    letters: &'static str,
) -> impl Iterator<Item = &'a str> {
    let is_it = move |name: &str| {
        let found = name.chars().filter(char::is_ascii_alphanumeric);
        found.map(|c| c.to_ascii_lowercase()).eq(letters.chars())
    };
    properties
        .into()
        .iter()
        .filter(move |(name, _)| is_it(name))
        .map(|(_, value)| value)
}

/// The prefix of a UUID that marks the rest as a name: Java agents since 6.x use it, and nginx-lua 0.1.0 in lower case.
const NAME: &str = "NAME:";

/// The displayed name of an instance with this UUID.
pub fn instance_name(uuid: &str) -> &str {
    match uuid.split_at_checked(NAME.len()) {
        Some((prefix, name)) if prefix.eq_ignore_ascii_case(NAME) && !name.is_empty() => name,
        _ => uuid,
    }
}

/// The most properties and bytes that are read from a message, before [`Caps`] select what is stored. No configuration allows as
/// much.
const CEILING: Caps = Caps {
    count: 1024,
    name_bytes: 16 * 1024,
    value_bytes: 32 * 1024,
    total_bytes: 128 * 1024,
};

/// The property in which the collector stores the version of an agent whose calls carry it.
const AGENT_VERSION: &str = "agent_version";

/// The language of an agent, in its own spelling; reported since 6.x.
pub const LANGUAGE: &str = "language";

/// The property in which Java agents report their version (checked with 8.15.0 and 9.4.0).
const JAVA_VERSION: &str = "version";

/// The version that a Java agent reports if it does not know its own.
const UNKNOWN: &str = "UNKNOWN";

/// The reported properties, with the agent version that the call carries. Pairs without a name or a value are left out.
pub fn reported<'a>(
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    agent_version: Option<&'a str>,
) -> Properties {
    let version = agent_version.filter(|version| *version != UNKNOWN);
    let version = version.map(|version| (AGENT_VERSION, version));
    let mut total = 0;
    pairs
        .into_iter()
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
        .map(|(name, value)| {
            (
                cut(name, CEILING.name_bytes),
                cut(value, CEILING.value_bytes),
            )
        })
        .take(CEILING.count)
        .take_while(|(name, value)| {
            total += name.len() + value.len();
            total <= CEILING.total_bytes
        })
        .chain(version)
        .map(|(name, value)| (name, cut(value, CEILING.value_bytes)))
        .collect()
}

/// The version of the agent that reported these properties.
#[must_use]
pub fn agent_version(properties: &Properties) -> Option<&str> {
    let reported_by_java = || {
        let is_java = properties.get(LANGUAGE) == Some("java");
        let version = properties.get(JAVA_VERSION)?;
        (is_java && version != UNKNOWN).then_some(version)
    };
    properties.get(AGENT_VERSION).or_else(reported_by_java)
}

impl From<OsInfo<'_>> for Properties {
    /// Uses the names of 6.x agents: `os_name`, `host_name`, `process_no`, and `ipv4` once for each address. Values that were not
    /// reported are left out.
    fn from(info: OsInfo<'_>) -> Self {
        let process_no = match info.process_no {
            0 => String::new(),
            number => number.to_string(),
        };
        let host = [
            ("os_name", info.os_name),
            ("host_name", info.host_name),
            ("process_no", &process_no),
        ];
        let addresses = info.ipv4s.iter().map(|address| ("ipv4", address.as_str()));
        reported(host.into_iter().chain(addresses), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_in_every_spelling_of_its_property() {
        for name in ["host_name", "hostname", "Host Name", "HostName", "OS Host"] {
            let properties: Properties = [("host", "web-2"), (name, "Web-1")].into_iter().collect();
            assert_eq!(is_on(&properties, "web-1"), name != "OS Host", "{name}");
            assert!(!is_on(&properties, "web-2"), "{name}");
        }
    }

    #[test]
    fn a_uuid_that_is_marked_as_a_name_is_shown_without_the_mark() {
        for (uuid, name) in [
            ("NAME:orders-1", "orders-1"),
            ("name:orders-1", "orders-1"),
            ("NAME:", "NAME:"),
            ("NAM", "NAM"),
            ("orders-1", "orders-1"),
            ("NAME:NAME:a", "NAME:a"),
            ("\u{e9}\u{e9}\u{e9}", "\u{e9}\u{e9}\u{e9}"),
        ] {
            assert_eq!(instance_name(uuid), name);
        }
    }

    #[test]
    fn names_are_those_of_6x_agents_and_missing_values_are_left_out() {
        let ipv4s = ["10.0.0.1".to_owned(), "10.0.0.2".to_owned()];
        let info = OsInfo {
            os_name: "Linux",
            process_no: 42,
            ipv4s: &ipv4s,
            ..OsInfo::default()
        };
        assert_eq!(
            Properties::from(info).iter().collect::<Vec<_>>(),
            [
                ("os_name", "Linux"),
                ("process_no", "42"),
                ("ipv4", "10.0.0.1"),
                ("ipv4", "10.0.0.2"),
            ],
        );
    }

    #[test]
    fn the_properties_read_of_one_process_are_bounded() {
        let name = "é".repeat(100_000);
        let ipv4s = vec![name.clone(); 10_000];
        let info = OsInfo {
            os_name: &name,
            host_name: &name,
            process_no: i64::MIN,
            ipv4s: &ipv4s,
        };
        let read = Properties::from(info);
        assert!(CEILING.admit(&read) && read.iter().count() > 2);
        let many = vec![("name", "value"); 100_000];
        let read = reported(many, Some("9.4.0"));
        assert_eq!(read.iter().count(), CEILING.count + 1);
        assert_eq!(agent_version(&read), Some("9.4.0"));
    }

    #[test]
    fn pairs_are_kept_as_reported_followed_by_the_version() {
        let pairs = [("OS Name", "Linux"), ("empty", ""), ("language", "java")];
        let kept = reported(pairs, Some("9.4.0"));
        assert_eq!(
            kept.iter().collect::<Vec<_>>(),
            [
                ("OS Name", "Linux"),
                ("language", "java"),
                ("agent_version", "9.4.0"),
            ],
        );
    }

    #[test]
    fn the_version_of_the_calls_precedes_the_one_that_java_reports() {
        let version = |pairs: &[(&'static str, &'static str)], calls| {
            agent_version(&reported(pairs.iter().copied(), calls)).map(str::to_owned)
        };
        let java = [("language", "java"), ("version", "9.4.0-e0de83f")];
        assert_eq!(version(&java, Some("9.4.0")).as_deref(), Some("9.4.0"));
        assert_eq!(
            version(&java, Some("UNKNOWN")).as_deref(),
            Some("9.4.0-e0de83f")
        );
        assert_eq!(
            version(&[("language", "java"), ("version", "UNKNOWN")], None),
            None
        );
        assert_eq!(
            version(&[("language", "python"), ("version", "3")], None),
            None
        );
    }
}
