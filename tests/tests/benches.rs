//! Runs the benches `limits` and `scale` with tiny loads to check that they work, and the part of the bench `storage` that depends
//! on the collector. The test compares no figures.

#[path = "../benches/storage/src/embedded.rs"]
mod embedded;
#[path = "../benches/storage/src/engine.rs"]
#[expect(dead_code, reason = "this test does not build the other engines")]
mod engine;
#[path = "../benches/limits/main.rs"]
#[expect(dead_code, reason = "the test calls `run` instead of `main`")]
mod limits;
#[path = "../benches/scale/main.rs"]
#[expect(dead_code, reason = "the test calls `run` instead of `main`")]
mod scale;

#[test]
fn limits_measures_everything() {
    limits::run(["limits", "--quick"].map(Into::into));
}

#[test]
fn scale_measures_everything() {
    scale::run(["scale", "--quick"].map(Into::into));
}

#[test]
fn the_store_accepts_the_data_of_the_storage_bench() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = embedded::open(directory.path()).unwrap();
    store.insert(&engine::samples(&mut 1, 10)).unwrap();
    store.update(&engine::seen_samples(1..11)).unwrap();
    assert_eq!(store.load().unwrap(), 20);
}
