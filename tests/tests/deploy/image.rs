//! Tests the last stage of the image without a registry: a collector runs with only the files that the Containerfile copies.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use rollcall_tests::process::{Collector, collector_binary};
use rustix::process::geteuid;

use super::text;

/// The user of the image.
const USER: &str = "65532:65532";

/// The command of the Containerfile that collects the files, changed to use the directory `root` and the binary under test.
fn copying(root: &Path) -> String {
    let file = text("Containerfile").replace("\\\n", " ");
    let command = file.lines().find_map(|line| {
        let command = line.strip_prefix("RUN ")?;
        command.contains("ldd").then_some(command)
    });
    let binary = collector_binary().display().to_string();
    let command = command.expect("a command that copies the libraries");
    let command = command.replace("target/dist/rollcall-collector", &binary);
    let root = root.display().to_string();
    // Replaces only words that begin with /image.
    command.replace(" /image", &format!(" {root}"))
}

/// The command that makes a directory the root directory of a process. Only root may do that. If the test runs as root, the process
/// then becomes the user of the image; otherwise the test's user becomes the root of a user namespace.
fn enter(root: &Path) -> String {
    if geteuid().is_root() {
        let owned = Command::new("chown").args(["-R", USER]).arg(root).status();
        assert!(owned.unwrap().success());
        return format!("chroot --userspec={USER}");
    }
    let allowed = Command::new("unshare")
        .args(["--map-root-user", "true"])
        .output();
    assert!(
        allowed
            .as_ref()
            .is_ok_and(|allowed| allowed.status.success()),
        "this test changes the root directory of a collector, and user namespaces are not allowed here: run it as root, or allow \
         them (on Ubuntu with `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, on older Debian with \
         `sysctl kernel.unprivileged_userns_clone=1`): {allowed:?}"
    );
    "unshare --map-root-user chroot".to_owned()
}

#[tokio::test]
async fn the_image_has_every_file_that_a_collector_needs() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let copied = Command::new("/bin/sh")
        .args(["-ec", &copying(&root)])
        .output();
    let copied = copied.unwrap();
    assert!(copied.status.success(), "{copied:?}");
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    let run = format!(
        "exec {} '{}' /usr/bin/rollcall-collector \"$@\"",
        enter(&root),
        root.display()
    );
    let options = Collector::options()
        .through(&["/bin/sh", "-c", &run])
        .data_dir("/data");
    let mut collector = options.start().await;
    let lists = collector.http(collector.listeners().naming);
    assert_eq!(lists.get("/agent/gRPC").await.unwrap().status, 200);
    let client = collector.grpc().await;
    client.application("orders").await.expect("an id");
    assert!(fs::read_dir(root.join("data")).unwrap().count() > 0);
    assert!(collector.terminate().await.success());
}
