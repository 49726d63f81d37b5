use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::{Agent, Phase};

fn shared() -> Arc<Shared> {
    Shared::new(
        Agent::builder("a")
            .direct_collectors(["127.0.0.1:1"])
            .resolve()
            .unwrap(),
    )
}

#[test]
fn a_loop_that_panics_is_counted_and_runs_again() {
    let shared = shared();
    let runs = AtomicU32::new(0);
    supervise(&shared, || {
        if runs.fetch_add(1, Ordering::Relaxed) < 1 {
            panic!("on purpose");
        }
        shared.stop.request(Duration::ZERO);
        Ok(())
    });
    let status = shared.status();
    assert_eq!(
        (runs.into_inner(), status.counts.restarts, status.phase),
        (2, 1, Phase::Stopped)
    );
    let error = status.last_error.unwrap();
    assert_eq!(
        (error.activity, error.message.as_str()),
        (Activity::Loop, "panic: on purpose")
    );
}

#[test]
fn a_loop_that_cannot_start_is_retried_until_a_stop() {
    let shared = shared();
    supervise(&shared, || {
        shared.stop.request(Duration::ZERO);
        Err(io::Error::other("no descriptors"))
    });
    let status = shared.status();
    assert_eq!((status.counts.restarts, status.phase), (0, Phase::Stopped));
}

#[test]
fn a_panic_in_the_runtime_reaches_the_supervisor() {
    assert_eq!(contain(|| panic!("{}", 7)).map(|()| 0), Err("7".to_owned()));
}
