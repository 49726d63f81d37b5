//! `remote` inherits the listener of `agent_gRPC`, and `ui` inherits the listener of `agent_jetty`, unless their own keys are set.
//! The placeholders of the bundled file implement this for variables; this module implements it for values of a file.

use super::Origin;
use super::keys::{KEYS, Key};

/// Each key that inherits, and its source.
const INHERITED: &[(&str, &str)] = &[
    ("remote.gRPC.host", "agent_gRPC.gRPC.host"),
    ("remote.gRPC.port", "agent_gRPC.gRPC.port"),
    ("remote.gRPC.tls", "agent_gRPC.gRPC.tls"),
    ("ui.jetty.host", "agent_jetty.jetty.host"),
    ("ui.jetty.port", "agent_jetty.jetty.port"),
    ("ui.jetty.tls", "agent_jetty.jetty.tls"),
];

/// The key from which `path` inherits.
pub(super) fn source(path: &str) -> Option<&'static str> {
    let entry = INHERITED.iter().find(|(key, _)| *key == path);
    entry.map(|(_, source)| *source)
}

/// The value of a key, or the value of its source if the key has only its default. The origin of an inherited value is
/// [`Origin::Default`], so that a mistake in it is reported for the source.
pub(super) fn value(
    key: &Key,
    given: impl Fn(&Key) -> Option<(String, Origin)>,
) -> Option<(String, Origin)> {
    let own = given(key)?;
    if own.1 != Origin::Default {
        return Some(own);
    }
    let source = source(&key.path());
    let source = source.and_then(|path| KEYS.iter().find(|key| key.path() == path));
    let inherited = source.and_then(given).map(|(text, _)| text);
    Some((inherited.unwrap_or(own.0), Origin::Default))
}
