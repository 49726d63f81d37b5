//! Runs the command `why` for the instances that the tests also query over the API.

use rollcall_tests::process::{Collector, Run};

/// The exit code if the subject is not up.
pub(crate) const NOT_UP: i32 = 1;

/// The result of `rollcall-collector why` for the subject `what`.
pub(crate) async fn why(collector: &Collector, what: &str) -> Run {
    let url = format!("http://{}", collector.listeners().ui);
    let options = Collector::options().env("ROLLCALL_URL", url);
    options.argument("why").argument(what).run().await
}

/// Checks that the command explains the subject `what`, which is not up, with a text that contains these parts.
pub(crate) async fn explains(collector: &Collector, what: &str, parts: &[&str]) {
    let run = why(collector, what).await;
    assert_eq!(run.code, Some(NOT_UP), "{what}: {run:?}");
    for part in parts {
        assert!(run.stdout.contains(part), "no `{part}` in: {run:?}");
    }
}
