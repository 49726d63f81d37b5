//! Measures the cost of an agent for its host: `cargo bench -p rollcall-agent`. The figures are in `BUDGET.md`.
//!
//! The agent registers with the fake collector of the tests, which runs in a process of its own so that it is not measured.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    unused_imports,
    reason = "the fake collector is written for the tests, and this bench uses only a part of it"
)]

use std::{
    env,
    error::Error,
    fs,
    hint::black_box,
    io::{self, BufRead, BufReader},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rollcall_agent::{Agent, Phase, SpanType};
use tokio::time::Instant;

use tests::fake::{self, Collector, Naming, Response};

#[path = "../tests/agent"]
mod tests {
    pub(crate) mod fake;
}

/// With this argument the process is the fake collector.
const AS_COLLECTOR: &str = "--as-collector";

const CALLS: u32 = 10_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().any(|argument| argument == AS_COLLECTOR) {
        return collect();
    }
    let (mut collector, naming) = start_collector()?;
    measure(&naming)?;
    drop(collector.stdin.take());
    collector.wait()?;
    Ok(())
}

/// Serves until the standard input ends.
fn collect() -> Result<(), Box<dyn Error>> {
    let collector = Collector::start();
    let naming = Naming::start(Response::List(vec![collector.address()]));
    say(format_args!("{}", naming.address()));
    io::stdin().read_line(&mut String::new())?;
    Ok(())
}

fn start_collector() -> Result<(Child, String), Box<dyn Error>> {
    let mut child = Command::new(env::current_exe()?)
        .arg(AS_COLLECTOR)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().ok_or("no output")?;
    let mut naming = String::new();
    BufReader::new(output).read_line(&mut naming)?;
    Ok((child, naming.trim().to_owned()))
}

fn measure(naming: &str) -> Result<(), Box<dyn Error>> {
    let before = resident_kib()?;
    let threads_before = threads()?;
    let agent = Agent::builder("budget").collectors([naming]).start()?;
    let status = agent
        .subscribe()
        .wait_for(fake::PATIENCE, |status| status.phase == Phase::Running);
    status.map_err(|last| format!("the agent did not reach Running: {last:?}"))?;
    agent.operation("GET /orders", SpanType::Entry);
    agent.address("db:3306");
    // Two register intervals, so that the ids arrive.
    thread::park_timeout(Duration::from_secs(7));

    say(format_args!("threads: {}", threads()? - threads_before));
    say(format_args!(
        "resident: {} KiB more than before",
        resident_kib()?.saturating_sub(before)
    ));
    hot("segment_finished", || agent.segment_finished());
    hot("operation, known", || {
        agent.operation(black_box("GET /orders"), SpanType::Entry)
    });
    hot("address, known", || agent.address(black_box("db:3306")));
    hot("operation, empty name", || {
        agent.operation(black_box(""), SpanType::Entry)
    });
    contended(&agent);

    let cpu = cpu_ticks()?;
    let idle = Duration::from_secs(60);
    thread::park_timeout(idle);
    say(format_args!(
        "cpu in {idle:?} of idling: {} ms",
        (cpu_ticks()? - cpu) * 10
    ));

    for n in 0..100_000 {
        agent.operation(&format!("GET /orders/{n:0>28}"), SpanType::Entry);
    }
    thread::park_timeout(Duration::from_secs(10));
    say(format_args!(
        "resident with 100,000 names of 40 bytes: {} KiB more than before",
        resident_kib()?.saturating_sub(before)
    ));
    say(format_args!("{:?}", agent.status().counts));
    agent.shutdown(Duration::from_secs(1))?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
fn say(line: std::fmt::Arguments<'_>) {
    println!("{line}");
}

fn hot<T>(name: &str, call: impl Fn() -> T) {
    let start = Instant::now();
    for _ in 0..CALLS {
        black_box(call());
    }
    say(format_args!(
        "{name}: {:.1} ns",
        start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    ));
}

fn contended(agent: &Agent) {
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..CALLS {
                    agent.segment_finished();
                }
            });
        }
    });
    say(format_args!(
        "segment_finished, two threads: {:.1} ns",
        start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    ));
}

/// A field of /proc/self/status, without its unit.
fn field(name: &str) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .ok_or("no such field")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn resident_kib() -> Result<u64, Box<dyn Error>> {
    field("VmRSS:")
}

fn threads() -> Result<u64, Box<dyn Error>> {
    field("Threads:")
}

/// User and system time of the process, in ticks of 10 ms.
fn cpu_ticks() -> Result<u64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .ok_or("no fields")?
        .split_whitespace()
        .collect();
    Ok(fields.get(11).ok_or("no utime")?.parse::<u64>()?
        + fields.get(12).ok_or("no stime")?.parse::<u64>()?)
}
