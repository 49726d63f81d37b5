//! Finds unknown variables with Rollcall's prefix, which are often misspelt.

use std::collections::{BTreeMap, BTreeSet};

use super::keys::KEYS;
use super::modules::MODULES;

const PREFIX: &str = "SW_";
/// Prefixes of an agent's variables, which may be in the same environment.
const OF_AGENTS: [&str; 4] = ["SW_AGENT_", "SW_LOGGING_", "SW_JDBC_", "SW_PLUGIN_"];
/// Prefixes among those that belong to the collector.
const OF_LISTENERS: [&str; 2] = ["SW_AGENT_GRPC_", "SW_AGENT_JETTY_"];

/// The unknown variables of `env`, sorted, each with the most similar known one if they differ in at most two letters. Leaves out
/// variables of agents without a similar known one, and variables that a placeholder of the operator's `file` names.
pub(super) fn unknown(env: &BTreeMap<String, String>, file: Option<&str>) -> Vec<String> {
    let known = known();
    let named = |name: &str| file.is_some_and(|file| file.contains(&format!("${{{name}")));
    let ours = env.iter().filter(|(name, value)| {
        name.starts_with(PREFIX) && !value.is_empty() && !known.contains(name.as_str())
    });
    let unnamed = ours.filter(|(name, _)| !named(name));
    unnamed
        .filter_map(|(name, _)| match nearest(name, &known) {
            Some(nearest) => Some(format!("{name} (did you mean {nearest}?)")),
            None if is_of_an_agent(name) => None,
            None => Some(name.clone()),
        })
        .collect()
}

fn is_of_an_agent(name: &str) -> bool {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    begins(&OF_AGENTS) && !begins(&OF_LISTENERS)
}

fn known() -> BTreeSet<&'static str> {
    let selectors = MODULES.iter().filter_map(|module| module.choice);
    let selectors = selectors.map(|choice| choice.variable);
    KEYS.iter().map(|key| key.env).chain(selectors).collect()
}

/// The known name that differs in at most two letters.
fn nearest<'k>(name: &str, known: &BTreeSet<&'k str>) -> Option<&'k str> {
    let distance = |other: &&str| strsim::damerau_levenshtein(name, other);
    let nearest = known.iter().copied().min_by_key(distance)?;
    (distance(&nearest) <= 2).then_some(nearest)
}
