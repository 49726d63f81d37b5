//! The load of the machine and the process, for `operator/metrics`. Read from `/proc`; 0 if it does not exist.

use std::fs;

use parking_lot::Mutex;

/// The processor time of the process at the last reading.
#[derive(Debug, Default)]
pub(super) struct Machine {
    last: Mutex<Option<Ticks>>,
}

/// The load at one moment; each figure is from 0 to 1 except the load average.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Figures {
    /// The share of the machine's processor time since the last reading that this process took.
    pub(super) cpu: f64,
    /// The load average of the last minute.
    pub(super) load: f64,
    /// The share of the machine's memory that this process holds.
    pub(super) mem: f64,
}

/// Processor time in ticks since the machine started.
#[derive(Clone, Copy, Debug, Default)]
struct Ticks {
    process: u64,
    machine: u64,
}

impl Machine {
    pub(super) fn read(&self) -> Figures {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let ticks = Ticks {
            process: process_ticks(&text("/proc/self/stat")),
            machine: machine_ticks(&text("/proc/stat")),
        };
        let before = self.last.lock().replace(ticks).unwrap_or_default();
        Figures {
            cpu: share(
                ticks.process.saturating_sub(before.process),
                ticks.machine.saturating_sub(before.machine),
            ),
            load: first_number(&text("/proc/loadavg")),
            mem: share(
                kibibytes(&text("/proc/self/status"), "VmRSS:"),
                kibibytes(&text("/proc/meminfo"), "MemTotal:"),
            ),
        }
    }
}

/// User and system time: the 14th and the 15th field; the second is a name in parentheses.
fn process_ticks(stat: &str) -> u64 {
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let times = fields.split_whitespace().skip(11).take(2);
    times.filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn machine_ticks(stat: &str) -> u64 {
    let all = stat.lines().next().unwrap_or_default();
    // The guest times at the end are within the user times.
    let times = all.split_whitespace().skip(1).take(8);
    times.filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn first_number(text: &str) -> f64 {
    let first = text.split_whitespace().next().unwrap_or_default();
    first.parse().unwrap_or_default()
}

fn kibibytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

fn share(part: u64, all: u64) -> f64 {
    let number = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if all == 0 {
        0.0
    } else {
        (number(part) / number(all)).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_linux_are_read() {
        let stat = "1234 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 70 30 0 0 20";
        assert_eq!(process_ticks(stat), 100);
        assert_eq!(machine_ticks("cpu  1 2 3 4 5 6 7 8 100 100\ncpu0 9"), 36);
        assert_eq!(kibibytes("A: 1 kB\nVmRSS:\t  2048 kB\n", "VmRSS:"), 2048);
        assert!((first_number("0.25 0.1 0.1 1/2 3") - 0.25).abs() < 1e-9);
        for text in ["", ")", "garbage"] {
            assert_eq!((process_ticks(text), machine_ticks(text)), (0, 0));
        }
    }

    #[test]
    fn shares_are_shares() {
        let machine = Machine::default();
        for _ in 0..2 {
            let Figures { cpu, load, mem } = machine.read();
            assert!((0.0..=1.0).contains(&cpu) && (0.0..=1.0).contains(&mem) && load >= 0.0);
        }
        assert!(share(1, 0).abs() < 1e-9);
    }
}
