//! The layers put together: bundled file < operator's file < variables < command line.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use super::keys::{Field, KEYS, Key};
use super::modules::MODULES;
use super::{Config, DEFAULTS, Error, Problem, advertise, check, document, layers};

/// Where a configuration comes from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The operator's file, if there is one: its name, for messages, and its text.
    pub file: Option<(String, String)>,
    /// The process environment.
    pub env: BTreeMap<String, String>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// How to find this machine's own address, asked only for a wildcard host; see [`detect`](super::detect).
    pub detect: fn() -> Option<IpAddr>,
}

/// A configuration, and what the operator should be told about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The effective configuration.
    pub config: Config,
    /// Modules of the operator's file that Rollcall has no part for and ignores, sorted.
    pub ignored: Vec<String>,
}

/// Who said a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The bundled file.
    Default,
    /// The operator's file.
    File(String),
    /// A variable.
    Variable(&'static str),
}

/// Puts the layers together and checks the result.
///
/// # Errors
/// Every mistake that was found, not only the first.
pub fn load(sources: Sources) -> Result<Loaded, Error> {
    let Sources {
        file,
        env,
        data_dir,
        detect,
    } = sources;
    let mut gathered = Gathered::default();
    gathered.read(Origin::Default, DEFAULTS, &env);
    if let Some((name, text)) = file {
        gathered.read(Origin::File(name), &text, &env);
    }
    let Gathered {
        texts,
        ignored,
        mut problems,
    } = gathered;

    let mut config = Config::default();
    for key in KEYS {
        let Some((text, origin)) = variable(key, &env).or_else(|| texts.get(&key.path()).cloned())
        else {
            continue;
        };
        if let Err(allowed) = key.field.set(&mut config, &text) {
            let message = match key.field {
                Field::Secret(_) => format!("its value is not allowed; allowed: {allowed}"),
                _ => format!("{text:?} is not allowed; allowed: {allowed}"),
            };
            problems.push(Problem {
                origin: Some(origin),
                key: key.path(),
                message,
            });
        }
    }
    for module in MODULES {
        if let (Some(choice), Some((name, _))) = (module.choice, texts.get(module.name)) {
            (choice.set)(&mut config, name);
        }
    }
    if let Some(path) = data_dir {
        config.storage.embedded.path = path;
    }
    // Rules between keys mean something only when every key does.
    if problems.is_empty() {
        problems.extend(advertise::complete(&mut config, detect));
        complete_storage(&mut config);
        problems.extend(check::validate(&config));
    }
    if problems.is_empty() {
        Ok(Loaded { config, ignored })
    } else {
        Err(Error { problems })
    }
}

/// Fills in what the storage's etcd leaves out: it is the cluster's.
fn complete_storage(config: &mut Config) {
    // The store belongs to the cluster in use, whose namespace need not be the one of the cluster's etcd.
    if config.storage.etcd.namespace.is_empty() {
        config.storage.etcd.namespace = config.namespace().to_owned();
    }
    let (given, default) = (&mut config.storage.etcd, &config.cluster.etcd);
    for (given, default) in [
        (&mut given.ca_file, &default.ca_file),
        (&mut given.cert_file, &default.cert_file),
        (&mut given.key_file, &default.key_file),
    ] {
        if given.as_os_str().is_empty() {
            given.clone_from(default);
        }
    }
    if given.endpoints.is_empty() {
        given.endpoints.clone_from(&default.endpoints);
    }
    if given.user.is_empty() {
        given.user.clone_from(&default.user);
    }
    if given.password.expose().is_empty() {
        given.password.clone_from(&default.password);
    }
}

fn variable(key: &Key, env: &BTreeMap<String, String>) -> Option<(String, Origin)> {
    let value = env.get(key.env).filter(|value| !value.is_empty())?;
    Some((value.clone(), Origin::Variable(key.env)))
}

/// What the files say, the later over the earlier.
#[derive(Debug, Default)]
struct Gathered {
    texts: BTreeMap<String, (String, Origin)>,
    ignored: Vec<String>,
    problems: Vec<Problem>,
}

impl Gathered {
    fn read(&mut self, origin: Origin, text: &str, env: &BTreeMap<String, String>) {
        let document = match document::parse(text) {
            Ok(document) => document,
            Err(message) => {
                return self.problems.push(Problem {
                    origin: Some(origin),
                    key: String::new(),
                    message,
                });
            }
        };
        let layer = layers::read(document, &origin, env);
        self.texts.extend(
            layer
                .values
                .into_iter()
                .map(|(path, value)| (path, (value, origin.clone()))),
        );
        self.ignored.extend(layer.ignored);
        for problem in layer.problems {
            // A variable that selects what does not exist is met once per file.
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }
}

impl Config {
    /// The defaults with port 0 everywhere (so that each face has a listener of its own) and the store under `data`.
    #[cfg(any(test, feature = "test-util"))]
    #[must_use]
    pub fn for_test(data: &std::path::Path) -> Self {
        let ports = KEYS
            .iter()
            .filter(|key| key.name == "port")
            .map(|key| (key.env.to_owned(), "0".to_owned()));
        let sources = Sources {
            file: None,
            env: ports.collect(),
            data_dir: Some(data.to_owned()),
            detect: || None,
        };
        load(sources)
            .expect("the bundled file is right, a test of its own says so")
            .config
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the bundled application.yml"),
            Self::File(name) => f.write_str(name),
            Self::Variable(name) => f.write_str(name),
        }
    }
}
