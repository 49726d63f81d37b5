//! Tests `rollcall-collector store`, with which an operator maintains the embedded store while no collector uses it.

use std::path::Path;

use rollcall_tests::process::{Collector, Options, Run};
use tempfile::TempDir;

fn options(store: &Path) -> Options {
    Collector::options().data_dir(store)
}

async fn store(path: &Path, arguments: &[&str]) -> Run {
    let arguments = ["store"].iter().chain(arguments).copied();
    arguments.fold(options(path), Options::argument).run().await
}

/// The last number in the line of `store info` that begins with `name`.
fn line(run: &Run, name: &str) -> u64 {
    let line = run.stdout.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split_whitespace().last());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no {name}: {}", run.stdout))
}

#[tokio::test]
async fn a_store_is_counted_and_pruned_without_freeing_any_id() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("data");
    let mut collector = options(&path).start().await;
    let client = collector.grpc().await;
    let orders = client.application("orders").await.unwrap();
    let instance = client.instance(orders, "a").await.unwrap();

    let in_use = store(&path, &["info"]).await;
    assert_eq!(in_use.code, Some(75), "{}", in_use.stderr);
    assert!(
        in_use.stderr.contains("another collector"),
        "{}",
        in_use.stderr
    );
    assert_eq!(collector.terminate().await.code(), Some(0));

    let info = store(&path, &["info"]).await;
    assert_eq!(info.code, Some(0), "{}", info.stderr);
    let counts =
        ["applications", "instances", "operations", "addresses"].map(|name| line(&info, name));
    assert_eq!(counts, [2, 1, 0, 0], "the reserved application is a row");
    assert!(line(&info, "property_bytes") > 0);

    for arguments in [&["prune"][..], &["prune", "--down-for", "0s", "--dry-run"]] {
        assert_eq!(store(&path, arguments).await.code, Some(0));
        let after = store(&path, &["info"]).await;
        assert_eq!(
            line(&after, "property_bytes"),
            line(&info, "property_bytes"),
            "{arguments:?}"
        );
    }
    let pruned = store(&path, &["prune", "--down-for", "0s"]).await;
    assert_eq!(pruned.code, Some(0), "{}", pruned.stderr);
    assert!(
        pruned.stdout.contains("of 1 instances"),
        "{}",
        pruned.stdout
    );
    assert_eq!(line(&store(&path, &["info"]).await, "property_bytes"), 0);

    let again = options(&path).start().await;
    let known = again.query().instance(instance).await.unwrap();
    assert_eq!(
        (known.application_id, known.uuid.as_deref()),
        (Some(orders), Some("a"))
    );
    assert!(known.properties.is_empty());
    let client = again.grpc().await;
    assert_eq!(client.application("orders").await.unwrap(), orders);
    assert_eq!(client.instance(orders, "a").await.unwrap(), instance);
    let described = again.query().instance(instance).await.unwrap();
    assert!(
        !described.properties.is_empty(),
        "the agent has reported its properties again"
    );
}

#[tokio::test]
async fn an_impossible_command_is_refused_and_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("data");
    let missing = store(&path, &["info"]).await;
    assert_eq!(missing.code, Some(1), "{}", missing.stderr);
    let absent = format!("{} holds no store", path.display());
    assert!(missing.stderr.contains(&absent), "{}", missing.stderr);
    assert!(!path.exists(), "nothing is created");
    for arguments in [
        &[][..],
        &["prune", "--down-for", "soon"],
        &["burn"],
        &["import"],
    ] {
        let run = store(&path, arguments).await;
        assert_eq!(run.code, Some(64), "{arguments:?}: {}", run.stderr);
    }
    for command in [&["info"][..], &["import", "--first-instance-id", "100"]] {
        let shared = options(&path)
            .env("SW_STORAGE", "etcd")
            .env("SW_STORAGE_ETCD_ENDPOINTS", "127.0.0.1:1")
            .argument("store");
        let arguments = command.iter().copied();
        let shared = arguments.fold(shared, Options::argument).run().await;
        assert_eq!(shared.code, Some(64), "{}", shared.stderr);
        for part in ["embedded", "etcd", "nothing was changed"] {
            assert!(shared.stderr.contains(part), "{}", shared.stderr);
        }
    }
    for flag in ["--check", "--print-config"] {
        for command in [
            &["store", "import", "--first-instance-id", "100"][..],
            &["store", "prune"],
        ] {
            let run = command.iter().copied();
            let run = run.fold(options(&path).argument(flag), Options::argument);
            let run = run.run().await;
            assert_eq!(run.code, Some(64), "{flag} {command:?}: {}", run.stderr);
            assert!(run.stderr.contains("nothing was done"), "{}", run.stderr);
        }
    }
    assert!(!path.exists(), "nothing is created");
}

/// When agents move from another collector, this collector assigns no id that the other collector has assigned or will assign.
#[tokio::test]
async fn an_imported_store_never_assigns_the_ids_of_an_earlier_inventory() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("data");
    let import = [
        "import",
        "--first-application-id",
        "10000",
        "--first-instance-id",
        "20000",
        "--first-operation-id",
        "30000",
        "--first-address-id",
        "40000",
    ];
    let imported = store(&path, &import).await;
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    let directory_line = format!("directory       {}", path.display());
    let created = format!("{directory_line} (created)\n");
    assert!(imported.stdout.starts_with(&created), "{}", imported.stdout);
    // A lower number must not free ids of the earlier inventory.
    let lower = store(&path, &["import", "--first-instance-id", "5"]).await;
    assert!(lower.stdout.contains("20000"), "{}", lower.stdout);
    for refused in ["0", "-5", "1000000000", "x"] {
        let run = store(&path, &["import", "--first-instance-id", refused]).await;
        assert_eq!(run.code, Some(64), "{refused}: {}", run.stderr);
    }
    let mut collector = options(&path).start().await;
    for (codes, expected) in [
        (["a", "b"], [10_000, -10_000]),
        (["c", "d"], [10_001, -10_001]),
    ] {
        let client = collector.grpc().await;
        // An agent of the earlier collector keeps its ids, and the collector has no listening period.
        client.recover(2, 2).await.unwrap();
        for (code, id) in codes.into_iter().zip(expected) {
            assert_eq!(client.application(code).await.unwrap(), id);
        }
        let instance = client.instance(10_000, codes[0]).await.unwrap();
        assert!([20_000, 20_001].contains(&instance), "{instance}");
        let addresses = client.addresses(&[codes[0]]).await.unwrap();
        assert!([40_000, -40_000].contains(&addresses[0].1), "{addresses:?}");
        let held = collector.query().instance(2).await.unwrap();
        assert_eq!((held.adopted, held.application_id), (true, Some(2)));
        collector.restart().await;
    }
    assert_eq!(collector.terminate().await.code(), Some(0));
    let info = store(&path, &["info"]).await;
    assert_eq!(line(&info, "first operations"), 30_000);
    for command in [&["info"][..], &["prune"], &import] {
        let run = store(&path, command).await;
        let first = run.stdout.lines().next();
        assert_eq!(first, Some(&*directory_line), "{command:?}: {}", run.stderr);
    }
}
