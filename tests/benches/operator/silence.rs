//! Measures the delays of agents while all instances become silent at once.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rollcall_tests::{
    bench::pace::{Delays, Load},
    process::Collector,
    results,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time::sleep,
};

use crate::{fleet, process::Totals};

/// The time until an instance is silent. It is long enough to register all instances, even on a busy machine, before the first one
/// is silent.
const SILENT_AFTER: &str = "90s";
const DOWN_AFTER: &str = "150s";
/// The duration of the first phase, in which no instance changes its state.
const BEFORE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(300);

const TEXT: &str = "\
## 100,000 instances that fall silent at once

`cargo bench -p rollcall-tests --bench operator -- silence`, SETUP. The release binary had 100,000 instances of 200 applications,
which had registered over gRPC and sent one heartbeat each, and then none. 8 agents requested the list of collectors, 100 times a
second each, and one console watched `/api/events`. A wave lasts from the first log line about an instance until all instances
have the state (silent: until the event `mass_silence`, which comes one `timeline.default.mass_window` after the last instance).
The processor time is what the collector used beyond its rate before.

| | Before | Silent | Down |
|---|--:|--:|--:|";

/// What the console received from the event feed in one phase.
#[derive(Clone, Debug, Default)]
struct Received {
    bytes: usize,
    events: usize,
    lagged: usize,
    /// The bytes of the event `mass_silence`.
    mass: usize,
    rest: Vec<u8>,
}

/// The measurements of one phase.
struct Phase {
    took: Duration,
    delays: Delays,
    used: Totals,
    received: Received,
}

/// A row of the table: its name, and the function that writes its cell for a phase.
type Row<'a> = (&'a str, &'a dyn Fn(&Phase) -> String);

pub(crate) async fn run() -> String {
    let mut collector = Collector::options()
        .on_disk()
        .env("SW_TIMELINE_PER_PEER", "100000000")
        .env("SW_LIVENESS_SILENT_AFTER", SILENT_AFTER)
        .env("SW_LIVENESS_DOWN_AFTER", DOWN_AFTER)
        .without_listening()
        .release()
        .start()
        .await;
    collector.expect_log("many instances fell silent at once");
    let instances = fleet::fill(&collector).await;
    let watching = Watching::start(collector.listeners().ui).await;
    let mut load = Load::start(collector.listeners().naming);
    fleet::beat(&collector, &instances).await;
    let (start, before) = begin(&collector, &mut load, &watching);
    sleep(BEFORE).await;
    let quiet = end(&collector, &mut load, &watching, start, before);

    let mut phases = vec![quiet];
    let waves = [
        ("instance silent", "many instances fell silent", "silent"),
        ("instance down", "more instances down", "down"),
    ];
    for (first, last, state) in waves {
        logged(&collector, first).await;
        let (start, before) = begin(&collector, &mut load, &watching);
        have(&collector, state).await;
        logged(&collector, last).await;
        phases.push(end(&collector, &mut load, &watching, start, before));
    }
    section(&phases)
}

fn begin(collector: &Collector, load: &mut Load, watching: &Watching) -> (Instant, Totals) {
    load.take();
    watching.take();
    (Instant::now(), Totals::of(collector))
}

fn end(
    collector: &Collector,
    load: &mut Load,
    watching: &Watching,
    start: Instant,
    before: Totals,
) -> Phase {
    let now = Totals::of(collector);
    Phase {
        took: start.elapsed(),
        delays: load.take(),
        used: Totals {
            cpu: now.cpu - before.cpu,
            journal: now.journal.saturating_sub(before.journal),
            lines: now.lines - before.lines,
            resident: now.resident,
        },
        received: watching.take(),
    }
}

/// Waits until the collector has logged a message that begins with `message`.
async fn logged(collector: &Collector, message: &str) {
    let start = Instant::now();
    while !collector
        .log()
        .iter()
        .any(|line| line.message.starts_with(message))
    {
        assert!(start.elapsed() < PATIENCE, "no log line \"{message}\"");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until each instance has this state or a later one.
async fn have(collector: &Collector, state: &str) {
    let client = collector.http(collector.listeners().ui);
    let start = Instant::now();
    loop {
        let overview = client.get("/api/overview").await.expect("an answer");
        let agents = overview.json::<serde_json::Value>()["agents"].clone();
        let later = if state == "silent" { "down" } else { "left" };
        let count = |state: &str| agents[state].as_u64().unwrap_or(0);
        if count(state) + count(later) == fleet::INSTANCES as u64 {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{agents}");
        sleep(Duration::from_millis(500)).await;
    }
}

/// A console that reads the event feed as fast as possible.
struct Watching {
    received: Arc<Mutex<Received>>,
    reading: JoinHandle<()>,
}

impl Watching {
    async fn start(server: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(server).await.expect("a connection");
        let request = format!("GET /api/events HTTP/1.1\r\nhost: {server}\r\n\r\n");
        let sent = stream.write_all(request.as_bytes()).await;
        sent.expect("writing a request");
        let received = Arc::<Mutex<Received>>::default();
        let shared = Arc::clone(&received);
        let reading = tokio::spawn(async move {
            let mut buffer = vec![0; 256 << 10];
            loop {
                let read = stream.read(&mut buffer).await.expect("the event feed");
                assert!(read > 0, "the event feed ended");
                shared.lock().add(&buffer[..read]);
            }
        });
        Self { received, reading }
    }

    fn take(&self) -> Received {
        assert!(!self.reading.is_finished(), "the reader of the feed ended");
        let mut received = self.received.lock();
        let rest = received.rest.clone();
        let taken = std::mem::take(&mut *received);
        received.rest = rest;
        taken
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Received {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.rest.extend_from_slice(bytes);
        let Some(last) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return;
        };
        let rest = self.rest.split_off(last + 1);
        for line in self.rest.split(|byte| *byte == b'\n') {
            if line.starts_with(b"event: lagged") {
                self.lagged += 1;
            } else if line.starts_with(b"event: ") {
                self.events += 1;
            } else if line.starts_with(b"data: ") && contains(line, b"\"mass_silence\"") {
                self.mass = line.len();
            }
        }
        self.rest = rest;
    }
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}

fn section(phases: &[Phase]) -> String {
    let mut text = TEXT.replace("SETUP", &results::setup());
    let rate = phases[0].used.cpu.as_secs_f64() / phases[0].took.as_secs_f64();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let rows: [Row<'_>; 10] = [
        ("Duration", &|it| format!("{:.1} s", it.took.as_secs_f64())),
        ("Processor time", &|it| {
            let own = it.used.cpu.as_secs_f64() - rate * it.took.as_secs_f64();
            format!("{own:.2} s")
        }),
        ("Naming, median", &|it| {
            format!("{:.2} ms", it.delays.median)
        }),
        ("Naming, p99", &|it| format!("**{:.1} ms**", it.delays.p99)),
        ("Naming, slowest", &|it| format!("{:.1} ms", it.delays.most)),
        ("Log lines", &|it| it.used.lines.to_string()),
        ("Journal", &|it| format!("{:.1} MiB", mib(it.used.journal))),
        ("Resident memory at the end", &|it| {
            format!("{:.0} MiB", mib(it.used.resident))
        }),
        ("Events to the console (`lagged`)", &|it| {
            format!("{} ({})", it.received.events, it.received.lagged)
        }),
        ("Bytes to the console", &|it| {
            format!("{:.1} MiB", mib(it.received.bytes as u64))
        }),
    ];
    for (name, value) in rows {
        let cells: Vec<_> = phases.iter().map(value).collect();
        write!(text, "\n| {name} | {} |", cells.join(" | ")).expect("writing to a string");
    }
    let mass = phases.iter().map(|phase| phase.received.mass).max();
    write!(
        text,
        "\n\nThe event `mass_silence` has {} bytes.\n",
        mass.unwrap_or_default()
    )
    .expect("writing to a string");
    text
}
