//! The configuration as text: the effective file, and the table of all keys.

use super::document::{Entry, Node};
use super::keys::KEYS;
use super::modules::MODULES;
use super::{ClusterProvider, Config, DEFAULTS, document, placeholder};

impl Config {
    /// The effective configuration as a file. It loads to the same configuration once the hidden secrets are filled in.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut config = self.clone();
        let mut yaml = String::new();
        for module in MODULES {
            let only = module.providers.first().copied().unwrap_or_default();
            let provider = module.choice.map_or(only, |choice| (choice.get)(self));
            yaml.push_str(&format!("{}:\n", module.name));
            yaml.push_str(&format!("  {provider}:\n"));
            for key in KEYS
                .iter()
                .filter(|key| key.module == module.name && key.provider == provider)
            {
                let text = placeholder::escape(&key.field.get(&mut config));
                let value = if key.field.is_text() || text.is_empty() {
                    quoted(&text)
                } else {
                    text
                };
                yaml.push_str(&format!("    {}: {value}\n", key.name));
            }
        }
        // A standalone collector has no cluster key that sets its namespace.
        if self.cluster.provider == ClusterProvider::Standalone && !self.namespace().is_empty() {
            let namespace = quoted(self.namespace());
            yaml.push_str(&format!(
                "configuration:\n  default:\n    namespace: {namespace}\n"
            ));
        }
        yaml
    }
}

/// Every key with its variable, default and meaning, as a Markdown table.
#[must_use]
pub fn reference() -> String {
    let mut table = String::from("| Key | Variable | Default | Meaning |\n|---|---|---|---|\n");
    for (path, text) in defaults() {
        let Some((env, default)) = placeholder::parts(&text) else {
            continue;
        };
        let default = if default.is_empty() {
            String::new()
        } else {
            format!("`{default}`")
        };
        let doc = KEYS
            .iter()
            .find(|key| key.path() == path)
            .map_or_else(|| providers(&path), |key| key.doc.to_owned());
        table.push_str(&format!("| `{path}` | `{env}` | {default} | {doc} |\n"));
    }
    table
}

/// The meaning of a key `MODULE.selector`.
fn providers(path: &str) -> String {
    let module = MODULES
        .iter()
        .find(|module| path == format!("{}.selector", module.name));
    let names = module.map_or(&[][..], |module| module.providers);
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("Provider of the module: {}", names.join(", "))
}

/// Every scalar of the bundled file with its path, unresolved.
pub(super) fn defaults() -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(
        "",
        document::parse(DEFAULTS).unwrap_or(Node::Empty),
        &mut found,
    );
    found
}

fn collect(path: &str, node: Node, found: &mut Vec<(String, String)>) {
    match node {
        Node::Scalar(scalar) => found.push((path.to_owned(), scalar.text)),
        Node::Map(map) => {
            for Entry { name, node, .. } in map.entries {
                let path = if path.is_empty() {
                    name
                } else {
                    format!("{path}.{name}")
                };
                collect(&path, node, found);
            }
        }
        Node::Empty | Node::List(_) => {}
    }
}

/// A double-quoted YAML scalar.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                quoted.push_str(&format!("\\U{:08x}", u32::from(letter)))
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}
