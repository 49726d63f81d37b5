//! The memory that the operating system lets this process use.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::process::{Resource, getrlimit};

/// The mount point of control groups.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// The smallest of the known limits, in bytes: the resource limits of the process, its control groups (version 1 and 2), the
/// physical memory. `None` if the system reports no limit.
#[must_use]
pub fn available() -> Option<usize> {
    let limits = [Resource::As, Resource::Data].map(|resource| getrlimit(resource).current);
    let groups = read(Path::new("/proc/self/cgroup"))
        .map(|groups| control_groups(&groups, Path::new(CONTROL_GROUPS)))
        .unwrap_or_default();
    let physical = read(Path::new("/proc/meminfo")).and_then(|text| total(&text));
    limits
        .into_iter()
        .flatten()
        .chain(groups)
        .chain(physical)
        .min()
        .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// The limits of the control groups that `groups` (`/proc/self/cgroup`) names, and of their parents.
fn control_groups(groups: &str, mounted: &Path) -> Vec<u64> {
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (root, file) = match controllers {
            "" => (mounted.to_owned(), "memory.max"),
            some if some.split(',').any(|controller| controller == "memory") => {
                (mounted.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let group = root.join(path.trim_start_matches('/'));
        // In a container the path may be that of the host. Then only the root of the mount exists.
        let places = group
            .ancestors()
            .take_while(|place| place.starts_with(&root));
        limits.extend(places.filter_map(|place| limit(place.join(file))));
    }
    limits
}

/// The limit in a file; `None` for `max`.
fn limit(file: PathBuf) -> Option<u64> {
    read(&file)?.trim().parse().ok()
}

/// The line `MemTotal` of `/proc/meminfo`.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1024)
}

fn read(file: &Path) -> Option<String> {
    fs::read_to_string(file).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_some_memory() {
        let bytes = available().unwrap();
        assert!(bytes > 1 << 20, "{bytes}");
    }

    #[test]
    fn the_limits_of_a_group_and_of_its_parents_count() {
        let mounted = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let file = mounted.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        write("pod/memory.max", "1000\n");
        write("pod/collector/memory.max", "max\n");
        write("memory/docker/memory.limit_in_bytes", "2000\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        let limits = |groups: &str| control_groups(groups, mounted.path());
        assert_eq!(limits("0::/pod/collector\n"), [1000]);
        assert_eq!(
            limits("5:cpu,memory:/docker\n1:cpuset:/docker\n"),
            [2000, 9_223_372_036_854_771_712]
        );
        assert_eq!(limits("0::/elsewhere\nmalformed\n"), Vec::<u64>::new());
    }

    #[test]
    fn the_physical_memory_is_in_kib() {
        let text = "MemFree: 1 kB\nMemTotal:       24682868 kB\n";
        assert_eq!(total(text), Some(24_682_868 * 1024));
        assert_eq!(total("MemTotal: unknown\n"), None);
    }
}
