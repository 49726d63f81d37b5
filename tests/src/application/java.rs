use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::process::target_directory;

/// The Maven project.
const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/java");

/// The command that runs the application with the agent's configuration and log in `home`.
pub(super) fn command(home: &Path, code: &str, naming: &str) -> Command {
    let config = home.join("agent.config");
    let keys = [
        format!("agent.application_code={code}"),
        format!("collector.servers={naming}"),
        "collector.discovery_check_interval=1".to_owned(),
        "collector.grpc_channel_check_interval=1".to_owned(),
        "collector.app_and_service_register_check_interval=1".to_owned(),
        format!("logging.dir={}", home.display()),
        "logging.level=INFO".to_owned(),
    ];
    fs::write(&config, keys.join("\n")).expect("writing the agent's configuration");
    let built = built();
    let mut java = Command::new("java");
    java.args([
        "-Xmx64m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
    ])
    .arg(format!("{0}/agent/*:{0}/classes", built.display()))
    .arg(format!("-Dskywalking_config={}", config.display()))
    .arg("rollcall.conformance.Application");
    java
}

/// Where Maven has put the classes and the agent: built once, and again when the sources have changed.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let directory = target_directory().join("conformance/java");
        fs::create_dir_all(&directory).expect("a directory for what Maven builds");
        // Test programs run side by side; Maven does not expect a second one in its build directory.
        let lock = File::create(directory.join("lock")).expect("a lock file");
        lock.lock().expect("waiting for another test's Maven");
        let stamp = directory.join("built-from");
        let sources = sources(Path::new(PROJECT));
        if fs::read(&stamp).is_ok_and(|built_from| built_from == sources) {
            return directory;
        }
        let maven = Command::new("mvn")
            .args(["--quiet", "--batch-mode", "--file"])
            .arg(Path::new(PROJECT).join("pom.xml"))
            .arg("process-classes")
            .arg(format!("-Drollcall.build={}", directory.display()))
            .output()
            .unwrap_or_else(|error| panic!("running mvn: {error}; tests/run installs it"));
        assert!(
            maven.status.success(),
            "mvn: {}",
            String::from_utf8_lossy(&maven.stdout)
        );
        fs::write(stamp, sources).expect("noting what was built");
        directory
    })
}

/// Every file below `path`, one after the other, in the order of their names.
fn sources(path: &Path) -> Vec<u8> {
    if path.is_file() {
        return fs::read(path).expect("a readable source");
    }
    let entries = fs::read_dir(path).expect("a readable directory");
    let mut entries = entries
        .map(|entry| entry.expect("a readable directory").path())
        .collect::<Vec<_>>();
    entries.sort();
    entries.iter().flat_map(|entry| sources(entry)).collect()
}
