//! Tests the examples of `collector/deploy`: their form is valid, their ports, paths and variables are those of the collector, and
//! the files that they name exist. The tests install nothing.

mod image;
mod kubernetes;
mod yaml;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rollcall_tests::process::collector_binary;
use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn path(name: &str) -> PathBuf {
    Path::new(ROOT).join("collector/deploy").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The default value of this variable in the bundled configuration.
fn default_of(variable: &str) -> String {
    let file = Path::new(ROOT).join("collector/config/application.yml");
    let file = fs::read_to_string(file).unwrap();
    let start = format!("${{{variable}:");
    let (_, rest) = file
        .split_once(&start)
        .unwrap_or_else(|| panic!("the collector has no variable {variable}"));
    rest.split('}').next().unwrap().to_owned()
}

/// The default ports of naming, gRPC and HTTP.
fn default_ports() -> BTreeSet<String> {
    let ports = [
        "SW_NAMING_JETTY_PORT",
        "SW_AGENT_GRPC_PORT",
        "SW_AGENT_JETTY_PORT",
    ];
    ports.map(default_of).into()
}

fn texts(value: &Value) -> Vec<&str> {
    let items = value.as_array().expect("a list").iter();
    items.map(|item| item.as_str().expect("a text")).collect()
}

fn names(value: &Value) -> Vec<&str> {
    let entries = value.as_object().expect("a mapping").keys();
    entries.map(String::as_str).collect()
}

#[test]
fn the_image_has_the_ports_and_the_variables_of_the_collector() {
    let file = text("Containerfile");
    let exposed = file.lines().find_map(|line| line.strip_prefix("EXPOSE "));
    let exposed = exposed.expect("ports").split(' ').map(str::to_owned);
    assert_eq!(exposed.collect::<BTreeSet<_>>(), default_ports());
    let instructions = file.lines().filter(|line| !line.starts_with('#'));
    let words = instructions.flat_map(|line| line.split_whitespace());
    let variables = words.filter_map(|word| word.strip_prefix("SW_")?.split_once('='));
    let mut count = 0;
    for (variable, value) in variables {
        if variable == "NACOS" {
            assert_eq!(value, "none");
        } else {
            default_of(&format!("SW_{variable}"));
        }
        count += 1;
    }
    assert_eq!(count, 6);
    for line in [
        "USER 65532:65532",
        "FROM scratch",
        "ENTRYPOINT [\"/usr/bin/rollcall-collector\"]",
    ] {
        assert!(file.lines().any(|it| it == line), "{line}");
    }
}

#[test]
fn compose_publishes_the_ports_of_the_collector_and_sets_known_variables() {
    for name in ["compose.yml", "compose-cluster.yml"] {
        let [document] = &yaml::documents(&text(name))[..] else {
            panic!("{name}: one document")
        };
        let volumes = names(&document["volumes"]);
        let mut ports = BTreeSet::new();
        for (service, it) in document["services"].as_object().expect("services") {
            for volume in it["volumes"].as_array().into_iter().flatten() {
                let (volume, _) = volume.as_str().unwrap().split_once(':').unwrap();
                assert!(volumes.contains(&volume), "{name}: {volume}");
            }
            // Without this policy, a container would not start again after a restart of the machine.
            assert_eq!(it["restart"], "unless-stopped", "{name}: {service}");
            if !service.starts_with("collector") {
                continue;
            }
            assert_eq!(texts(&it["cap_drop"]), ["ALL"], "{name}: {service}");
            let secured = ["no-new-privileges:true"];
            assert_eq!(texts(&it["security_opt"]), secured, "{name}: {service}");
            assert!(it["ulimits"]["nofile"].is_string(), "{name}: {service}");
            for token in ["SW_AUTHENTICATION", "SW_AGENT_JETTY_AUTHENTICATION"] {
                assert_eq!(it["environment"][token], "${TOKEN:-}", "{name}: {service}");
            }
            let dockerfile = it["build"]["dockerfile"].as_str().expect("a dockerfile");
            assert!(Path::new(ROOT).join(dockerfile).exists(), "{dockerfile}");
            assert_eq!(it["image"], image(), "{name}: {service}");
            let mounts = texts(&it["volumes"]);
            let paths = mounts.iter().filter_map(|mount| mount.split(':').nth(1));
            keeps_its_journal(&it["environment"], paths);
            for (variable, value) in it["environment"].as_object().expect("variables") {
                assert!(value.is_string(), "{name}: {variable}");
                match variable.as_str() {
                    "SW_CLUSTER" | "SW_STORAGE" => assert_eq!(value, "etcd"),
                    variable => drop(default_of(variable)),
                }
            }
            for published in texts(&it["ports"]) {
                assert!(
                    published.starts_with("${BIND:-127.0.0.1}:"),
                    "{name}: {published}"
                );
                let mut parts = published.rsplit(':');
                let (inside, outside) = (parts.next().unwrap(), parts.next().unwrap());
                assert_eq!(
                    inside, outside,
                    "{name}: agents reach the addresses that they receive"
                );
                assert!(ports.insert(inside.to_owned()), "{name}: {inside} twice");
            }
        }
        let expected = match name {
            "compose.yml" => default_ports(),
            _ => (1..=3)
                .flat_map(|n| ["1080", "1180", "1280"].map(|port| format!("{port}{n}")))
                .collect(),
        };
        assert_eq!(ports, expected, "{name}");
    }
}

/// Checks that the journal of events is on a volume: beside an embedded store, or where the variables say.
fn keeps_its_journal<'a>(variables: &Value, mut mounts: impl Iterator<Item = &'a str>) {
    let journal = match variables["SW_STORAGE"].as_str() {
        Some(_) => variables["SW_TIMELINE_JOURNAL_PATH"].as_str(),
        None => Some("/data/events"),
    };
    let journal = Path::new(journal.expect("a path of the journal"));
    assert!(
        mounts.any(|mount| journal.starts_with(mount)),
        "{journal:?}"
    );
}

/// The name of the image of this version.
fn image() -> String {
    format!("rollcall-collector:{}", env!("CARGO_PKG_VERSION"))
}

#[test]
fn the_unit_is_valid_and_confines_the_service() {
    let unit = text("rollcall-collector.service");
    for line in [
        "Type=notify",
        "User=rollcall",
        "DynamicUser=yes",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "RestartPreventExitStatus=64",
        r#"ExecReload=/bin/sh -c 'kill -HUP "$MAINPID"'"#,
    ] {
        assert!(unit.lines().any(|it| it == line), "{line}");
    }
    // A copy of the unit with paths that exist on this machine.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rollcall-collector.service");
    let binary = collector_binary().display().to_string();
    let here = unit.replace("/usr/bin/rollcall-collector", &binary);
    fs::write(
        &file,
        here.replace("Documentation=man:rollcall-collector(1)\n", ""),
    )
    .unwrap();
    let verified = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&file)
        .output()
        .expect("systemd-analyze, which tests/run installs");
    let complaints = String::from_utf8_lossy(&verified.stderr);
    let of_this_unit = complaints.lines().filter(|line| line.contains("rollcall"));
    assert_eq!(of_this_unit.collect::<Vec<_>>(), Vec::<&str>::new());
    let rated = Command::new("systemd-analyze")
        .args(["security", "--no-pager", "--offline=true", "--threshold=20"])
        .arg(&file)
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&rated.stdout);
    assert!(rated.status.success(), "exposure above 2.0: {report}");
}

#[test]
fn the_package_has_every_file_and_no_other() {
    let root = Path::new(ROOT).join("collector");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let package = &manifest["package"]["metadata"]["deb"];
    let mut installed = BTreeSet::new();
    for asset in package["assets"].as_array().expect("assets") {
        let asset: Vec<_> = asset
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_str().unwrap())
            .collect();
        let [source, target, mode] = asset[..] else {
            panic!("source, target and mode: {asset:?}")
        };
        assert!(["644", "755"].contains(&mode), "{asset:?}");
        let name = source.rsplit('/').next().unwrap();
        let target = if target.ends_with('/') {
            format!("{target}{name}")
        } else {
            target.to_owned()
        };
        assert!(installed.insert(target), "{asset:?}");
        if let Some(made) = source.strip_prefix("../target/deploy/") {
            let script = text("build-deb");
            let (stem, extension) = made.rsplit_once('.').unwrap();
            let is_made =
                script.contains(made) || (script.contains(stem) && script.contains(extension));
            assert!(is_made, "build-deb does not make {made}");
        } else if let Some((directory, extension)) = source.split_once("/*.") {
            let mut files = fs::read_dir(root.join(directory)).expect(directory);
            let matches = |file: PathBuf| file.extension().is_some_and(|it| it == extension);
            assert!(files.any(|file| matches(file.unwrap().path())), "{source}");
        } else if !source.starts_with("target/") {
            assert!(root.join(source).exists(), "{source}");
        }
    }
    for file in package["conf-files"].as_array().expect("conf-files") {
        let file = file.as_str().unwrap().trim_start_matches('/');
        assert!(installed.contains(file), "{file}");
    }
    let unit = text("rollcall-collector.service");
    for file in [
        "/usr/bin/rollcall-collector",
        "/etc/rollcall/application.yml",
        "/etc/default/rollcall-collector",
    ] {
        assert!(
            unit.contains(file) && installed.contains(&file[1..]),
            "{file}"
        );
    }
    // The package creates the unit's user, so that an operator can make certificates readable for it.
    assert!(text("debian/postinst").contains(" rollcall\n"));
    assert!(package["depends"].as_str().unwrap().contains("adduser"));
    // The package deletes the store only when it is purged, together with its configuration.
    let removed = text("debian/postrm");
    assert!(removed.contains("if [ \"$1\" = purge ]; then\n    rm -rf /var/lib/rollcall "));
    for script in ["postinst", "prerm", "postrm"] {
        let script = text(&format!("debian/{script}"));
        assert!(
            script.starts_with("#!/bin/sh") && script.contains("#DEBHELPER#"),
            "{script}"
        );
    }
}
