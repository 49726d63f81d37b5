//! Runs the benches `limits` and `scale` with tiny loads, to check that they work. No figure of them is compared.

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
