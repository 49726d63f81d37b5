//! The background thread: runs the loops and restarts them after a panic.

use std::{
    any::Any,
    convert::Infallible,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::{
    runtime,
    time::{MissedTickBehavior, interval},
};

use crate::{
    Activity, backoff::Backoff, channel::Channel, discovery::Discovery, park, random,
    register::Register, shared::Shared,
};

/// The longest pause before a restart of the loops.
const RESTART_CAP: Duration = Duration::from_secs(60);

/// Starts the thread without waiting until it runs.
pub(crate) fn spawn(shared: &Arc<Shared>) -> io::Result<()> {
    let theirs = Arc::clone(shared);
    let thread = thread::Builder::new()
        .name("rollcall-agent".to_owned())
        .spawn(move || supervise(&theirs, || run(&theirs)))?;
    shared.thread_is(thread.thread().id());
    Ok(())
}

/// Sets the status to stopped when the thread ends, even by a panic.
struct Finished<'a>(&'a Shared);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        self.0.stopped();
    }
}

/// Calls `run` again whenever it returns, fails or panics, until a stop is requested.
fn supervise(shared: &Shared, run: impl Fn() -> io::Result<()>) {
    let _finished = Finished(shared);
    let mut pause = Backoff::below(RESTART_CAP);
    while !shared.stop.is_requested() {
        let failure = match contain(&run) {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => format!("no runtime: {error}"),
            Err(panic) => {
                shared.counters.restarts.increment();
                format!("panic: {panic}")
            }
        };
        // The host's subscriber may be the code that panicked.
        if contain(|| shared.report_error(Activity::Loop, &failure)).is_err() {
            shared.counters.restarts.increment();
        }
        park::wait(shared.stop.wait(), pause.next(random::number()));
    }
}

/// Runs a closure and turns its panic into the panic's message.
fn contain<T>(what: impl FnOnce() -> T) -> Result<T, String> {
    // A panic leaves the shared state consistent: maps and watches are consistent after each call, and counters only increase.
    catch_unwind(AssertUnwindSafe(what)).map_err(|payload| message(&*payload))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

/// Runs the loops on their own runtime until a stop is requested.
fn run(shared: &Arc<Shared>) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        // Only the operating system's resolver uses blocking threads.
        .max_blocking_threads(2)
        .thread_name("rollcall-resolve")
        .thread_keep_alive(Duration::from_secs(1))
        .build()?;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(loops(shared));
        shared.publish_metrics();
    }));
    // A plain drop would wait for a resolver that hangs.
    runtime.shutdown_background();
    outcome.map_err(|payload| std::panic::resume_unwind(payload))
}

async fn loops(shared: &Arc<Shared>) {
    let (discovery, members) = Discovery::new(Arc::clone(shared));
    let mut register = Register::new(Arc::clone(shared), members.clone());
    // The status may still show the connection of an earlier run.
    register.disconnected();
    let channel = Channel::new(Arc::clone(shared), members, register);
    tokio::select! {
        biased;
        // Only this future ends: when a stop is requested.
        () = channel.run() => {}
        never = discovery.run() => match never {},
        never = pulse(shared) => match never {},
    }
}

/// Records for the watchdog that the loop runs, and publishes the counters.
async fn pulse(shared: &Shared) -> Infallible {
    let mut turns = interval(shared.pulse.period());
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        if let Some(late) = shared.pulse.beat(shared.clock.now()) {
            shared.report_stall(late);
        }
        shared.publish_metrics();
    }
}

#[cfg(test)]
mod tests;
