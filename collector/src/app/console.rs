//! The sources of the console besides the use cases: the catalog, the history of the last hour, the figures of the process.

use std::{fs, io, path::PathBuf};

use rollcall_admin::{Gauge, Gauges, Headroom, Sampler, Sources};
use rollcall_runtime::{Policy, TaskSet, background};
use rollcall_service::Services;
use rustix::{
    fs::statvfs,
    process::{Resource, getrlimit},
};

use super::{backup, nacos, never_fails};
use crate::{
    config::{Config, StorageProvider},
    memory,
};

/// Starts to record the history, and gathers the sources of the console. A backup ends when `serving` stops.
pub(super) fn spawn(
    config: &Config,
    services: &Services,
    nacos: Option<&nacos::Running>,
    [loops, serving]: [&TaskSet; 2],
) -> io::Result<Sources> {
    let catalog = nacos.map(|it| it.catalog.clone());
    let (history, sampler) = Sampler::new(services.clone(), catalog.clone());
    let sampling = never_fails(sampler.run(loops.token()));
    loops.spawn("history", Policy::default(), sampling);
    let register = &config.register;
    let store = (config.storage.provider == StorageProvider::Embedded)
        .then(|| config.storage.embedded.path.clone());
    // This runtime stops after the listeners, because it answers their last requests.
    let background = background(loops, "console")?;
    let backed_up = catalog.clone();
    let backups = backup::prepare(config, services, backed_up, &background, serving.token());
    Ok(Sources {
        catalog,
        history,
        gauges: Gauges::new(move || process(store.as_ref())),
        limits: Headroom {
            assigned_ids: register.max_assigned_ids,
            adopted_ids: register.max_adopted_ids,
            register_queue: register.queue_capacity,
            register_deadline: register.deadline,
        },
        background,
        backups,
    })
}

/// The figures of the process and of the disk that holds the store. A figure that the system does not provide is left out.
fn process(store: Option<&PathBuf>) -> Vec<Gauge> {
    let files = || {
        let open = fs::read_dir("/proc/self/fd").ok()?.count();
        let limit = getrlimit(Resource::Nofile).current?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Some(Gauge::new("open files", "files", open, limit, "").set_by("ulimit -n, LimitNOFILE"))
    };
    let resident = || {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
        let kib: usize = line.split_whitespace().next()?.parse().ok()?;
        let limit = memory::available()?;
        let gauge = Gauge::new("memory of the process", "bytes", kib * 1024, limit, "");
        Some(gauge.set_by("the machine or its control group"))
    };
    let disk = || {
        let disk = statvfs(store?).ok()?;
        let bytes = |blocks: u64| usize::try_from(blocks * disk.f_frsize).unwrap_or(usize::MAX);
        let (all, free) = (bytes(disk.f_blocks), bytes(disk.f_bavail));
        let gauge = Gauge::new(
            "disk of the store",
            "bytes",
            all.saturating_sub(free),
            all,
            "",
        );
        Some(gauge.set_by("the file system; storage.embedded.path chooses it"))
    };
    [files(), resident(), disk()]
        .into_iter()
        .flatten()
        .collect()
}
