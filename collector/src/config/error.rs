use std::fmt;

use super::Origin;

/// Everything that is wrong with a configuration, at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(problems))]
pub struct Error {
    /// At least one.
    pub problems: Vec<Problem>,
}

/// One mistake: where it was written, which key it is about, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, variable or argument; nothing if it is between several.
    pub origin: Option<Origin>,
    /// `module.provider.key`, or less if that is all there is; empty for the file as a whole.
    pub key: String,
    /// What is wrong and what is allowed.
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

/// Broken rules: the keys of each, the one to change first, and what the rule is.
pub(super) type Broken = Vec<(Vec<String>, String)>;
