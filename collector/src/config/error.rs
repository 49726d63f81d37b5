use std::fmt;

use super::Origin;

/// Every problem of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(problems))]
pub struct Error {
    /// The problems; there is at least one.
    pub problems: Vec<Problem>,
}

/// One problem: its origin, its key, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, variable or argument; `None` if the problem concerns several.
    pub origin: Option<Origin>,
    /// `module.provider.key`, or a prefix of it; empty for the whole file.
    pub key: String,
    /// The problem and what is allowed.
    pub message: String,
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// Violated rules: the keys of each, the one to change first, and the message.
pub(super) type Broken = Vec<(Vec<String>, String)>;
