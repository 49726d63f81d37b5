//! Reads a document into a layer: one text per key, with the modules, providers and keys of the file checked.

use std::collections::{BTreeMap, BTreeSet};

use super::Origin;
use super::document::{Entry, List, Map, Node, Scalar};
use super::error::Problem;
use super::keys::{Field, KEYS, Key};
use super::modules::{MODULES, Module, OLD_NAMES, REFUSED, UNSUPPORTED};
use super::placeholder::{self, Resolved};
use super::suggest::{snake_case, unknown};

/// The values of a file, and the findings about the rest of it.
#[derive(Debug, Default)]
pub(super) struct Layer {
    /// `module.provider.key` in the table's spelling -> value, placeholders resolved; `module` -> the provider chosen.
    pub(super) values: BTreeMap<String, Resolved>,
    /// Parts of the file that Rollcall does not use.
    pub(super) ignored: BTreeSet<String>,
    /// Keys with a secret that the file has without a value.
    pub(super) without_secret: Vec<String>,
    /// The chosen implementations that Rollcall does not have, by module.
    pub(super) absent: Vec<Absent>,
    pub(super) problems: Vec<Problem>,
}

/// An implementation of upstream that Rollcall does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Absent {
    pub(super) origin: Origin,
    pub(super) module: &'static str,
    pub(super) provider: String,
}

/// Reads one document into a layer. `env` supplies the placeholders and the selectors.
pub(super) fn read(document: Node, origin: &Origin, env: &BTreeMap<String, String>) -> Layer {
    let mut reader = Reader {
        layer: Layer::default(),
        lines: BTreeMap::new(),
        templates: Vec::new(),
        origin,
        env,
    };
    reader.modules(document);
    reader.report_templates();
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
    /// The line of each value.
    lines: BTreeMap<String, usize>,
    /// The keys whose values are unfilled placeholders of a template.
    templates: Vec<String>,
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

    /// The entries below `path`. Reports names that occur more than once, and keeps each name once.
    fn entries(&mut self, path: &str, line: usize, node: Node, what: &str) -> Vec<Entry> {
        let entries = match node {
            Node::Empty => Vec::new(),
            Node::Scalar(Scalar { text, is_plain }) if is_plain && is_null(&text) => Vec::new(),
            Node::Map(map) => map.entries,
            Node::Scalar(_) | Node::List(_) => {
                let message = format!(
                    "{what} must be below it, each as `name: ...` with a space after the colon (line {line})"
                );
                self.problem(path, message);
                Vec::new()
            }
        };
        let mut unique: Vec<Entry> = Vec::new();
        for entry in entries {
            match unique.iter().find(|first| first.name == entry.name) {
                None => unique.push(entry),
                Some(first) => {
                    let dot = if path.is_empty() { "" } else { "." };
                    let key = format!("{path}{dot}{}", entry.name);
                    let message = occurs_twice(first.line, entry.line);
                    self.problem(&key, message);
                }
            }
        }
        unique
    }

    fn modules(&mut self, document: Node) {
        for Entry { name, line, node } in self.entries("", 1, document, "modules") {
            match MODULES.iter().find(|module| module.name == name) {
                Some(module) => self.module(module, line, node),
                None if name == "configuration" => self.configuration(line, node),
                None if OLD_NAMES.iter().any(|old| old.module == name) => {
                    self.old_module(&name, line, node);
                }
                None if UNSUPPORTED.contains(&name.as_str()) => {
                    self.layer.ignored.insert(name);
                }
                None => {
                    let known: Vec<&str> = MODULES.iter().map(|module| module.name).collect();
                    let message = unknown("module", &name, &known);
                    self.problem(&name, format!("{message} (line {line})"));
                }
            }
        }
    }

    /// Reads upstream's `configuration`: the thresholds, which Rollcall ignores, and since 5.x the namespace of the cluster in
    /// use, which is also that of the store.
    fn configuration(&mut self, line: usize, node: Node) {
        for Entry { name, line, node } in self.entries("configuration", line, node, "providers") {
            let path = format!("configuration.{name}");
            for entry in self.entries(&path, line, node, "keys") {
                if entry.name == "namespace" {
                    self.key("cluster.etcd", entry.clone());
                    self.key("cluster.zookeeper", entry);
                } else {
                    self.layer.ignored.insert("configuration".to_owned());
                }
            }
        }
    }

    /// Reads a module of 3.2.3 or 3.2.4 whose providers are separate modules since 3.2.5.
    fn old_module(&mut self, module: &str, line: usize, node: Node) {
        for Entry { name, line, node } in self.entries(module, line, node, "providers") {
            let mut old = OLD_NAMES.iter();
            let now = old.find(|old| old.module == module && old.provider == name);
            let now = now.and_then(|old| {
                let module = MODULES.iter().find(|module| module.name == old.now)?;
                Some((module, module.providers.first()?))
            });
            match now {
                Some((module, provider)) => self.provider(module, provider, line, node),
                None => drop(self.layer.ignored.insert(format!("{module}.{name}"))),
            }
        }
    }

    fn module(&mut self, module: &'static Module, line: usize, node: Node) {
        let mut providers = self.entries(module.name, line, node, "providers");
        let selected = match module.choice {
            Some(choice) => self.selected(module, choice.variable, &mut providers),
            None => None,
        };
        if let Some((name, origin)) = selected {
            // The other providers of the file are ignored, as in upstream's later generations. All providers of the bundled file
            // stay as defaults, because a later file may select one of them.
            if *self.origin != Origin::Default {
                providers.retain(|provider| provider.name == name);
            }
            if !module.providers.contains(&name.as_str()) {
                return self.no_provider(origin, module, name);
            }
            self.choose(module, name);
        } else if providers.len() > 1 {
            let names: Vec<&str> = providers.iter().map(|it| it.name.as_str()).collect();
            let message = format!(
                "has several providers ({}); one is allowed",
                names.join(", ")
            );
            self.problem(module.name, message);
        } else if let (Some(_), [provider]) = (module.choice, &providers[..]) {
            self.choose(module, provider.name.clone());
        }
        for Entry { name, line, node } in providers {
            self.provider(module, &name, line, node);
        }
    }

    fn choose(&mut self, module: &Module, text: String) {
        let variable = None;
        let chosen = Resolved { text, variable };
        self.layer.values.insert(module.name.to_owned(), chosen);
    }

    /// The provider that the environment or else the file's `selector` names, and its origin.
    fn selected(
        &mut self,
        module: &Module,
        variable: &'static str,
        providers: &mut Vec<Entry>,
    ) -> Option<(String, Origin)> {
        let at = providers.iter().position(|it| it.name == "selector");
        let by_file = at.and_then(|at| {
            let Entry { line, node, .. } = providers.remove(at);
            self.scalar(&format!("{}.selector", module.name), line, node, None)
        });
        let by_env = self.env.get(variable).filter(|name| !name.is_empty());
        match by_env {
            Some(name) => Some((name.clone(), Origin::Variable(variable))),
            None => by_file.map(|it| (it.text, self.origin.with_variable(it.variable))),
        }
    }

    fn provider(&mut self, module: &'static Module, provider: &str, line: usize, node: Node) {
        let path = format!("{}.{provider}", module.name);
        if !module.providers.contains(&provider) {
            return self.no_provider(self.origin.clone(), module, provider.to_owned());
        }
        let entries = self.entries(&path, line, node, "keys");
        let mut keys = KEYS.iter();
        if !keys.any(|key| key.module == module.name && key.provider == provider) {
            // Upstream's default file has keys below a provider that does not read any.
            if !entries.is_empty() {
                self.layer.ignored.insert(path);
            }
            return;
        }
        for entry in entries {
            self.key(&path, entry);
        }
    }

    /// Records a provider that Rollcall does not have: either a provider of upstream, or a mistake.
    fn no_provider(&mut self, origin: Origin, module: &'static Module, provider: String) {
        if module.absent.contains(&provider.as_str()) {
            self.layer.absent.push(Absent {
                origin,
                module: module.name,
                provider,
            });
            return;
        }
        let message = unknown("provider", &provider, module.providers);
        self.problem_of(origin, &format!("{}.{provider}", module.name), message);
    }

    fn key(&mut self, provider: &str, entry: Entry) {
        let Entry { name, line, node } = entry;
        let path = format!("{provider}.{}", snake_case(&name));
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == path) {
            return self.problem(&path, *why);
        }
        let Some(key) = KEYS.iter().find(|key| key.path() == path) else {
            let prefix = format!("{provider}.");
            let known: Vec<&str> = KEYS
                .iter()
                .filter(|key| key.path().starts_with(&prefix))
                .map(|key| key.name)
                .collect();
            return self.problem(&format!("{provider}.{name}"), unknown("key", &name, &known));
        };
        if let Some(first) = self.lines.get(&path) {
            let message = format!("{}, in two spellings or places", occurs_twice(*first, line));
            return self.problem(&path, message);
        }
        self.lines.insert(path.clone(), line);
        if node == Node::Empty && key.field.is_secret() {
            self.layer.without_secret.push(path.clone());
        }
        if let Some(value) = self.scalar(&path, line, node, Some(key.field)) {
            self.layer.values.insert(path, value);
        }
    }

    /// The value of a scalar; `None` without a value.
    fn scalar(
        &mut self,
        path: &str,
        line: usize,
        node: Node,
        field: Option<Field>,
    ) -> Option<Resolved> {
        let is_text = field.is_some_and(Field::is_text);
        let is_secret = field.is_some_and(Field::is_secret);
        let source = match node {
            Node::Empty => return None,
            Node::Scalar(Scalar { text, is_plain }) => {
                if is_plain && !is_text && is_null(&text) {
                    return None;
                }
                let resolved = placeholder::resolve(&text, self.env);
                return resolved.map_err(|message| self.problem(path, message)).ok();
            }
            Node::Map(map) => {
                if let Some(template) = template(&map).filter(|_| !is_secret) {
                    self.templates
                        .push(format!("{path} is {template} (line {line})"));
                    return None;
                }
                map.source
            }
            Node::List(List { source, .. }) => source,
        };
        let shown = source.filter(|_| !is_secret);
        let shown = shown.map_or_else(String::new, |source| format!(": {source}"));
        self.problem(
            path,
            format!("takes one value, not a list or a map{shown} (line {line})"),
        );
        None
    }

    fn report_templates(&mut self) {
        if self.templates.is_empty() {
            return;
        }
        let message = format!(
            "is a template whose placeholders were not filled in: {}; write the values, or ${{NAME:default}} to take them \
             from variables",
            self.templates.join(", ")
        );
        self.problem("", message);
    }
}

/// Whether a plain text means no value in YAML.
fn is_null(text: &str) -> bool {
    matches!(text, "null" | "Null" | "NULL")
}

/// The source of `{NAME}`, which YAML reads as a map and a script should have replaced.
fn template(map: &Map) -> Option<&str> {
    let is_bare = map.entries.iter().all(|entry| entry.node == Node::Empty);
    map.source
        .as_deref()
        .filter(|_| is_bare && !map.entries.is_empty())
}

fn occurs_twice(first: usize, second: usize) -> String {
    format!("occurs twice, at lines {first} and {second}")
}
