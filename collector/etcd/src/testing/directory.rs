//! Directories for the data of servers under test.

use rustix::fs::statvfs;
use tempfile::TempDir;

/// The file system in memory that Linux systems have.
const MEMORY: &str = "/dev/shm";

/// The free bytes of that file system from which on servers keep their data there. Parallel tests share them, and an etcd reserves
/// 128 MB at its start.
const ROOM: u64 = 2 << 30;

/// A directory for a server's data, in memory where there is room.
///
/// Tests kill servers and not machines, so the data need no disk. A disk that stalls for a second delays answers until deadlines
/// pass, leases expire, and collectors complain.
///
/// # Panics
/// When it cannot be created.
#[must_use]
pub fn directory_in_memory() -> TempDir {
    let has_room = statvfs(MEMORY).is_ok_and(|at| at.f_bavail * at.f_frsize >= ROOM);
    let directory = if has_room {
        TempDir::new_in(MEMORY)
    } else {
        TempDir::new()
    };
    directory.expect("a temporary directory")
}
