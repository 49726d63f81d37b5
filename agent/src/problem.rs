//! An invalid setting, and its origin.

use std::{fmt, path::PathBuf};

/// An invalid setting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The origin of the value.
    pub origin: Origin,
    /// The key: in a file, as it is spelled there; else its first spelling in a file.
    pub key: String,
    /// The reason why the value is invalid.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.key, self.message)
    }
}

/// The origin of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The program, through the [`Builder`](crate::Builder); also a required setting that no layer has.
    Builder,
    /// This environment variable.
    Environment(&'static str),
    /// This line of this file; lines count from 1.
    File {
        /// The path that was passed to [`Builder::config_file`](crate::Builder::config_file).
        path: PathBuf,
        /// The line the setting begins in.
        line: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builder => f.write_str("builder"),
            Self::Environment(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
        }
    }
}
