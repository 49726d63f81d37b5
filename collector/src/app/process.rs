//! What the composition root takes from the process it runs in.

use rollcall_metrics::LostLines;

/// The surroundings of a collector that are not configuration.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Log lines that were dropped, counted by the log.
    pub lost_lines: LostLines,
    /// The limit on open files; `None` for no limit.
    pub open_files: Option<usize>,
}
