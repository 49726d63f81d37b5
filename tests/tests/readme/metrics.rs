//! Tests that `collector/docs/metrics.md` lists every metric with its type and meaning.

use std::{collections::BTreeSet, fmt::Write as _};

use rollcall_tests::{
    cluster::Cluster,
    documents,
    process::{Collector, Options},
};

const BEGIN: &str = "<!-- metrics: begin (a test compares this with running collectors) -->";
const END: &str = "<!-- metrics: end -->";

/// The rows of the metrics in an exposition.
fn rows(exposition: &str) -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    let mut help = String::new();
    for line in exposition.lines() {
        if let Some(text) = line.strip_prefix("# HELP ") {
            let (_, text) = text.split_once(' ').unwrap_or_default();
            text.trim_end_matches('.').clone_into(&mut help);
        } else if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|text| text.split_once(' '))
        {
            let suffix = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            rows.insert(format!("| `{name}{suffix}` | {kind} | {help} |"));
        }
    }
    rows
}

fn table(rows: BTreeSet<String>) -> String {
    let mut table = "| Metric | Type | Meaning |\n|---|---|---|".to_owned();
    for row in rows {
        write!(table, "\n{row}").expect("writing to a string");
    }
    table
}

/// Some metrics exist only in a cluster, or if agents need a token.
fn with_token() -> Options {
    let options = Collector::options().env("SW_AUTHENTICATION", "t0ken");
    options.env("SW_AGENT_JETTY_AUTHENTICATION", "t0ken")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_lists_every_metric() {
    let alone = Collector::start().await;
    let cluster = Cluster::start_with(1, with_token).await;
    let mut all = BTreeSet::new();
    for collector in [&alone, &cluster.members[0].collector] {
        let admin = collector.http(collector.listeners().ui);
        all.extend(rows(&admin.get("/metrics").await.unwrap().text()));
    }
    let expected = table(all);
    let page = documents::page("collector/docs/metrics.md");
    let found = page
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END))
        .map(|(found, _)| found.trim());
    assert_eq!(
        found,
        Some(&*expected),
        "collector/docs/metrics.md should have:\n{expected}"
    );
}
