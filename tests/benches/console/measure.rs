//! Measures first content, search and live updates with 100,000 instances.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use rollcall_tests::{browser::Browser, grpc, process::Collector, results};
use tokio::task::JoinSet;

const APPLICATIONS: usize = 200;
const INSTANCES: usize = 100_000;
const ROUNDS: usize = 9;

/// The text before the table.
const TEXT: &str = "\
## The console with 100,000 instances

`cargo bench -p rollcall-tests --bench console`, SETUP. The release binary had 100,000 instances of 200 applications, which had
registered over gRPC. Headless Chromium ran on the same machine. A time runs from the start of the navigation, from the last
key, or from the call of the agent, until the rows are in the page; nine rounds each.

| | Median (min – max) |
|---|--:|";

/// Runs all measurements and returns them as a section of `RESULTS.md`.
pub(crate) async fn run() -> String {
    let collector = Collector::options()
        .on_disk()
        .without_listening()
        .release()
        .start()
        .await;
    fill(&collector).await;
    let mut browser = Browser::start().await;
    let base = format!("http://{}/", collector.listeners().ui);
    let row = "document.querySelector('tbody tr')";
    let mut rows = Vec::new();
    for (what, hash) in [
        ("overview, first application shown", ""),
        ("roster, first instance shown", "#/instances"),
        ("one application of 500 instances", "#/applications/-1"),
        (
            "silent and down instances (none)",
            "#/instances?state=silent,down",
        ),
    ] {
        let shown = if what.contains("none") {
            "document.querySelector('main .empty')"
        } else {
            row
        };
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            browser.open(&format!("{base}{hash}")).await;
            let at = browser
                .until(&format!("{shown} && performance.now()"))
                .await;
            times.push(at.as_f64().expect("a time"));
        }
        rows.push((what, times));
    }
    rows.push((
        "search of a part of one name, from the last key",
        search(&mut browser, &base).await,
    ));
    rows.push((
        "live: a new instance appears in a filtered roster",
        live(&mut browser, &collector, &base).await,
    ));
    let heap = browser
        .evaluate("performance.memory.usedJSHeapSize / 1048576")
        .await;
    let elements = browser
        .evaluate("document.querySelectorAll('*').length")
        .await;
    section(
        rows,
        heap.as_f64().unwrap_or_default(),
        elements.as_u64().unwrap_or_default(),
    )
}

/// The table with the text around it.
fn section(rows: Vec<(&str, Vec<f64>)>, heap: f64, elements: u64) -> String {
    let mut text = TEXT.replace("SETUP", &results::setup());
    for (what, mut times) in rows {
        times.sort_by(f64::total_cmp);
        let (least, middle, most) = (times[0], times[times.len() / 2], times[times.len() - 1]);
        let row = format!("\n| {what} | **{middle:.0} ms** ({least:.0} – {most:.0}) |");
        text.push_str(&row);
    }
    let written = write!(
        text,
        "\n\nA search waits 250 ms for the next key. A live update waits 150 ms for further events. The page holds {heap:.1} MiB and\n\
         {elements} elements at the end."
    );
    written.expect("writing to a string");
    text
}

async fn fill(collector: &Collector) {
    let client = collector.grpc().await;
    let mut running = JoinSet::new();
    for at in 0..APPLICATIONS {
        let client = client.clone();
        running.spawn(async move { fill_one(&client, at).await });
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("a caller does not panic");
    }
}

async fn fill_one(client: &grpc::Client, at: usize) {
    let code = format!("application-{at:03}");
    let application = client.application(&code).await.expect("an id");
    for number in 0..INSTANCES / APPLICATIONS {
        let name = format!("{code}-{number:03}.cluster.example");
        client.instance(application, &name).await.expect("an id");
    }
}

async fn search(browser: &mut Browser, base: &str) -> Vec<f64> {
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        browser.open(&format!("{base}#/instances")).await;
        browser
            .until("document.querySelectorAll('tbody tr').length === 100")
            .await;
        let name = format!("application-1{round}7-499");
        browser
            .evaluate("document.querySelector('.filter input[type=search]').focus()")
            .await;
        let (start, last) = name.split_at(name.len() - 1);
        browser.type_text(start).await;
        browser.evaluate("window.begun = performance.now()").await;
        browser.type_text(last).await;
        let found = "document.querySelectorAll('tbody tr').length === 1";
        let took = browser
            .until(&format!("{found} && performance.now() - window.begun"))
            .await;
        times.push(took.as_f64().expect("a time"));
    }
    times
}

async fn live(browser: &mut Browser, collector: &Collector, base: &str) -> Vec<f64> {
    let client = collector.grpc().await;
    let application = client.application("newcomers").await.expect("an id");
    browser
        .open(&format!("{base}#/instances?text=newcomer-"))
        .await;
    browser.shows("No instance matches").await;
    let mut times = Vec::new();
    for round in 1..=ROUNDS {
        // The page shows two changes within a second together, so the changes are kept apart.
        browser.settled(Duration::from_secs(2)).await;
        let begun = Instant::now();
        let name = format!("newcomer-{round}");
        client.instance(application, &name).await.expect("an id");
        let shown = format!("document.querySelectorAll('tbody tr').length === {round}");
        browser.until(&shown).await;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    times
}
