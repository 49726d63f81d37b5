use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

/// The collector's binary, built from this workspace in the profile of the running test, once per test process.
///
/// Cargo itself reports the path, so the build uses the target directory and the configuration of the test. If
/// `ROLLCALL_TEST_BINARY` is set, the binary at that path is used instead, and nothing is built.
///
/// # Panics
/// When the build fails, with the compiler's messages.
pub fn collector_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| build_collector(!cfg!(debug_assertions)))
}

/// The collector's binary in the release profile, which operators run, built once per test process; or the binary at the path in
/// `ROLLCALL_TEST_BINARY`.
///
/// # Panics
/// When the build fails, with the compiler's messages.
pub fn release_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| build_collector(true))
}

/// The variable with the path of another binary to test, such as that of an earlier release.
const BINARY_VARIABLE: &str = "ROLLCALL_TEST_BINARY";

fn build_collector(release: bool) -> PathBuf {
    if let Some(binary) = std::env::var_os(BINARY_VARIABLE) {
        return binary.into();
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args([
            "build",
            "--quiet",
            "--message-format",
            "json-render-diagnostics",
        ])
        .args([
            "--package",
            "rollcall-collector",
            "--bin",
            "rollcall-collector",
        ]);
    if release {
        cargo.arg("--release");
    }
    without_crate_variables(&mut cargo);
    let output = cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::piped())
        .output()
        .unwrap_or_else(|error| panic!("running {cargo:?}: {error}"));
    assert!(
        output.status.success(),
        "{cargo:?}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .unwrap_or_else(|| panic!("{cargo:?} built no executable"))
}

/// Removes the outer cargo's variables about the crate under test from the environment of `command`, which starts another cargo.
///
/// Build scripts depend on some of them. With these variables they would run again, both here and in the next build from a shell,
/// and every crate that depends on them would be compiled again.
pub fn without_crate_variables(command: &mut Command) {
    const PREFIXES: [&str; 4] = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_CRATE_",
        "CARGO_BIN_",
    ];
    for (name, _) in std::env::vars_os() {
        let is_of_a_crate = name
            .to_str()
            .is_some_and(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix)));
        if is_of_a_crate {
            command.env_remove(name);
        }
    }
}

/// Cargo's target directory, for other build results.
///
/// # Panics
/// When cargo does not report it.
pub fn target_directory() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("running cargo metadata");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo's metadata");
    metadata["target_directory"]
        .as_str()
        .map(PathBuf::from)
        .expect("a target directory")
}
