//! The parts of the process environment that the composition root uses.

use rollcall_metrics::LostLines;

/// The properties of the process that are not configuration.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Log lines that were dropped, counted by the log.
    pub lost_lines: LostLines,
    /// The limit on open files; `None` for no limit.
    pub open_files: Option<usize>,
}
