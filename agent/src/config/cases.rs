//! Tests that each `agent.config` file in `tests/cases` has the expected outcome.

use std::path::Path;

use crate::Builder;

use super::Collectors;

/// The settings of an agent with this file and environment, as text; or the mistakes that the agent reports.
fn outcome(file: &str, environment: &[(&str, &str)]) -> String {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/cases")).join(file);
    let builder = Builder::default().config_file(&path);
    let text = match builder.environment(environment.iter().copied()).resolve() {
        Ok(config) => {
            let collectors = match &config.collectors {
                Collectors::Direct(members) => members.iter().map(ToString::to_string).collect(),
                Collectors::Discovered { servers, .. } => servers
                    .iter()
                    .map(|server| format!("?{server}"))
                    .collect::<Vec<_>>(),
            };
            let instance = if config.instance_uuid.len() == 32 {
                "random"
            } else {
                &config.instance_uuid
            };
            let application = &config.application_code;
            format!("{application} / {instance} at {}", collectors.join(", "))
        }
        Err(problems) => {
            let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
            lines.join("; ")
        }
    };
    text.replace(&*path.to_string_lossy(), file)
}

const PLAIN: &str = "orders / random at 127.0.0.1:11800";

#[test]
fn each_file_has_its_outcome() {
    let cases = [
        ("11-bom.config", PLAIN),
        ("11-gbk-comment.config", PLAIN),
        (
            "11-gbk-value.config",
            "11-gbk-value.config:1: agent.service_name: is not UTF-8; save the file as UTF-8",
        ),
        ("11-gbk-value-of-another-key.config", PLAIN),
        (
            "11-utf-16.config",
            "11-utf-16.config:1: config_file: is UTF-16; save the file as UTF-8",
        ),
        ("11-nested-placeholder.config", PLAIN),
        ("11-placeholder-of-another-key.config", PLAIN),
        (
            "11-placeholder-unset.config",
            "11-placeholder-unset.config:2: collector.backend_service: the environment has no OAP, and ${OAP} has no default",
        ),
        (
            "11-instance-name.config",
            "orders / orders-1 at 127.0.0.1:11800",
        ),
        (
            "11-namespace.config",
            "orders|prod|east / random at 127.0.0.1:11800",
        ),
        (
            "11-namespace-alone.config",
            "orders|prod| / random at 127.0.0.1:11800",
        ),
        (
            "11-properties.config",
            "\u{8ba2}\u{5355} / orders-1 at 10.0.0.1:11800, 10.0.0.2:11800",
        ),
        ("11-line-ends-of-macos-9.config", PLAIN),
        (
            "11-key-of-the-file.config",
            "orders / orders-1 at 127.0.0.1:11800",
        ),
    ];
    for (file, expected) in cases {
        assert_eq!(outcome(file, &[]), expected, "{file}");
    }
}

#[test]
fn placeholders_take_the_values_of_the_environment() {
    let nested = "11-nested-placeholder.config";
    let fallback = ("FALLBACK", "10.0.0.9");
    assert_eq!(
        outcome(nested, &[fallback]),
        "orders / random at 10.0.0.9:11800"
    );
    let both = [fallback, ("OAP", "oap:1")];
    assert_eq!(outcome(nested, &both), "orders / random at oap:1");
    let set = [("OAP", "oap:1")];
    let unset = "11-placeholder-unset.config";
    assert_eq!(outcome(unset, &set), "orders / random at oap:1");
    let variable = [("SW_AGENT_INSTANCE_NAME", "orders-2")];
    let named = "11-instance-name.config";
    assert_eq!(
        outcome(named, &variable),
        "orders / orders-2 at 127.0.0.1:11800"
    );
}

#[test]
fn every_config_file_among_the_cases_is_in_the_table() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/cases");
    let table = include_str!("cases.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let listed = table.contains(&format!("\"{name}\""));
        assert!(
            listed || !name.ends_with(".config"),
            "{name} has no outcome"
        );
    }
}
