use std::path::Path;

use super::*;
use crate::problem::Origin;

const FILE: &str = "
agent.application_code = from-file
collector.servers = f1:10800, f2:10800,f1:10800
collector.discovery_check_interval = 61
collector.grpc_channel_check_interval = ${CHANNEL:31}
logging.level = DEBUG
";

fn given(texts: &[(Key, &str)]) -> BuilderSettings {
    BuilderSettings {
        texts: texts
            .iter()
            .map(|(key, text)| (*key, (*text).to_owned()))
            .collect(),
        ..BuilderSettings::default()
    }
}

fn layered(
    given: BuilderSettings,
    environment: &[(&str, &str)],
    file: &str,
) -> Result<Config, Vec<Problem>> {
    let environment = environment
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let file = properties::parse(Path::new("agent.config"), file.as_bytes(), &environment);
    resolve(&given, &environment, &file.unwrap(), Vec::new())
}

fn peers(texts: &[&str]) -> Vec<Peer> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn complaints(result: Result<Config, Vec<Problem>>) -> Vec<String> {
    result
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn defaults_are_those_of_upstream() {
    let config = layered(
        given(&[(Key::ApplicationCode, "a"), (Key::Servers, "c:1")]),
        &[],
        "",
    )
    .unwrap();
    let seconds = [
        config.discovery_interval,
        config.channel_interval,
        config.register_interval,
        config.heartbeat_after,
        config.call_timeout,
        config.discovery_timeout,
        config.connect_timeout,
        config.keepalive.interval,
        config.keepalive.timeout,
    ]
    .map(|duration| duration.as_secs());
    assert_eq!(seconds, [60, 30, 3, 60, 10, 2, 2, 24, 5]);
    assert_eq!(config.instance_uuid.len(), 32);
    assert_eq!(
        config.collectors,
        Collectors::Discovered {
            servers: peers(&["c:1"]),
            path: "/agent/gRPC".to_owned()
        }
    );
    assert_eq!(
        (config.operation_limit, config.address_limit),
        (100_000, 100_000)
    );
}

#[test]
fn the_builder_overrides_the_environment_then_the_file_then_the_default() {
    let config = layered(
        given(&[(Key::ApplicationCode, "from-builder")]),
        &[
            ("SW_AGENT_NAME", "from-environment"),
            ("SW_AGENT_COLLECTOR_DISCOVERY_CHECK_INTERVAL", "62"),
        ],
        FILE,
    )
    .unwrap();
    assert_eq!(config.application_code, "from-builder");
    assert_eq!(config.discovery_interval, Duration::from_secs(62));
    assert_eq!(config.channel_interval, Duration::from_secs(31));
    assert_eq!(config.register_interval, Duration::from_secs(3));
    let Collectors::Discovered { servers, .. } = config.collectors else {
        panic!("not discovered")
    };
    assert_eq!(servers, peers(&["f1:10800", "f2:10800"]));
}

#[test]
fn blank_values_count_as_absent() {
    let config = layered(BuilderSettings::default(), &[("SW_AGENT_NAME", " ")], FILE).unwrap();
    assert_eq!(config.application_code, "from-file");
}

#[test]
fn direct_servers_are_used_only_without_naming_servers() {
    let direct = [("SW_AGENT_COLLECTOR_BACKEND_SERVICES", "g:11800")];
    let with = layered(BuilderSettings::default(), &direct, FILE).unwrap();
    assert!(matches!(with.collectors, Collectors::Discovered { .. }));
    let without = layered(
        given(&[(Key::ApplicationCode, "a")]),
        &direct,
        "collector.servers=",
    )
    .unwrap();
    assert_eq!(without.collectors, Collectors::Direct(peers(&["g:11800"])));
}

#[test]
fn later_spellings_are_read() {
    let file = "agent.service_name=s\ncollector.backend_service=b:11800\nagent.instance_uuid=u";
    let config = layered(BuilderSettings::default(), &[], file).unwrap();
    assert_eq!(
        (
            config.application_code.as_str(),
            config.instance_uuid.as_str()
        ),
        ("s", "u")
    );
    assert_eq!(config.collectors, Collectors::Direct(peers(&["b:11800"])));
}

#[test]
fn all_mistakes_are_reported_at_once_with_their_place() {
    let file = "collector.servers=here,ok:1\ncollector.discovery_check_interval=1m\nagent.instance_uuid=${NOPE}";
    let mut given = given(&[(Key::ApplicationCode, " ")]);
    given.connect_timeout = Some(Duration::ZERO);
    let environment = [
        ("SW_AGENT_DICTIONARY_OPERATION_NAME_BUFFER_SIZE", "0"),
        ("SW_AGENT_AUTHENTICATION", "a\tb"),
    ];
    let mut complaints = complaints(layered(given, &environment, file));
    complaints.sort();
    let expected = [
        "SW_AGENT_AUTHENTICATION: agent.authentication: is not visible ASCII text",
        "SW_AGENT_DICTIONARY_OPERATION_NAME_BUFFER_SIZE: dictionary.operation_name_buffer_size: \"0\" is not a whole number of entries from 1 to 100000000",
        "agent.config:1: collector.servers: \"here\" is not host:port, as in \"10.0.0.1:11800\" or \"[::1]:11800\"",
        "agent.config:2: collector.discovery_check_interval: \"1m\" is not a whole number of seconds from 1 to 86400",
        "agent.config:3: agent.instance_uuid: the environment has no NOPE, and ${NOPE} has no default",
        "builder: agent.application_code: is blank",
        "builder: connect_timeout: 0ns is not between 1ms and 86400s",
    ];
    assert_eq!(complaints, expected);
}

#[test]
fn a_mistake_names_the_key_as_the_file_spells_it() {
    let file = "agent.service_name=a\\tb\nagent.instance_name=c\\nd\ncollector.backend_service=here\n\
                dictionary.endpoint_name_buffer_size=0\nagent.namespace=\\u0000";
    let expected = [
        "agent.config:1: agent.service_name: has control characters",
        "agent.config:2: agent.instance_name: has control characters",
        "agent.config:3: collector.backend_service: \"here\" is not host:port, as in \"10.0.0.1:11800\" or \"[::1]:11800\"",
        "agent.config:4: dictionary.endpoint_name_buffer_size: \"0\" is not a whole number of entries from 1 to 100000000",
        "agent.config:5: agent.namespace: has control characters",
    ];
    let mut complaints = complaints(layered(BuilderSettings::default(), &[], file));
    complaints.sort();
    assert_eq!(complaints, expected);
}

#[test]
fn a_mistake_in_an_overridden_or_unused_setting_is_ignored() {
    let file = "agent.application_code=${NOPE}\ncollector.servers=${NOPE\nlogging.dir=${NOPE}\nlogging.level=\\u00zz";
    let environment = [("SW_AGENT_COLLECTOR_SERVERS", "c:1")];
    layered(given(&[(Key::ApplicationCode, "a")]), &environment, file).unwrap();
}

#[test]
fn a_list_of_servers_without_an_entry_or_with_too_many_is_a_mistake() {
    let many = "c:1,".repeat(257);
    let file =
        format!("agent.application_code=a\ncollector.direct_servers=,,\ncollector.servers={many}");
    assert_eq!(
        complaints(layered(BuilderSettings::default(), &[], &file)),
        [
            "agent.config:3: collector.servers: has 257 entries, 256 are allowed",
            "agent.config:2: collector.direct_servers: has no host:port",
        ]
    );
}

#[test]
fn the_application_code_joins_name_namespace_and_cluster() {
    let name = |namespace: &str, cluster: &str| {
        let texts = [(Key::ApplicationCode, "orders"), (Key::Servers, "c:1")];
        let environment = [
            ("SW_AGENT_NAMESPACE", namespace),
            ("SW_AGENT_CLUSTER", cluster),
        ];
        layered(given(&texts), &environment, "")
            .unwrap()
            .application_code
    };
    assert_eq!(name("", ""), "orders");
    assert_eq!(name("prod", "east"), "orders|prod|east");
    assert_eq!(name("prod", ""), "orders|prod|");
    assert_eq!(name("", "east"), "orders||east");
}

#[test]
fn a_name_that_is_too_long_with_its_namespace_is_a_mistake() {
    let long = "x".repeat(130);
    let texts = [(Key::Servers, "c:1"), (Key::Namespace, &*long)];
    let file = format!("agent.service_name={long}");
    assert_eq!(
        complaints(layered(given(&texts), &[], &file)),
        [
            "agent.config:1: agent.service_name: is 262 bytes long with namespace and cluster, 255 are allowed"
        ]
    );
}

#[test]
fn an_instance_name_is_used_as_the_instance_uuid() {
    let uuid = |texts: &[(Key, &str)], environment: &[(&str, &str)], file: &str| {
        let texts = [&[(Key::ApplicationCode, "a"), (Key::Servers, "c:1")], texts].concat();
        layered(given(&texts), environment, file)
            .unwrap()
            .instance_uuid
    };
    let file = "agent.instance_name=from-file";
    let variable = [("SW_AGENT_INSTANCE_NAME", "from-environment")];
    assert_eq!(uuid(&[], &[], file), "from-file");
    assert_eq!(uuid(&[], &variable, file), "from-environment");
    assert_eq!(uuid(&[(Key::InstanceUuid, "b")], &variable, file), "b");
    assert_eq!(
        uuid(&[], &[], "agent.instance_name=n\nagent.instance_uuid=u"),
        "u"
    );
    assert_eq!(
        uuid(&[], &[], "agent.instance_name=n\nagent.instance_uuid="),
        "n"
    );
}

#[test]
fn a_missing_mandatory_setting_is_reported() {
    assert_eq!(
        complaints(layered(BuilderSettings::default(), &[], "")),
        [
            "builder: collector.servers or collector.direct_servers: missing; give it to the builder, or set \
             SW_AGENT_COLLECTOR_SERVERS or SW_AGENT_COLLECTOR_DIRECT_SERVERS",
            "builder: agent.application_code: missing; give it to the builder, or set SW_AGENT_NAME",
        ]
    );
}

#[test]
fn a_token_is_never_shown() {
    let texts = [
        (Key::ApplicationCode, "a"),
        (Key::Servers, "c:1"),
        (Key::Authentication, "s3cret"),
    ];
    let config = layered(given(&texts), &[], "").unwrap();
    assert!(!format!("{config:?}").contains("s3cret"));
    assert_eq!(config.authentication.unwrap().0, "s3cret");
    let environment = [("SW_AGENT_AUTHENTICATION", "s3cret")];
    let builder = crate::Builder::default().environment(environment);
    assert!(!format!("{builder:?}").contains("s3cret"));
}

#[test]
fn problems_name_their_origin() {
    let problem = Problem {
        origin: Origin::Builder,
        key: "k".to_owned(),
        message: "m".to_owned(),
    };
    assert_eq!(problem.to_string(), "builder: k: m");
}

#[test]
fn a_path_may_be_longer_than_a_name_and_a_server_name_is_checked() {
    let path = "/d".repeat(200);
    let texts = [
        (Key::ApplicationCode, "a"),
        (Key::Servers, "c:1"),
        (Key::TrustedCa, &path),
        (Key::ServerName, "no name"),
    ];
    let complaints = complaints(layered(given(&texts), &[], "")).join("\n");
    assert!(!complaints.contains("bytes long"), "{complaints}");
    assert!(complaints.contains(&path), "{complaints}");
    let name = "\"no name\" is not a host name or an IP address";
    assert_eq!(
        complaints.contains(name),
        cfg!(feature = "tls"),
        "{complaints}"
    );
}
