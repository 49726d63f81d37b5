//! Which process may use a data directory, and with which namespace.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path, process};

use super::{
    super::{Config, directory::sync_up, namespace::NAMESPACE, open, open_beside},
    Temporary,
};
use crate::{
    Batch, Commit, Error, Storage as _,
    contract::{Provider as _, application},
};

#[test]
fn a_directory_is_created_for_its_owner_alone() {
    let store = Temporary::new();
    drop(store.open());
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let directory = store.config().path;
    assert_eq!(mode(directory.join("rollcall.redb")), 0o600);
    assert_eq!(mode(directory.join("lock")), 0o600);
    assert_eq!(mode(directory), 0o700);
}

#[test]
fn a_second_collector_is_refused_with_the_process_id_of_the_first() {
    let store = Temporary::new();
    let first = store.open();
    let error = open(&store.config()).unwrap_err();
    let Error::Locked { path, pid } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*path, store.config().path);
    assert_eq!(*pid, Some(process::id()));
    drop(first);
    store.open();
}

#[test]
fn a_store_records_its_namespace_and_refuses_another() {
    let store = Temporary::new();
    let of = |namespace: &str| Config {
        namespace: namespace.to_owned(),
        ..store.config()
    };
    drop(open(&of("production")).unwrap());
    let error = open(&of("staging")).unwrap_err().to_string();
    assert!(
        error.contains("holds the inventory of namespace production")
            && error.contains("belongs to namespace staging"),
        "{error}"
    );
    let error = open(&of("")).unwrap_err().to_string();
    assert!(
        error.contains("belongs to the empty namespace: "),
        "{error}"
    );
    open(&of("production")).unwrap();
}

#[test]
fn a_store_of_a_release_without_namespaces_takes_that_of_its_next_start() {
    let store = Temporary::new();
    drop(store.open());
    let database = redb::Database::open(store.config().path.join("rollcall.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    assert!(transaction.delete_table(NAMESPACE).unwrap());
    transaction.commit().unwrap();
    drop(database);
    let of = |namespace: &str| Config {
        namespace: namespace.to_owned(),
        ..store.config()
    };
    drop(open(&of("production")).unwrap());
    assert!(matches!(
        open(&of("staging")),
        Err(Error::OtherNamespace { .. })
    ));
}

#[test]
fn a_store_that_is_missing_beside_later_files_was_lost() {
    let store = Temporary::new();
    let open = || open_beside(&store.config(), &["catalog", "events"]).unwrap();
    let is_lost = || open().is_lost().unwrap();
    let path = store.config().path;
    assert!(!is_lost(), "a new directory");
    fs::create_dir(path.join("events")).unwrap();
    assert!(!is_lost(), "the store is there");
    fs::remove_file(path.join("rollcall.redb")).unwrap();
    assert!(is_lost());
    assert!(is_lost(), "also at the next start");
    let mut found = open();
    found.forget_loss();
    let none = Batch {
        rows: &[],
        seen: &[],
        digest: None,
    };
    assert_eq!(found.commit(none).unwrap(), Commit::Durable);
    drop(found);
    assert!(!is_lost(), "a whole listening period has passed");
    fs::remove_dir(path.join("events")).unwrap();
    fs::remove_file(path.join("rollcall.redb")).unwrap();
    fs::create_dir(path.join("lost+found")).unwrap();
    assert!(!is_lost(), "the lock and files of others prove nothing");
}

#[test]
fn a_file_in_the_place_of_the_directory_is_reported() {
    let store = Temporary::new();
    fs::write(store.config().path, "").unwrap();
    let error = open(&store.config()).unwrap_err();
    assert!(matches!(error, Error::NoDirectory { .. }), "{error:?}");
}

#[test]
fn a_store_that_was_moved_or_replaced_refuses_commits() {
    let elsewhere = |store: &Temporary| store.0.path().join("elsewhere");
    let changes: [fn(&Temporary, &Path); 4] = [
        |store, _| fs::remove_dir_all(store.config().path).unwrap(),
        |_, file| fs::remove_file(file).unwrap(),
        |store, _| fs::rename(store.config().path, store.0.path().join("elsewhere")).unwrap(),
        |_, file| {
            let copy = file.with_extension("copy");
            fs::copy(file, &copy).unwrap();
            fs::rename(copy, file).unwrap();
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let store = Temporary::new();
        let mut open = store.open();
        let rows = [application(-1, "orders")];
        let batch = Batch {
            rows: &rows,
            ..Batch::default()
        };
        assert_eq!(open.commit(batch).unwrap(), Commit::Durable, "{number}");
        change(&store, &store.config().path.join("rollcall.redb"));
        let error = open.commit(batch).unwrap_err();
        assert!(matches!(error, Error::Moved { .. }), "{number}: {error}");
        // Restoring the file is too late: the state of the failed commit is unknown.
        if elsewhere(&store).exists() {
            fs::rename(elsewhere(&store), store.config().path).unwrap();
        }
        let error = open.commit(batch).unwrap_err();
        assert!(matches!(error, Error::Poisoned { .. }), "{number}: {error}");
    }
}

#[test]
fn creating_a_store_syncs_all_directories_that_may_be_new() {
    let mut synced = Vec::new();
    let result = sync_up(Path::new("/srv/rollcall/data"), &mut |directory| {
        synced.push(directory.display().to_string());
        match directory == Path::new("/srv") {
            true => Err(io::ErrorKind::PermissionDenied.into()),
            false => Ok(()),
        }
    });
    result.unwrap();
    assert_eq!(synced, ["/srv/rollcall/data", "/srv/rollcall", "/srv"]);
    let failed = sync_up(Path::new("/data"), &mut |_| {
        Err(io::ErrorKind::StorageFull.into())
    });
    failed.unwrap_err();
}
