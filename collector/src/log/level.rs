//! The detail of the log, changed while the collector runs.

use tracing::{info, warn};
use tracing_subscriber::{EnvFilter, Registry, reload};

use super::parse_filter;

/// The filters for more detail, in the order in which they are used. They exclude the frames of HTTP/2, which contain the tokens of
/// agents.
const DETAILED: [&str; 2] = ["debug", "debug,rollcall=trace,h2=off"];

/// The level of the running log.
#[derive(Debug)]
pub(crate) struct Level {
    handle: reload::Handle<EnvFilter, Registry>,
    configured: String,
    /// The number of filters of [`DETAILED`] that have been used since the configured filter.
    steps: usize,
}

impl Level {
    pub(super) fn new(handle: reload::Handle<EnvFilter, Registry>, configured: &str) -> Self {
        Self {
            handle,
            configured: configured.to_owned(),
            steps: 0,
        }
    }

    /// Logs more detail: the first call logs at DEBUG, the second call Rollcall's own parts at TRACE.
    pub(crate) fn raise(&mut self) {
        let step = self.steps.min(DETAILED.len() - 1);
        self.steps = step + 1;
        self.set(DETAILED[step]);
    }

    /// Logs at the configured level again.
    pub(crate) fn reset(&mut self) {
        self.steps = 0;
        self.set(&self.configured);
    }

    fn set(&self, filter: &str) {
        let changed = parse_filter(filter)
            .map_err(|error| error.to_string())
            .and_then(|new| self.handle.reload(new).map_err(|error| error.to_string()));
        match changed {
            Ok(()) => info!(filter, "log level changed"),
            Err(error) => warn!(filter, error, "the log level could not be changed"),
        }
    }
}
