//! Compares three kinds of rounds: without pages, with open pages of the console and a Prometheus, and beside another process that
//! uses as much processor time as the pages made the collector use.
//!
//! The pages run in a separate process with the lowest priority, because in production browsers and Prometheus run on other
//! machines.

use std::{
    env,
    fmt::Write as _,
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rollcall_tests::{
    bench::pace::{Delays, Load},
    http,
    process::{Collector, cpu_time},
    results,
};
use rustix::process::setpriority_process;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

use crate::{Options, fleet, spin::Spinning};

/// The number of pages that are open at the same time.
const PAGES: usize = 5;
/// The pause of a page between two reads of its data: the same as the shortest one of the real console.
const PAUSE: Duration = Duration::from_secs(1);
/// The pause between two scrapes: the shortest one in common use.
const SCRAPE: Duration = Duration::from_secs(5);
/// The pause between two new registrations, each of which adds an event to the feed.
const NEW: Duration = Duration::from_millis(50);

const TEXT: &str = "\
## Open pages of the console beside naming

`cargo bench -p rollcall-tests --bench operator -- pages`, SETUP. The release binary had 100,000 instances of 200 applications.
8 agents requested the list of collectors, 100 times a second each, and 20 instances a second registered, in ROUNDS rounds of
SECONDS s without and as many with open pages, alternately. 5 pages each read the event feed, and each second `/api/overview`,
`/api/applications` and a search of all instances for a text that few names contain; a Prometheus scraped every 5 s. The pages
were a process with niceness 19, because browsers run on other machines. In as many rounds another process of normal priority, which
has nothing to do with the collector, used as much of the processors as the collector used for the pages. The table has the medians
of the rounds (min – max), and the ratios to the rounds without pages.

| | Without pages | With pages | Ratio | Another process | Ratio |
|---|--:|--:|--:|--:|--:|";

/// The measurements of one round.
struct Round {
    delays: Delays,
    cpu: Duration,
    reads: usize,
}

/// A row of the table: its name, its unit and its value.
type Row = (&'static str, &'static str, fn(&Round) -> f64);

pub(crate) async fn run(options: &Options) -> String {
    let settings = Collector::options()
        .on_disk()
        .env("SW_TIMELINE_PER_PEER", "100000000");
    let settings = settings.without_listening().release();
    let collector = settings.start().await;
    fleet::fill(&collector).await;
    let mut load = Load::start(collector.listeners().naming);
    let mut background = JoinSet::new();
    let client = collector.grpc().await;
    background.spawn(async move {
        let application = client.application("newcomers").await.expect("an id");
        for number in 0.. {
            let name = format!("newcomer-{number}");
            client.instance(application, &name).await.expect("an id");
            sleep(NEW).await;
        }
    });
    let period = Duration::from_secs(options.seconds);
    let (mut without, mut with, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..options.rounds * 3 {
        // The order is: without, with, beside, beside, with, without, and so on. So a gradual change of the machine's speed affects
        // all three kinds equally.
        let is_open = matches!(round % 6, 1 | 4);
        let spinning = matches!(round % 6, 2 | 3).then(|| {
            let median = |rounds: &[Round]| shown(rounds, "", |it| it.cpu.as_secs_f64()).0;
            Spinning::start(median(&with) - median(&without))
        });
        let pages = is_open.then(|| Pages::open(collector.listeners().ui));
        // During this second the pages load for the first time, which is not measured.
        sleep(Duration::from_secs(1)).await;
        load.take();
        let (start, cpu) = (Instant::now(), cpu_time(collector.id()));
        sleep(period).await;
        let cpu = (cpu_time(collector.id()) - cpu).div_f64(start.elapsed().as_secs_f64());
        let delays = load.take();
        let reads = pages.map_or(0, Pages::close);
        let measured = Round { delays, cpu, reads };
        let rounds = match (is_open, spinning) {
            (true, _) => &mut with,
            (false, Some(_)) => &mut beside,
            (false, None) => &mut without,
        };
        rounds.push(measured);
        if let Some(ended) = background.try_join_next() {
            panic!("the task that registers new instances ended: {ended:?}");
        }
    }
    section(options, [&without, &with, &beside])
}

/// The process that keeps the pages open. It ends when the value is dropped.
struct Pages(Child);

impl Pages {
    fn open(server: SocketAddr) -> Self {
        let own = env::current_exe().expect("the path of this program");
        let child = Command::new(own)
            .args(["--open", &server.to_string()])
            .stdout(Stdio::piped())
            .spawn();
        Self(child.expect("another process"))
    }

    /// Ends the process, and returns the number of answers that the pages received.
    fn close(mut self) -> usize {
        let ended = self.0.try_wait().expect("the state of a process");
        assert_eq!(ended, None, "the process of the pages ended too early");
        self.0.kill().expect("a process that runs");
        let mut answers = Vec::new();
        let mut output = self.0.stdout.take().expect("a pipe");
        output.read_to_end(&mut answers).expect("the answers");
        self.0.wait().expect("the end of the process");
        answers.len()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // After `close`, or if the process has already ended, nothing is left to do.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Keeps pages open until the process is killed, and writes one byte for each answer.
pub(crate) async fn keep_open(server: SocketAddr) {
    setpriority_process(None, 19).expect("a lower priority");
    let client = http::Client::new(server);
    let pages = (0..PAGES).map(|number| page(&client, server, number));
    let scraping = async {
        loop {
            client.get("/metrics").await.expect("an answer");
            answered();
            sleep(SCRAPE).await;
        }
    };
    tokio::join!(futures_util::future::join_all(pages), scraping);
}

fn answered() {
    let mut output = io::stdout().lock();
    let written = output.write_all(b".").and_then(|()| output.flush());
    written.expect("writing to a pipe");
}

async fn page(client: &http::Client, server: SocketAddr, number: usize) {
    let watching = async {
        let mut stream = TcpStream::connect(server).await.expect("a connection");
        let request = format!("GET /api/events HTTP/1.1\r\nhost: {server}\r\n\r\n");
        let sent = stream.write_all(request.as_bytes()).await;
        sent.expect("writing a request");
        let mut buffer = vec![0; 64 << 10];
        while stream.read(&mut buffer).await.expect("the event feed") > 0 {}
    };
    let reading = async {
        // The pages start at different times, so that they do not all read at once.
        sleep(PAUSE * u32::try_from(number).unwrap_or(0) / u32::try_from(PAGES).unwrap_or(1)).await;
        let search = format!("/api/instances?text=1{number}7-49&limit=100");
        loop {
            for path in ["/api/overview", "/api/applications", &search] {
                let reply = client.get(path).await.expect("an answer");
                assert_eq!(reply.status, 200, "{path}");
                answered();
            }
            sleep(PAUSE).await;
        }
    };
    tokio::join!(watching, reading);
}

fn section(options: &Options, rounds: [&[Round]; 3]) -> String {
    let mut text = TEXT
        .replace("SETUP", &results::setup())
        .replace("ROUNDS", &options.rounds.to_string())
        .replace("SECONDS", &options.seconds.to_string());
    let rows: [Row; 5] = [
        ("Naming, median", "ms", |round| round.delays.median),
        ("Naming, p99", "ms", |round| round.delays.p99),
        ("Naming, slowest", "ms", |round| round.delays.most),
        ("Processors used", "", |round| round.cpu.as_secs_f64()),
        ("Answers to agents", "", |round| round.delays.calls as f64),
    ];
    for (name, unit, of) in rows {
        let [(a, without), (b, with), (c, beside)] = rounds.map(|it| shown(it, unit, of));
        let (pages, other) = (b / a, c / a);
        write!(
            text,
            "\n| {name} | {without} | {with} | {pages:.2} | {beside} | {other:.2} |"
        )
        .expect("writing to a string");
    }
    let (reads, _) = shown(rounds[1], "", |round| round.reads as f64);
    write!(text, "\n\nThe pages had {reads:.0} answers in a round.\n")
        .expect("writing to a string");
    text
}

/// The median of the rounds, and the cell of the table that shows it.
fn shown(rounds: &[Round], unit: &str, of: fn(&Round) -> f64) -> (f64, String) {
    let mut values: Vec<_> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (values.first(), values.last()) else {
        return (f64::NAN, "no round".to_owned());
    };
    let median = values[values.len() / 2];
    let cell = format!("**{median:.2} {unit}** ({least:.2} – {most:.2})");
    (median, cell.replace(" **", "**"))
}
