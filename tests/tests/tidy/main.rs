//! The rules that neither the compiler nor clippy keeps: which module may name which, and that what the text refers to is there.

mod paths;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The root of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A module and the modules that it must not name: the arrows that lie within one crate, which the compiler does not keep.
const ARROWS: [(&str, &[&str]); 9] = [
    ("api", &["storage", "cluster", "app"]),
    ("api::http", &["api::grpc"]),
    ("api::grpc", &["api::http"]),
    ("service", &["api", "app", "server", "remote"]),
    ("remote", &["api", "app", "server", "storage", "cluster"]),
    ("storage", &["api", "app", "server", "service", "cluster"]),
    ("cluster", &["api", "app", "server", "service", "storage"]),
    ("server", &["api", "app", "service", "storage", "cluster"]),
    (
        "runtime",
        &["api", "app", "server", "service", "storage", "cluster"],
    ),
];

/// Modules that only the composition root may name.
const BACKENDS: [&str; 6] = [
    "storage::embedded",
    "storage::etcd",
    "storage::memory",
    "cluster::standalone",
    "cluster::etcd",
    "cluster::zookeeper",
];

/// A Rust source file of the collector.
struct Source {
    /// Its module, such as `api::http`.
    module: String,
    /// Every path that it names outside its tests, resolved where it begins with `crate` or `super`.
    paths: Vec<String>,
}

fn collector() -> Vec<Source> {
    let root = Path::new(ROOT).join("collector/src");
    let is_test = |file: &PathBuf| {
        let below = file.strip_prefix(&root).expect("a file below the root");
        let is_named = |name: &str| below.file_name().is_some_and(|file| file == name);
        is_named("tests.rs") || is_named("testing.rs") || below.iter().any(|part| part == "tests")
    };
    let files = files(&root, "rs").into_iter().filter(|file| !is_test(file));
    files
        .map(|file| {
            let module = file
                .strip_prefix(&root)
                .expect("a file below the root")
                .with_extension("");
            let module = module
                .iter()
                .map(|part| part.to_str().expect("UTF-8"))
                .collect::<Vec<_>>();
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

#[test]
fn no_module_names_another_against_the_arrows() {
    let sources = collector();
    for (module, forbidden) in ARROWS {
        for source in sources
            .iter()
            .filter(|source| is_within(&source.module, module))
        {
            for path in &source.paths {
                let wrong = forbidden
                    .iter()
                    .find(|forbidden| is_within(path, forbidden));
                assert!(wrong.is_none(), "{} names {path}", source.module);
            }
        }
    }
}

#[test]
fn only_the_composition_root_names_a_concrete_backend() {
    // The offline commands maintain the embedded store and no other: naming it is what they are for.
    let may_name = ["app", "store"];
    for source in collector()
        .iter()
        .filter(|source| !may_name.contains(&&*source.module))
    {
        for path in &source.paths {
            let padded = format!("::{path}::");
            let named = BACKENDS
                .iter()
                .find(|backend| padded.contains(&format!("::{backend}::")));
            let own = named.is_some_and(|backend| is_within(&source.module, backend));
            assert!(named.is_none() || own, "{} names {path}", source.module);
        }
    }
}

#[test]
fn only_the_demo_names_the_agent_library() {
    for source in collector()
        .iter()
        .filter(|source| !is_within(&source.module, "demo"))
    {
        let named = source
            .paths
            .iter()
            .find(|path| is_within(path, "rollcall_agent"));
        assert!(named.is_none(), "{} names {named:?}", source.module);
    }
}

#[test]
fn the_agent_library_does_not_know_the_collector() {
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
fn modules_are_files_of_their_name() {
    let named_mod = rust_files()
        .into_iter()
        .filter(|file| file.ends_with("mod.rs"))
        .collect::<Vec<_>>();
    assert!(named_mod.is_empty(), "{named_mod:?}");
}

#[test]
fn whatever_is_left_to_do_has_an_owner() {
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
fn relative_links_in_documents_lead_somewhere() {
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

/// The anchors of a document's headings, as GitHub makes them.
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

/// Every file with this extension below `directory`, except where nothing is written by hand.
fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("a readable directory").path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.is_dir() && !hidden && !path.ends_with("target") {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found
}
