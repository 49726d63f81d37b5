//! Tests the dependency policy of `deny.toml`, as `cargo deny check bans licenses sources` does.
//!
//! The test reads every key of that file and fails at an unknown key, so every rule is enforced.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    sync::LazyLock,
};

use semver::{Version, VersionReq};
use serde::{Deserialize, de::DeserializeOwned};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Policy {
    graph: Graph,
    bans: Bans,
    licenses: Licenses,
    sources: Sources,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Graph {
    all_features: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Bans {
    multiple_versions: Deny,
    wildcards: Deny,
    allow_wildcard_paths: bool,
    deny: Vec<Crate>,
    skip: Vec<Crate>,
}

/// The only level that this project uses, because the other levels of cargo-deny do not fail a check.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Deny {
    Deny,
}

/// `name`, or `name@requirement` as in a manifest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Crate {
    #[serde(rename = "crate")]
    spec: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Licenses {
    allow: BTreeSet<String>,
    unused_allowed_license: Deny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    unknown_registry: Deny,
    unknown_git: Deny,
    allow_registry: Vec<String>,
    allow_git: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: Version,
    license: Option<String>,
    source: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    req: VersionReq,
    path: Option<String>,
}

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    toml::from_str(include_str!("../../deny.toml"))
        .expect("deny.toml has only keys that this test knows")
});

/// All packages that are linked or run at build time, for every platform and with every feature, including those of tests.
static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
    let mut arguments = vec!["metadata", "--format-version", "1", "--locked"];
    if POLICY.graph.all_features {
        arguments.push("--all-features");
    }
    let mut metadata: Metadata = cargo(&arguments);
    let used = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| node.id.clone())
        .collect::<BTreeSet<_>>();
    metadata
        .packages
        .retain(|package| used.contains(&package.id));
    metadata
});

fn cargo<T: DeserializeOwned>(arguments: &[&str]) -> T {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo's metadata")
}

impl Crate {
    fn matches(&self, name: &str, version: &Version) -> bool {
        match self.spec.split_once('@') {
            None => self.spec == name,
            Some((own, requirement)) => {
                own == name
                    && VersionReq::parse(requirement)
                        .expect("a version")
                        .matches(version)
            }
        }
    }
}

#[test]
fn no_crate_has_two_versions_without_a_reason() {
    let Deny::Deny = POLICY.bans.multiple_versions;
    let mut versions = BTreeMap::<&str, BTreeSet<&Version>>::new();
    for package in &METADATA.packages {
        versions
            .entry(&package.name)
            .or_default()
            .insert(&package.version);
    }
    for skip in &POLICY.bans.skip {
        assert!(!skip.reason.is_empty(), "{} has no reason", skip.spec);
        let twice = versions.iter().filter(|(_, versions)| versions.len() > 1);
        let matched =
            twice.flat_map(|(name, versions)| versions.iter().map(move |version| (name, version)));
        assert_eq!(
            matched
                .filter(|(name, version)| skip.matches(name, version))
                .count(),
            1,
            "{} must match one version of a crate that is used in several versions",
            skip.spec,
        );
    }
    for (name, versions) in &mut versions {
        let skipped = |version: &Version| {
            POLICY
                .bans
                .skip
                .iter()
                .any(|skip| skip.matches(name, version))
        };
        let left = versions
            .iter()
            .filter(|version| !skipped(version))
            .collect::<Vec<_>>();
        assert!(
            left.len() <= 1,
            "{name} is used in the versions {left:?}: use one, or add the older one to `skip` with a reason"
        );
    }
}

#[test]
fn no_banned_crate_is_used() {
    for package in &METADATA.packages {
        let banned = POLICY
            .bans
            .deny
            .iter()
            .find(|ban| ban.matches(&package.name, &package.version));
        assert!(
            banned.is_none(),
            "{}: {}",
            package.name,
            banned.unwrap().reason
        );
    }
}

#[test]
fn every_requirement_has_a_version() {
    let Deny::Deny = POLICY.bans.wildcards;
    let members = METADATA
        .packages
        .iter()
        .filter(|package| METADATA.workspace_members.contains(&package.id));
    for (member, dependency) in
        members.flat_map(|member| member.dependencies.iter().map(move |it| (member, it)))
    {
        let own = POLICY.bans.allow_wildcard_paths && dependency.path.is_some();
        assert!(
            own || dependency.req != VersionReq::STAR,
            "{} requires any version of {}",
            member.name,
            dependency.name
        );
    }
}

#[test]
fn every_licence_is_allowed() {
    let allow = &POLICY.licenses.allow;
    let mut used = BTreeSet::new();
    for package in &METADATA.packages {
        let license = package
            .license
            .as_deref()
            .unwrap_or_else(|| panic!("{} states no licence", package.name));
        let expression = spdx::Expression::parse_mode(license, spdx::ParseMode::LAX);
        let expression = expression.unwrap_or_else(|error| panic!("{}: {error}", package.name));
        let allowed = expression.evaluate(|requirement| allow.contains(&requirement.to_string()));
        assert!(allowed, "{} is under {license}", package.name);
        used.extend(
            expression
                .requirements()
                .map(|requirement| requirement.req.to_string()),
        );
    }
    let Deny::Deny = POLICY.licenses.unused_allowed_license;
    let unused = allow.difference(&used).collect::<Vec<_>>();
    assert!(
        unused.is_empty(),
        "licences that are allowed and not used: {unused:?}"
    );
}

#[test]
fn every_crate_comes_from_an_allowed_source() {
    let Sources {
        unknown_registry: Deny::Deny,
        unknown_git: Deny::Deny,
        allow_registry,
        allow_git,
    } = &POLICY.sources;
    for package in &METADATA.packages {
        let Some(source) = &package.source else {
            let member = METADATA.workspace_members.contains(&package.id);
            assert!(member, "{} is a path outside the workspace", package.name);
            continue;
        };
        let allowed = match source.split_once('+') {
            Some(("registry", registry)) => {
                allow_registry.iter().any(|allowed| allowed == registry)
            }
            Some(("git", repository)) => allow_git
                .iter()
                .any(|allowed| repository.starts_with(allowed)),
            _ => false,
        };
        assert!(allowed, "{} comes from {source}", package.name);
    }
}

#[test]
fn the_agent_library_depends_on_tls_only_with_its_feature() {
    let tree = |features: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--locked",
                "--package",
                "rollcall-agent",
                "--edges",
                "normal",
            ])
            .args(features)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(tree(&["--features", "tls"]).contains("rustls"));
    let plain = tree(&[]);
    assert!(
        plain.contains("tonic") && !plain.contains("rustls"),
        "{plain}"
    );
}
