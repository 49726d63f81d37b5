//! The command `why` on the same instances as the query API.

use rollcall_tests::process::{Collector, Run};

/// The exit code for something that is not up.
pub(crate) const NOT_UP: i32 = 1;

/// What `rollcall-collector why` prints about `what`.
pub(crate) async fn why(collector: &Collector, what: &str) -> Run {
    let url = format!("http://{}", collector.listeners().ui);
    let options = Collector::options().env("ROLLCALL_URL", url);
    options.argument("why").argument(what).run().await
}

/// Checks that the command explains `what`, which is not up, in these words.
pub(crate) async fn explains(collector: &Collector, what: &str, parts: &[&str]) {
    let run = why(collector, what).await;
    assert_eq!(run.code, Some(NOT_UP), "{what}: {run:?}");
    for part in parts {
        assert!(run.stdout.contains(part), "no `{part}` in: {run:?}");
    }
}
