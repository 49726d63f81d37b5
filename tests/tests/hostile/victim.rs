//! The collector under attack, and the honest agent that uses it at the same time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rollcall_tests::{
    PATIENCE, eventually, grpc, http,
    process::{Collector, Listeners, Options},
};

const MIB: u64 = 1 << 20;

/// The memory limit of the process, in KiB of private writable memory for `ulimit -d`.
const MEMORY_LIMIT: &str = "-d 524288";

/// The value of each of the four memory budgets, in bytes.
const BUDGET: u64 = 64 * MIB;

/// The variables of the budgets that an attack can fill.
const BUDGETS: [&str; 4] = [
    "SW_SERVER_INBOUND_MEMORY",
    "SW_SERVER_WORK_MEMORY",
    "SW_SERVER_OUTBOUND_MEMORY",
    "SW_SERVER_CONNECTION_MEMORY",
];

/// The growth of resident memory that may remain after an attack, because of the allocator's caches.
const RETAINED: u64 = 96 * MIB;

/// The longest allowed round of calls of the honest agent, on a machine that also runs other tests.
const WORST_DELAY: Duration = Duration::from_secs(5);

/// The log line that names a peer that is refused at a limit.
pub(crate) const REFUSED: &str = "a peer is refused at a limit";

/// A collector of the release build that is limited to 512 MiB, and an honest agent.
pub(crate) struct Victim {
    pub(crate) collector: Collector,
    agent: HonestAgent,
    resident_at_start: u64,
}

impl Victim {
    /// Starts the collector with `options`, and the honest agent.
    pub(crate) async fn start(options: Options) -> Self {
        let options = BUDGETS.iter().fold(options, |options, variable| {
            options.env(*variable, BUDGET.to_string())
        });
        // With a listening period on an empty store, an attacker could delay the honest agent once per start.
        let options = options.without_listening();
        let mut collector = options.release().ulimit(MEMORY_LIMIT).start().await;
        collector.expect_log("a peer has used up its share of a memory budget");
        collector.expect_log(REFUSED);
        let agent = HonestAgent::start(collector.listeners());
        let victim = Self {
            resident_at_start: collector.resident_bytes(),
            collector,
            agent,
        };
        victim.agent_makes_progress().await;
        victim
    }

    /// Waits until the honest agent has completed some more rounds.
    pub(crate) async fn agent_makes_progress(&self) {
        let goal = self.agent.rounds() + 5;
        eventually(PATIENCE, async || match self.agent.rounds() {
            rounds if rounds >= goal => Ok(()),
            rounds => Err(format!(
                "the honest agent has completed {rounds} rounds of {goal}"
            )),
        })
        .await;
    }

    /// Checks every promise after the attack, and stops the collector cleanly.
    ///
    /// # Panics
    /// When a promise is broken.
    pub(crate) async fn survives(mut self) {
        self.agent_makes_progress().await;
        let peak = self.collector.peak_resident_bytes();
        let budgets = BUDGET * u64::try_from(BUDGETS.len()).expect("four");
        let most = self.resident_at_start + budgets + budgets / 5;
        assert!(
            peak <= most,
            "the peak of {} MiB exceeds the {} MiB at start plus the budgets and 20 % ({} MiB)",
            peak / MIB,
            self.resident_at_start / MIB,
            most / MIB
        );
        let retained = self.resident_at_start + RETAINED;
        eventually(PATIENCE, async || match self.collector.resident_bytes() {
            resident if resident <= retained => Ok(()),
            resident => Err(format!("{} MiB are still resident", resident / MIB)),
        })
        .await;
        let (worst, failed) = self.agent.stop();
        eprintln!(
            "resident {} MiB at start, {} MiB at most, {} MiB now; the honest agent waited {worst:?} at most",
            self.resident_at_start / MIB,
            peak / MIB,
            self.collector.resident_bytes() / MIB
        );
        assert_eq!(
            failed,
            Vec::<String>::new(),
            "calls of the honest agent failed"
        );
        assert!(worst <= WORST_DELAY, "the honest agent waited {worst:?}");
        let status = self.collector.terminate().await;
        assert_eq!(status.code(), Some(0), "a clean stop after the attack");
    }
}

/// An agent on its own thread and runtime, so that an attack in the test's runtime does not slow it down.
struct HonestAgent {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    thread: Option<thread::JoinHandle<(Duration, Vec<String>)>>,
}

impl HonestAgent {
    fn start(listeners: Listeners) -> Self {
        let (stop, rounds) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let thread = thread::spawn({
            let (stop, rounds) = (Arc::clone(&stop), Arc::clone(&rounds));
            move || {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime")
                    .block_on(live(listeners, &stop, &rounds))
            }
        });
        Self {
            stop,
            rounds,
            thread: Some(thread),
        }
    }

    fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Acquire)
    }

    /// Stops the agent, and returns its longest round of calls and every failure.
    fn stop(&mut self) -> (Duration, Vec<String>) {
        self.stop.store(true, Ordering::Release);
        let thread = self.thread.take().expect("stopped once");
        thread.join().expect("the honest agent does not panic")
    }
}

impl Drop for HonestAgent {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// Repeatedly requests the list of collectors, registers a new name and sends a heartbeat.
async fn live(
    listeners: Listeners,
    stop: &AtomicBool,
    rounds: &AtomicU64,
) -> (Duration, Vec<String>) {
    let naming = http::Client::new(listeners.naming);
    let probe = http::Client::new(listeners.ui);
    let client = grpc::Client::lazy(listeners.grpc);
    let (mut worst, mut failed) = (Duration::ZERO, Vec::new());
    let mut instance = None;
    while !stop.load(Ordering::Acquire) {
        let round = rounds.load(Ordering::Acquire);
        let calls = async {
            let reply = naming.get("/agent/gRPC").await?;
            let alive = probe.get("/livez").await?;
            if (reply.status.as_u16(), alive.status.as_u16()) != (200, 200) {
                return Err(format!("naming {}, livez {}", reply.status, alive.status));
            }
            let application = client
                .application(&format!("honest-{round}"))
                .await
                .map_err(|status| format!("register: {status}"))?;
            let id = match instance {
                Some(id) => id,
                None => client
                    .instance(application, "honest")
                    .await
                    .map_err(|status| format!("instance: {status}"))?,
            };
            instance = Some(id).filter(|id| *id != 0);
            client
                .heartbeat(id)
                .await
                .map_err(|status| format!("heartbeat: {status}"))
        };
        let started = Instant::now();
        if let Err(failure) = calls.await {
            failed.push(format!("round {round}: {failure}"));
        }
        worst = worst.max(started.elapsed());
        rounds.fetch_add(1, Ordering::AcqRel);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (worst, failed)
}
