//! Health checkers as JSON.

use rollcall_domain::catalog::{Checker, Cluster};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::Fault;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    headers: String,
    #[serde(default = "two_hundred")]
    expected_response_code: u16,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    pwd: Option<String>,
    #[serde(default)]
    cmd: Option<String>,
}

const fn two_hundred() -> u16 {
    200
}

/// Parses a checker. As in the reference, a checker of an unknown type checks nothing.
pub(super) fn parse(text: &str) -> Result<Checker, Fault> {
    let given: Given =
        serde_json::from_str(text).map_err(|error| Fault::Checker(error.to_string()))?;
    let text = |text: Option<String>| text.unwrap_or_default().into();
    Ok(match given.kind.to_ascii_uppercase().as_str() {
        "TCP" => Checker::Tcp,
        "HTTP" => Checker::Http {
            path: given.path.into(),
            headers: given.headers.into(),
            expected: given.expected_response_code,
        },
        "MYSQL" => Checker::Mysql {
            user: text(given.user),
            password: text(given.pwd),
            command: text(given.cmd),
        },
        _ => Checker::None,
    })
}

/// Gives a checker without a password the password that the cluster has for the same user. Consoles do not get the password, and
/// send the checker back as they got it.
pub(super) fn keep_password(checker: Checker, before: Option<&Cluster>) -> Checker {
    match (checker, before.map(|cluster| &cluster.checker)) {
        (
            Checker::Mysql {
                user,
                password: blank,
                command,
            },
            Some(Checker::Mysql {
                user: known,
                password,
                ..
            }),
        ) if blank.is_empty() && user == *known => Checker::Mysql {
            user,
            password: password.clone(),
            command,
        },
        (checker, _) => checker,
    }
}

/// A checker as consoles read it, without the password: the right to read a service does not include access to its database.
pub(super) fn shown(checker: &Checker) -> Value {
    match checker {
        Checker::Tcp => json!({"type": "TCP"}),
        Checker::Http {
            path,
            headers,
            expected,
        } => json!({
            "type": "HTTP", "path": path, "headers": headers, "expectedResponseCode": expected
        }),
        Checker::Mysql { user, command, .. } => json!({
            "type": "MYSQL", "user": user, "pwd": "", "cmd": command
        }),
        Checker::None => json!({"type": "NONE"}),
    }
}

/// All checkers with their defaults.
pub(super) fn all() -> Value {
    json!({
        "TCP": {},
        "HTTP": {"path": "", "headers": "", "expectedResponseCode": 200},
        "MYSQL": {"user": null, "pwd": null, "cmd": null},
        "NONE": {}
    })
}

#[cfg(test)]
mod tests;
