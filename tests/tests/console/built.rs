//! Tests that the committed files of the console are the result of building its sources.

use std::{fs, path::Path};

use rollcall_tests::console;

#[test]
fn the_committed_files_are_built_from_the_sources() {
    let out = tempfile::tempdir().unwrap();
    console::build(out.path());
    let committed = console::directory().join("dist");
    let names = |directory: &Path| {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&committed), names(out.path()));
    for name in names(&committed) {
        let [is, expected] = [&*committed, out.path()]
            .map(|directory: &Path| fs::read(directory.join(&name)).unwrap());
        assert!(
            is == expected,
            "console/dist/{} differs from the result of a build: run `npm ci && npm run build` in collector/api/admin/console",
            name.display()
        );
    }
}

#[test]
fn the_lock_file_names_no_registry() {
    let lock = fs::read_to_string(console::directory().join("package-lock.json")).unwrap();
    assert!(
        !lock.contains("\"resolved\""),
        "package-lock.json names a registry: run `npm install` with the .npmrc in the same directory"
    );
}
