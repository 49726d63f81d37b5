//! Tests that the README lists every metric with its type and meaning.

use std::fmt::Write as _;

use rollcall_tests::process::Collector;

use crate::blocks;

const BEGIN: &str = "<!-- metrics: begin (a test compares this with a running collector) -->";
const END: &str = "<!-- metrics: end -->";

/// The table of the metrics in an exposition.
fn table(exposition: &str) -> String {
    let mut rows = Vec::new();
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
            rows.push(format!("| `{name}{suffix}` | {kind} | {help} |"));
        }
    }
    rows.sort();
    let mut table = "| Metric | Type | Meaning |\n|---|---|---|".to_owned();
    for row in rows {
        write!(table, "\n{row}").expect("writing to a string");
    }
    table
}

#[tokio::test]
async fn the_readme_lists_every_metric() {
    let collector = Collector::start().await;
    let admin = collector.http(collector.listeners().ui);
    let expected = table(&admin.get("/metrics").await.unwrap().text());
    let page = blocks::page();
    let found = page
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END))
        .map(|(found, _)| found.trim());
    assert_eq!(
        found,
        Some(&*expected),
        "the README should have:\n{expected}"
    );
}
