//! Combines the layers: bundled file < operator's file < variables < command line.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::keys::{KEYS, Key};
use super::layers::Absent;
use super::modules::{self, MODULES};
use super::{
    Config, DEFAULTS, Detected, Error, Problem, advertise, check, document, inherited, layers,
    variables,
};

/// The sources of a configuration.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The name, for messages, and the text of the operator's file, if there is one.
    pub file: Option<(String, String)>,
    /// The process environment.
    pub env: BTreeMap<String, String>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// Detects this machine's own address; called only for a wildcard host. See [`detect`](super::detect).
    pub detect: fn() -> Detected,
}

/// A configuration, with warnings for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The effective configuration.
    pub config: Config,
    /// Parts of the operator's file that Rollcall ignores, sorted.
    pub ignored: Vec<String>,
    /// Unknown variables named `SW_..`, each with the most similar known one.
    pub unknown_variables: Vec<String>,
    /// Keys with a secret that the operator's file has without a value, and that no variable sets.
    pub without_secret: Vec<String>,
    /// The origin of each value.
    pub origins: Origins,
}

/// The origin of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The bundled file.
    Default,
    /// The operator's file.
    File(String),
    /// A variable that a placeholder of the operator's file names.
    Placeholder {
        /// The name of the file.
        file: String,
        /// The name of the variable.
        variable: String,
    },
    /// A variable.
    Variable(&'static str),
    /// An argument of the command line.
    Argument(&'static str),
}

impl Origin {
    /// The origin of a value of this file that contains the value of `variable`, if any.
    pub(super) fn with_variable(&self, variable: Option<String>) -> Self {
        match (self.clone(), variable) {
            (Self::File(file), Some(variable)) => Self::Placeholder { file, variable },
            (origin, _) => origin,
        }
    }
}

/// The origin of each value, by `module.provider.key`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// A problem that concerns several keys. It is reported for the first of them that the operator has set, or else for the first
    /// one. A key that inherits its value also stands for its source.
    #[must_use]
    pub fn problem(&self, keys: &[&str], message: String) -> Problem {
        let keys_and_sources = keys
            .iter()
            .flat_map(|key| [Some(*key), inherited::source(key)]);
        let given = keys_and_sources.flatten().find_map(|key| {
            let origin = self.0.get(key).filter(|origin| **origin != Origin::Default);
            Some((key, origin?.clone()))
        });
        let (key, origin) = match given {
            Some((key, origin)) => (key, Some(origin)),
            None => (keys.first().copied().unwrap_or_default(), None),
        };
        Problem {
            origin,
            key: key.to_owned(),
            message,
        }
    }
}

/// Combines the layers and checks the result.
///
/// # Errors
/// Returns every problem, not only the first.
pub fn load(sources: Sources) -> Result<Loaded, Error> {
    let Sources {
        file,
        env,
        data_dir,
        detect,
    } = sources;
    let mut gathered = Gathered::default();
    gathered.read(Origin::Default, DEFAULTS, &env);
    let unknown_variables = variables::unknown(&env, file.as_ref().map(|(_, text)| &**text));
    if let Some((name, text)) = file {
        gathered.read(Origin::File(name), &text, &env);
    }
    let mut config = Config::default();
    for module in MODULES {
        if let (Some(choice), Some((name, _))) = (module.choice, gathered.texts.get(module.name)) {
            (choice.set)(&mut config, name);
        }
    }
    let chosen = origins_of_choices(&gathered.texts, &env);
    let Gathered {
        texts,
        ignored,
        mut without_secret,
        absent,
        mut problems,
    } = gathered;
    problems.extend(absent.into_iter().map(|absent| refuse(absent, &config)));
    let mut origins = fill(&mut config, &texts, &env, &mut problems);
    origins.0.extend(chosen);
    without_secret.retain(|key| !matches!(origins.0.get(key), Some(Origin::Variable(_))));
    if let Some(path) = data_dir {
        config.storage.embedded.path = path;
        let origin = Origin::Argument("--data-dir");
        origins.0.insert("storage.embedded.path".to_owned(), origin);
    }
    // Rules between keys are checked only if every single key is valid.
    if problems.is_empty() {
        problems.extend(advertise::complete(&mut config, detect, &origins));
        complete_storage(&mut config);
        problems.extend(check::validate(&config, &origins));
    }
    if problems.is_empty() {
        Ok(Loaded {
            config,
            ignored,
            unknown_variables,
            without_secret,
            origins,
        })
    } else {
        Err(Error { problems })
    }
}

/// The origin of each choice of an implementation, by module.
fn origins_of_choices(
    texts: &BTreeMap<String, (String, Origin)>,
    env: &BTreeMap<String, String>,
) -> Vec<(String, Origin)> {
    let choices = MODULES.iter().filter_map(|module| {
        let variable = module.choice?.variable;
        let is_set = env.get(variable).is_some_and(|name| !name.is_empty());
        let origin = match texts.get(module.name) {
            _ if is_set => Origin::Variable(variable),
            Some((_, origin)) => origin.clone(),
            None => Origin::Default,
        };
        Some((module.name.to_owned(), origin))
    });
    choices.collect()
}

/// Sets every key in `config`, and returns the origins.
fn fill(
    config: &mut Config,
    texts: &BTreeMap<String, (String, Origin)>,
    env: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) -> Origins {
    let mut origins = Origins::default();
    let (mut wrong, mut by_default) = (Vec::new(), Vec::new());
    let given = |key: &Key| variable(key, env).or_else(|| texts.get(&key.path()).cloned());
    for key in KEYS {
        let Some((text, origin)) = inherited::value(key, given) else {
            continue;
        };
        if let Err(allowed) = key.field.set(config, &text) {
            let message = if key.field.is_secret() {
                format!("its value is not allowed; allowed: {allowed}")
            } else {
                format!("{text:?} is not allowed; allowed: {allowed}")
            };
            let problem = Problem {
                origin: Some(origin.clone()),
                key: key.path(),
                message,
            };
            // If a default is the variable of another key, that key reports the problem. Two keys with the same variable report it
            // once.
            let is_same = |(other, found): &(&Key, Problem)| {
                other.env == key.env && found.message == problem.message
            };
            match origin {
                Origin::Default => by_default.push(problem),
                _ if wrong.iter().any(is_same) => {}
                _ => wrong.push((key, problem)),
            }
        }
        origins.0.insert(key.path(), origin);
    }
    if wrong.is_empty() {
        problems.extend(by_default);
    }
    problems.extend(wrong.into_iter().map(|(_, problem)| problem));
    origins
}

/// The problem for an implementation that Rollcall does not have.
fn refuse(absent: Absent, config: &Config) -> Problem {
    let Absent {
        origin,
        module,
        provider,
    } = absent;
    Problem {
        origin: Some(origin),
        key: format!("{module}.{provider}"),
        message: modules::instead(module, &provider, config.cluster.provider),
    }
}

/// Copies the settings that `storage.etcd` omits from `cluster.etcd`.
fn complete_storage(config: &mut Config) {
    // The store has the namespace of the cluster in use, which may not be the one of `cluster.etcd`.
    if config.storage.etcd.namespace.is_empty() {
        config.storage.etcd.namespace = config.namespace().to_owned();
    }
    let (own, default) = (&mut config.storage.etcd, &config.cluster.etcd);
    for (own, default) in [
        (&mut own.ca_file, &default.ca_file),
        (&mut own.cert_file, &default.cert_file),
        (&mut own.key_file, &default.key_file),
    ] {
        if own.as_os_str().is_empty() {
            own.clone_from(default);
        }
    }
    if own.endpoints.is_empty() {
        own.endpoints.clone_from(&default.endpoints);
    }
    if own.user.is_empty() {
        own.user.clone_from(&default.user);
    }
    if own.password.expose().is_empty() {
        own.password.clone_from(&default.password);
    }
}

fn variable(key: &Key, env: &BTreeMap<String, String>) -> Option<(String, Origin)> {
    let value = env.get(key.env).filter(|value| !value.is_empty())?;
    Some((value.clone(), Origin::Variable(key.env)))
}

/// The values of the files; a later file overrides an earlier one.
#[derive(Debug, Default)]
struct Gathered {
    texts: BTreeMap<String, (String, Origin)>,
    ignored: Vec<String>,
    without_secret: Vec<String>,
    absent: Vec<Absent>,
    problems: Vec<Problem>,
}

impl Gathered {
    fn read(&mut self, origin: Origin, text: &str, env: &BTreeMap<String, String>) {
        let document = match document::parse(text) {
            Ok(document) => document,
            Err(document::Fault { line, message }) => {
                return self.problems.push(Problem {
                    origin: Some(origin),
                    key: String::new(),
                    message: format!("line {line}: {message}"),
                });
            }
        };
        let layer = layers::read(document, &origin, env);
        self.texts.extend(
            layer
                .values
                .into_iter()
                .map(|(path, value)| (path, (value.text, origin.with_variable(value.variable)))),
        );
        self.ignored.extend(layer.ignored);
        if matches!(origin, Origin::File(_)) {
            self.without_secret.extend(layer.without_secret);
        }
        // A variable that selects an unknown provider is found in each file, and reported once.
        for problem in layer.problems {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
        for absent in layer.absent {
            if !self.absent.contains(&absent) {
                self.absent.push(absent);
            }
        }
    }
}

impl Config {
    /// The defaults with port 0 everywhere, so that each face has a separate listener, and the store under `data`.
    #[cfg(test)]
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
            detect: || Detected::None,
        };
        load(sources)
            .expect("the bundled file is valid, which a test checks")
            .config
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the bundled application.yml"),
            Self::File(name) => f.write_str(name),
            Self::Placeholder { file, variable } => write!(f, "{file} (variable {variable})"),
            Self::Variable(name) | Self::Argument(name) => f.write_str(name),
        }
    }
}
