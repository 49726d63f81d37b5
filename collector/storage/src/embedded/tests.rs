//! Tests of the embedded store: the contract of every provider, and its own.

mod crash;
mod damage;
mod directory;
mod disk;
mod format;
mod upgrade;

use tempfile::TempDir;

use super::*;
use crate::contract::{Provider, contract};

/// A store in a temporary directory.
struct Temporary(TempDir);

impl Temporary {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn config(&self) -> Config {
        let path = self.0.path().join("data");
        Config {
            path,
            namespace: String::new(),
        }
    }

    fn file(&self) -> PathBuf {
        self.config().path.join("rollcall.redb")
    }
}

impl Provider for Temporary {
    type Storage = Embedded;

    fn open(&self) -> Embedded {
        open(&self.config()).unwrap()
    }
}

contract!(Temporary::new());
