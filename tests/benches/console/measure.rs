//! First content, search and live update with 100,000 instances.

use std::time::{Duration, Instant};

use rollcall_tests::{browser::Browser, grpc, process::Collector};
use tokio::task::JoinSet;

const APPLICATIONS: usize = 200;
const INSTANCES: usize = 100_000;
const ROUNDS: usize = 9;

/// Runs all measurements and prints them.
pub(crate) async fn run() {
    let collector = Collector::options()
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
    println!("| | Median (min – max) |\n|---|--:|");
    for (what, mut times) in rows {
        times.sort_by(f64::total_cmp);
        let (least, middle, most) = (times[0], times[times.len() / 2], times[times.len() - 1]);
        println!("| {what} | **{middle:.0} ms** ({least:.0} – {most:.0}) |");
    }
    let heap = browser
        .evaluate("performance.memory.usedJSHeapSize / 1048576")
        .await;
    let elements = browser
        .evaluate("document.querySelectorAll('*').length")
        .await;
    println!(
        "\nThe page holds {:.1} MiB and {elements} elements at the end.",
        heap.as_f64().unwrap_or_default()
    );
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
        // Two changes within a second are shown together, so each is alone.
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
