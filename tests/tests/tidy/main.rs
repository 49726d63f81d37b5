//! Tests rules that neither the compiler nor clippy checks: crates depend only on allowed crates, modules depend on each other in
//! one direction, and links in documents lead to existing targets.

mod circles;
mod paths;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The root of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The largest number of lines in a source file.
const MAX_LINES: usize = 350;

/// Every crate of the collector, and the workspace crates that it may depend on. The compiler rejects the use of a crate without a
/// dependency. This test rejects a new dependency that is not in this table, which follows the map in ARCHITECTURE.md. The binary
/// may depend on every crate.
const NEEDS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("limits", &[]),
    ("protobuf", &[]),
    ("secret", &[]),
    ("snapshot", &[]),
    ("tls", &[]),
    ("zookeeper", &[]),
    ("etcd", &["secret"]),
    ("events", &["domain", "limits"]),
    ("keyed", &["etcd", "snapshot"]),
    ("link", &["domain"]),
    ("metrics", &["domain", "limits"]),
    ("runtime", &["domain"]),
    (
        "catalog",
        &["domain", "keyed", "limits", "link", "metrics", "runtime"],
    ),
    ("cluster", &["domain", "etcd", "secret", "zookeeper"]),
    (
        "storage",
        &["domain", "etcd", "protobuf", "runtime", "snapshot"],
    ),
    ("server", &["limits", "link", "metrics", "tls"]),
    (
        "service",
        &[
            "domain", "events", "limits", "link", "metrics", "runtime", "storage",
        ],
    ),
    (
        "api/admin",
        &[
            "catalog", "domain", "limits", "link", "metrics", "runtime", "server", "service",
        ],
    ),
    (
        "api/nacos",
        &[
            "catalog", "domain", "limits", "link", "metrics", "proto", "runtime", "server",
        ],
    ),
    (
        "api/skywalking",
        &[
            "domain", "limits", "metrics", "proto", "protobuf", "runtime", "server", "service",
            "tls",
        ],
    ),
];

/// Modules with concrete providers. In the collector's binary, only the composition root may name them.
const PROVIDERS: [&str; 9] = [
    "rollcall_keyed::embedded",
    "rollcall_keyed::etcd",
    "rollcall_keyed::memory",
    "rollcall_storage::embedded",
    "rollcall_storage::etcd",
    "rollcall_storage::memory",
    "rollcall_cluster::standalone",
    "rollcall_cluster::etcd",
    "rollcall_cluster::zookeeper",
];

/// A Rust source file outside of tests.
struct Source {
    /// Its module, such as `api::http`; empty for the root of a crate.
    module: String,
    /// Every path that it names outside its tests; paths into its own crate begin with `crate`.
    paths: Vec<String>,
}

/// The source files below `root`, the `src` directory of a crate.
fn sources(root: &Path) -> Vec<Source> {
    let is_test = |file: &PathBuf| {
        let below = file.strip_prefix(root).expect("a file below the root");
        let is_named = |name: &str| below.file_name().is_some_and(|file| file == name);
        is_named("tests.rs") || is_named("testing.rs") || below.iter().any(|part| part == "tests")
    };
    let files = files(root, "rs").into_iter().filter(|file| !is_test(file));
    files
        .map(|file| {
            let module = file
                .strip_prefix(root)
                .expect("a file below the root")
                .with_extension("");
            let mut module = module
                .iter()
                .map(|part| part.to_str().expect("UTF-8"))
                .collect::<Vec<_>>();
            if matches!(module[..], ["lib" | "main"]) {
                module.clear();
            }
            let text = fs::read_to_string(&file).expect("a readable source");
            Source {
                module: module.join("::"),
                paths: paths::named_by(&text, &module),
            }
        })
        .collect()
}

fn is_within(path: &str, module: &str) -> bool {
    path.strip_prefix(module)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The workspace crates that a table of a manifest names, without the prefix `rollcall-`.
fn needs(manifest: &Path, table: &str) -> Vec<String> {
    let text = fs::read_to_string(manifest).expect("a manifest");
    let manifest: toml::Table = text.parse().expect("a manifest");
    let dependencies = manifest.get(table).and_then(|table| table.as_table());
    let names = dependencies.into_iter().flat_map(toml::Table::keys);
    names
        .filter_map(|name| name.strip_prefix("rollcall-").map(str::to_owned))
        .collect()
}

#[test]
fn each_crate_of_the_collector_depends_only_on_crates_in_the_map() {
    let root = Path::new(ROOT).join("collector");
    for manifest in files(&root, "toml") {
        let directory = manifest.parent().expect("a directory");
        let crate_ = directory.strip_prefix(&root).expect("below the collector");
        let crate_ = crate_.to_str().expect("UTF-8");
        if crate_.is_empty() {
            continue;
        }
        let allowed = NEEDS.iter().find(|(known, _)| *known == crate_);
        let Some((_, allowed)) = allowed else {
            panic!("collector/{crate_} is not in the map of this test");
        };
        for needed in needs(&manifest, "dependencies") {
            assert!(
                allowed.contains(&&*needed),
                "collector/{crate_} needs {needed}"
            );
        }
    }
}

#[test]
fn the_tests_of_a_face_depend_on_no_other_face() {
    let faces = ["admin", "nacos", "skywalking"];
    for face in faces {
        let manifest = Path::new(ROOT).join(format!("collector/api/{face}/Cargo.toml"));
        for needed in needs(&manifest, "dev-dependencies") {
            let is_other = faces.contains(&&*needed) && needed != face;
            assert!(!is_other, "the tests of {face} need {needed}");
        }
    }
}

#[test]
fn only_the_composition_root_names_a_concrete_provider() {
    // The offline commands (`store`) maintain the embedded store, so they name it.
    let may_name = ["app::providers", "app", "store"];
    for source in sources(&Path::new(ROOT).join("collector/src")) {
        if may_name.contains(&&*source.module) {
            continue;
        }
        for path in &source.paths {
            let named = PROVIDERS.iter().any(|provider| is_within(path, provider));
            assert!(!named, "{} names {path}", source.module);
        }
    }
}

#[test]
fn only_the_demo_names_the_agent_library() {
    for source in sources(&Path::new(ROOT).join("collector/src")) {
        let mut named = source.paths.iter();
        let named = named.find(|path| is_within(path, "rollcall_agent"));
        let is_demo = is_within(&source.module, "demo");
        assert!(
            named.is_none() || is_demo,
            "{} names {named:?}",
            source.module
        );
    }
}

#[test]
fn no_source_file_is_long() {
    let below = ["agent", "collector"].map(|part| files(&Path::new(ROOT).join(part), "rs"));
    let mut lengths = Vec::new();
    let mut long = Vec::new();
    for file in below.into_iter().flatten() {
        let text = fs::read_to_string(&file).expect("a readable source");
        let lines = text.lines().count();
        lengths.push(lines);
        if lines > MAX_LINES {
            long.push((lines, file));
        }
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(
        long.is_empty(),
        "split the files with more than {MAX_LINES} lines (the median has {median}): {long:#?}"
    );
}

#[test]
fn modules_depend_on_each_other_in_one_direction() {
    for manifest in files(Path::new(ROOT), "toml") {
        let root = manifest.parent().expect("a directory").join("src");
        if root.is_dir() {
            let circle = circles::first(&sources(&root));
            assert!(circle.is_none(), "{}: {circle:#?}", manifest.display());
        }
    }
}

#[test]
fn the_agent_library_does_not_depend_on_the_collector() {
    let manifest =
        fs::read_to_string(Path::new(ROOT).join("agent/Cargo.toml")).expect("the agent's manifest");
    let manifest: toml::Table = manifest.parse().expect("a manifest");
    for name in manifest["dependencies"].as_table().expect("a table").keys() {
        assert!(
            !["rollcall-collector", "rollcall-domain"].contains(&name.as_str()),
            "rollcall-agent needs {name}"
        );
    }
}

#[test]
fn no_module_file_is_called_mod_rs() {
    let named_mod = rust_files()
        .into_iter()
        .filter(|file| file.ends_with("mod.rs"))
        .collect::<Vec<_>>();
    assert!(named_mod.is_empty(), "{named_mod:?}");
}

#[test]
fn every_open_task_has_an_owner() {
    let marker = ["TO", "DO"].concat();
    for file in rust_files() {
        let text = fs::read_to_string(&file).expect("a readable source");
        for (number, line) in text.lines().enumerate() {
            let orphan = line
                .match_indices(&marker)
                .any(|(at, _)| !line[at + marker.len()..].starts_with('('));
            assert!(!orphan, "{}:{}: {line}", file.display(), number + 1);
        }
    }
}

#[test]
fn relative_links_in_documents_lead_to_existing_targets() {
    for file in files(Path::new(ROOT), "md") {
        let text = fs::read_to_string(&file).expect("a readable document");
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', ' ']).next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() {
                file.clone()
            } else {
                file.parent().expect("a directory").join(path)
            };
            assert!(target.exists(), "{}: {link}", file.display());
            assert!(
                anchor.is_empty() || anchors(&target).contains(&anchor.to_owned()),
                "{}: {link} names no heading",
                file.display(),
            );
        }
    }
}

/// The anchors of a document's headings, in GitHub's form.
fn anchors(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).expect("a readable document");
    let headings = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|heading| {
            let kept = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        })
        .collect()
}

fn rust_files() -> Vec<PathBuf> {
    files(Path::new(ROOT), "rs")
}

/// Every file with this extension below `directory`, except files in hidden directories and in directories of generated files.
fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("a readable directory").path();
        let generated = path.file_name().is_some_and(|name| {
            name.as_encoded_bytes().starts_with(b".") || name == "target" || name == "node_modules"
        });
        if path.is_dir() && !generated {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found
}
