//! The resource usage of a process, as the kernel counts it.

use std::{fs, time::Duration};

/// The CPU time that all threads of a process, including ended threads, have used in user and kernel mode.
///
/// The kernel rounds down to its ticks, which are mostly 10 ms, so a measurement must last seconds.
///
/// # Panics
/// When the process does not run.
#[must_use]
pub fn cpu_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("a running process");
    // The second field is the program's name in parentheses, and may contain any character.
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    // Fields 14 and 15 of proc_pid_stat(5); the first of these is field 3.
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().expect("a number of ticks"))
        .sum();
    Duration::from_secs(ticks)
        / rustix::param::clock_ticks_per_second()
            .try_into()
            .expect("ticks per second")
}
