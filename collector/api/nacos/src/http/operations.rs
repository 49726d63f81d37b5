//! A log line for each change that an operator makes over HTTP: services, settings, and switches.
//!
//! The calls of clients (register, deregister, beat) have no line here, because instances have events of their own.

use std::{fmt::Write as _, net::IpAddr};

use super::{params::Params, request::Request, routes::Route};

/// The parameters that a line shows. None of them is a secret.
const SHOWN: [&str; 15] = [
    "namespaceId",
    "customNamespaceId",
    "groupName",
    "serviceName",
    "clusterName",
    "ip",
    "port",
    "weight",
    "enabled",
    "healthy",
    "metadata",
    "protectThreshold",
    "entry",
    "value",
    "logLevel",
];
/// The most characters of a parameter in a line.
const MAX_SHOWN: usize = 80;

/// Logs a call that succeeded.
pub(super) fn log(route: &Route, request: &Request<'_>) {
    let peer = request.peer.map(|peer: IpAddr| peer.to_string());
    let parameters = shown(&request.params);
    tracing::info!(
        peer,
        call = route.name,
        parameters,
        "change by an operator of Nacos"
    );
}

fn shown(params: &Params<'_>) -> String {
    let mut text = String::new();
    for name in SHOWN {
        let Some(value) = params.get(name) else {
            continue;
        };
        let value: String = value.chars().take(MAX_SHOWN).collect();
        let space = if text.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _written = write!(text, "{space}{name}={value:?}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_the_beginning_of_each_parameter_and_no_password() {
        let query = format!(
            "entry=pushEnabled&value={}&password=s3cret",
            "v".repeat(500)
        );
        let text = shown(&Params::parse(&query, b""));
        assert!(
            text.starts_with("entry=\"pushEnabled\" value=\"vvv"),
            "{text}"
        );
        assert!(text.len() < 150 && !text.contains("s3cret"), "{text}");
    }
}
