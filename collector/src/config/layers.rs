//! From documents to one text per key: which modules, providers and keys a file has, and which layer wins.

use std::collections::{BTreeMap, BTreeSet};

use super::document::Node;
use super::error::Problem;
use super::keys::{KEYS, Key};
use super::modules::{MODULES, Module, REFUSED, WITHOUT_PART};
use super::{Origin, placeholder};

/// The values a file gives, and what is to be said about the rest of it.
#[derive(Debug, Default)]
pub(super) struct Layer {
    /// `module.provider.key` in the table's spelling -> value, placeholders resolved; `module` -> the provider chosen.
    pub(super) values: BTreeMap<String, String>,
    /// Modules of upstream that were left aside.
    pub(super) ignored: BTreeSet<String>,
    pub(super) problems: Vec<Problem>,
}

/// Reads one document into a layer. `env` serves the placeholders and the selectors.
pub(super) fn read(document: Node, origin: &Origin, env: &BTreeMap<String, String>) -> Layer {
    let mut reader = Reader {
        layer: Layer::default(),
        origin,
        env,
    };
    reader.modules(document);
    reader.layer
}

impl Key {
    /// `module.provider.key`.
    pub(super) fn path(&self) -> String {
        format!("{}.{}.{}", self.module, self.provider, self.name)
    }
}

struct Reader<'a> {
    layer: Layer,
    origin: &'a Origin,
    env: &'a BTreeMap<String, String>,
}

impl Reader<'_> {
    fn problem(&mut self, key: &str, message: impl Into<String>) {
        self.problem_of(self.origin.clone(), key, message.into());
    }

    fn problem_of(&mut self, origin: Origin, key: &str, message: String) {
        self.layer.problems.push(Problem {
            origin: Some(origin),
            key: key.to_owned(),
            message,
        });
    }

    fn entries(&mut self, path: &str, node: Node, what: &str) -> Vec<(String, Node)> {
        match node {
            Node::Empty => Vec::new(),
            Node::Map(entries) => entries,
            Node::Scalar(_) | Node::List => {
                self.problem(
                    path,
                    format!("{what} have to stand below it, each as `name: ...`"),
                );
                Vec::new()
            }
        }
    }

    fn modules(&mut self, document: Node) {
        for (name, node) in self.entries("", document, "modules") {
            match MODULES.iter().find(|module| module.name == name) {
                Some(module) => self.module(module, node),
                None if name == "configuration" => self.configuration(node),
                None if WITHOUT_PART.contains(&name.as_str()) => {
                    self.layer.ignored.insert(name);
                }
                None => {
                    let known: Vec<&str> = MODULES.iter().map(|module| module.name).collect();
                    self.problem(&name, unknown("module", &name, &known));
                }
            }
        }
    }

    /// Upstream's thresholds, which have no part here, and since 5.x the namespace: of the cluster, whichever it is, and
    /// thereby of the store.
    fn configuration(&mut self, node: Node) {
        for (provider, node) in self.entries("configuration", node, "providers") {
            for (name, node) in self.entries(&format!("configuration.{provider}"), node, "keys") {
                if name == "namespace" {
                    self.key("cluster.etcd", &name, node.clone());
                    self.key("cluster.zookeeper", &name, node);
                } else {
                    self.layer.ignored.insert("configuration".to_owned());
                }
            }
        }
    }

    fn module(&mut self, module: &Module, node: Node) {
        let mut providers = self.entries(module.name, node, "providers");
        let selected = match module.choice {
            Some(choice) => self.selected(module, choice.variable, &mut providers),
            None => None,
        };
        if let Some((name, origin)) = selected {
            // The file's other providers are left alone, as upstream's later generations do. Of the bundled file all are
            // defaults: a later file may choose.
            if *self.origin != Origin::Default {
                providers.retain(|(provider, _)| *provider == name);
            }
            if !module.providers.contains(&name.as_str()) {
                return self.problem_of(
                    origin,
                    &format!("{}.{name}", module.name),
                    no_provider(module, &name),
                );
            }
            self.layer.values.insert(module.name.to_owned(), name);
        } else if providers.len() > 1 {
            let names: Vec<&str> = providers.iter().map(|(name, _)| name.as_str()).collect();
            self.problem(
                module.name,
                format!(
                    "has several providers ({}); one is allowed",
                    names.join(", ")
                ),
            );
        } else if let (Some(_), [(name, _)]) = (module.choice, &providers[..]) {
            self.layer
                .values
                .insert(module.name.to_owned(), name.clone());
        }
        for (provider, node) in providers {
            self.provider(module, &provider, node);
        }
    }

    /// The provider that the environment or, after it, the file's `selector` names, and who said so.
    fn selected(
        &mut self,
        module: &Module,
        variable: &'static str,
        providers: &mut Vec<(String, Node)>,
    ) -> Option<(String, Origin)> {
        let at = providers.iter().position(|(name, _)| name == "selector");
        let by_file = at.and_then(|at| {
            self.scalar(&format!("{}.selector", module.name), providers.remove(at).1)
        });
        let by_env = self.env.get(variable).filter(|name| !name.is_empty());
        match by_env {
            Some(name) => Some((name.clone(), Origin::Variable(variable))),
            None => by_file.map(|name| (name, self.origin.clone())),
        }
    }

    fn provider(&mut self, module: &Module, provider: &str, node: Node) {
        let path = format!("{}.{provider}", module.name);
        if !module.providers.contains(&provider) {
            return self.problem(&path, no_provider(module, provider));
        }
        for (name, node) in self.entries(&path, node, "keys") {
            self.key(&path, &name, node);
        }
    }

    fn key(&mut self, provider: &str, name: &str, node: Node) {
        let path = format!("{provider}.{}", snake_case(name));
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == path) {
            return self.problem(&path, *why);
        }
        if !KEYS.iter().any(|key| key.path() == path) {
            let prefix = format!("{provider}.");
            let known: Vec<&str> = KEYS
                .iter()
                .filter(|key| key.path().starts_with(&prefix))
                .map(|key| key.name)
                .collect();
            return self.problem(&format!("{provider}.{name}"), unknown("key", name, &known));
        }
        if self.layer.values.contains_key(&path) {
            return self.problem(&path, "is given twice, in two spellings");
        }
        if let Some(value) = self.scalar(&path, node) {
            self.layer.values.insert(path, value);
        }
    }

    /// The value of a scalar; nothing where the file has nothing, which is what it means there.
    fn scalar(&mut self, path: &str, node: Node) -> Option<String> {
        match node {
            Node::Empty => None,
            Node::Scalar(text) => match placeholder::resolve(&text, self.env) {
                Ok(value) => Some(value),
                Err(message) => {
                    self.problem(path, message);
                    None
                }
            },
            Node::List | Node::Map(_) => {
                self.problem(path, "takes one value, not a list or a map");
                None
            }
        }
    }
}

/// What to say about a provider that Rollcall does not have.
fn no_provider(module: &Module, name: &str) -> String {
    match module.absent.iter().find(|(absent, _)| *absent == name) {
        Some((_, instead)) => format!("Rollcall does not have it; {instead}"),
        None => unknown("provider", name, module.providers),
    }
}

/// `contextPath` -> `context_path`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// What to say about a name that does not exist: the nearest one that does, or all of them.
fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let distance = |other: &&&str| {
        strsim::damerau_levenshtein(&name.to_ascii_lowercase(), &other.to_ascii_lowercase())
    };
    let nearest = known
        .iter()
        .min_by_key(distance)
        .filter(|other| distance(other) <= 1 + name.len() / 4);
    match nearest {
        Some(nearest) => format!("unknown {what}; did you mean {nearest}?"),
        None if known.is_empty() => format!("unknown {what}; none is allowed here"),
        None => format!("unknown {what}; allowed: {}", known.join(", ")),
    }
}
