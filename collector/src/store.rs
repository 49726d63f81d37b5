//! `rollcall-collector store`, except for `store backup`: maintenance of the embedded store while no collector uses it.
//!
//! The output of every command begins with the directory of the store, because the variables of the command may differ from those
//! of the collector.
//!
//! Exit codes: 0 success, 1 a failure, 64 a bad command line or configuration, 75 a collector uses the store.

use std::path::{self, Path};
use std::process::ExitCode;

use rollcall_collector::config::{Config, StorageProvider};
use rollcall_domain::Timestamp;
use rollcall_runtime::Clock;
use rollcall_storage::{
    Counts, Error, FirstIds, Storage as _,
    embedded::{
        self, Embedded,
        maintenance::{self, Contents, Pruned, Pruning},
    },
};
use tracing::error;

use crate::cli::Maintenance;
use crate::system;

/// `EX_TEMPFAIL` of sysexits: retry once the collector has stopped.
const IN_USE: u8 = 75;

/// Executes the command, and prints the result on standard output.
pub(crate) fn run(command: &Maintenance, config: &Config) -> ExitCode {
    if config.storage.provider != StorageProvider::Embedded {
        error!(
            "the store commands work on the embedded store, and this configuration has another one (storage: etcd): nothing was \
             changed; for a store in a data directory set SW_STORAGE=embedded"
        );
        return system::BAD_USAGE.into();
    }
    let done = open(command, config).and_then(|(mut store, is_new)| {
        let text = execute(command, config, &mut store)?;
        Ok(directory(&config.storage.embedded.path, is_new) + &text)
    });
    match done {
        Ok(text) => match crate::print(&text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                error!("{error:#}");
                ExitCode::FAILURE
            }
        },
        Err(error @ Error::Locked { .. }) => {
            error!("{error}");
            IN_USE.into()
        }
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Opens the store. Only an import creates it; the flag is true if it did.
fn open(command: &Maintenance, config: &Config) -> Result<(Embedded, bool), Error> {
    let store = embedded::Config {
        path: config.storage.embedded.path.clone(),
        namespace: config.namespace().to_owned(),
    };
    match command {
        Maintenance::Info | Maintenance::Prune { dry_run: true, .. } => {
            Ok((maintenance::open_to_read(&store)?, false))
        }
        Maintenance::Prune { dry_run: false, .. } => {
            Ok((maintenance::open_existing(&store)?, false))
        }
        Maintenance::Import { .. } => match maintenance::open_existing(&store) {
            Err(Error::Absent { .. }) => Ok((embedded::open(&store)?, true)),
            opened => Ok((opened?, false)),
        },
    }
}

/// The line with the directory of the store.
fn directory(path: &Path, is_new: bool) -> String {
    let absolute = path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let note = if is_new { " (created)" } else { "" };
    format!("directory       {}{note}\n", absolute.display())
}

fn execute(command: &Maintenance, config: &Config, store: &mut Embedded) -> Result<String, Error> {
    match command {
        Maintenance::Info => {
            let contents = store.contents()?;
            Ok(info(&contents) + &first_ids(&store.first_ids()?))
        }
        Maintenance::Import {
            first_application_id,
            first_instance_id,
            first_operation_id,
            first_address_id,
        } => {
            let ids = FirstIds {
                applications: *first_application_id,
                instances: *first_instance_id,
                operations: *first_operation_id,
                addresses: *first_address_id,
            };
            store.raise_first_ids(&ids).map(|ids| first_ids(&ids))
        }
        Maintenance::Prune { down_for, dry_run } => {
            let age = i64::try_from(down_for.as_millis()).unwrap_or(i64::MAX);
            let now = Clock::start().wall().millis();
            let pruning = Pruning {
                unseen_since: Timestamp::from_millis(now.saturating_sub(age)),
                caps: config.register.properties,
                dry_run: *dry_run,
            };
            let before = store.contents()?;
            let pruned = store.prune(&pruning)?;
            let after = store.contents()?;
            Ok(report(&pruned, *dry_run, &before, &after))
        }
    }
}

fn info(contents: &Contents) -> String {
    let Contents {
        counts,
        file_bytes,
        property_bytes,
    } = contents;
    let Counts {
        applications,
        instances,
        operations,
        addresses,
        seen,
    } = counts;
    format!(
        "applications    {applications}\n\
         instances       {instances}\n\
         operations      {operations}\n\
         addresses       {addresses}\n\
         leases          {seen}\n\
         property_bytes  {property_bytes}\n\
         file_bytes      {file_bytes}\n"
    )
}

/// A line for each dictionary that reserves ids for an earlier inventory.
fn first_ids(ids: &FirstIds) -> String {
    let line = |(dictionary, first)| format!("first {dictionary:<14} {first}\n");
    ids.iter().map(line).collect()
}

fn report(pruned: &Pruned, dry_run: bool, before: &Contents, after: &Contents) -> String {
    let Pruned { stale, cut, bytes } = pruned;
    let (verb, note) = if dry_run {
        ("would be removed", "nothing was changed\n")
    } else {
        ("were removed", "")
    };
    format!(
        "{bytes} bytes of properties {verb}: of {stale} instances that were not seen for long, and of {cut} whose properties \
         exceed the limits\n\
         property_bytes  {} -> {}\n\
         file_bytes      {} -> {}\n{note}",
        before.property_bytes,
        before.property_bytes - bytes,
        before.file_bytes,
        after.file_bytes
    )
}
