//! A text that no log line, error or debug output shows: a password or a token.
//!
//! It is a crate of its own because the configuration reads secrets, and the clients of etcd and ZooKeeper send them.

#![warn(missing_docs)]

use std::fmt;

/// A text that `Debug` never shows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret of this text; an empty text stands for no secret.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text; empty if there is none.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secret").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("s3cret".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
