//! Tests the contents of the pages, their updates and their accessibility.

use std::{fs, time::Instant};

use hyper::{Method, body::Bytes};
use rollcall_tests::{browser::Browser, console, process::Collector};
use rustix::process::Signal;
use serde_json::json;

use crate::kit::{DOWN, assert_no_errors, options, page, register, sample};

#[tokio::test]
async fn a_killed_instance_is_shown_down_without_a_reload_with_a_reason_that_names_the_connection()
{
    let collector = options().start().await;
    let mut samples = ["orders-1", "orders-2"].map(|name| sample(&collector, "orders", name));
    let mut browser = Browser::start().await;
    browser.open(&page(&collector, "")).await;
    browser.shows("orders").await;
    browser.until("[...document.querySelectorAll('tbody tr')].some((row) => /orders\\s+2\\s+0\\s+0\\s+0/.test(row.innerText))").await;
    browser.evaluate("window.mark = 'not reloaded'").await;

    browser.click("tbody a", "orders").await;
    browser
        .until("document.querySelectorAll('tbody tr').length === 2")
        .await;
    browser.click("tbody a", "orders-1").await;
    browser
        .until("document.querySelector('h1').innerText.includes('up')")
        .await;
    let killed = Instant::now();
    samples[0].kill();
    browser
        .until("document.querySelector('h1').innerText.includes('silent')")
        .await;
    browser
        .until("document.querySelector('h1').innerText.includes('down')")
        .await;
    // The sweep, the feed and the page take far less time than another term, even on a busy machine.
    assert!(killed.elapsed() < 3 * DOWN, "{:?}", killed.elapsed());
    let why = browser
        .evaluate("document.querySelector('.why').innerText")
        .await;
    let why = why.as_str().unwrap();
    assert!(
        why.contains("connection") && why.contains("closed") | why.contains("reset"),
        "{why}"
    );

    browser.evaluate("history.back()").await;
    browser.until("[...document.querySelectorAll('tbody tr')].filter((row) => row.innerText.includes('down')).length === 1").await;
    assert_eq!(browser.evaluate("window.mark").await, json!("not reloaded"));
    assert_no_errors(&mut browser, &collector).await;
}

#[tokio::test]
async fn filters_are_in_the_address_and_a_shared_address_shows_the_same_list() {
    let collector = options().start().await;
    let _samples = [
        ("orders", "orders-1"),
        ("orders", "orders-2"),
        ("stock", "stock-1"),
    ]
    .map(|(code, name)| sample(&collector, code, name));
    let mut browser = Browser::start().await;
    browser.open(&page(&collector, "#/instances")).await;
    browser
        .until("document.querySelectorAll('tbody tr').length === 3")
        .await;
    browser
        .until("document.querySelector('.filter input[type=search]')?.focus() === undefined && document.activeElement.type === 'search'")
        .await;
    browser.type_text("ORDERS-2").await;
    browser.until("location.href.endsWith('ORDERS-2')").await;
    browser
        .until("document.querySelectorAll('tbody tr').length === 1")
        .await;
    let address = browser.evaluate("location.href").await;
    let address = address.as_str().unwrap();
    assert!(address.ends_with("#/instances?text=ORDERS-2"), "{address}");

    let mut other = Browser::start().await;
    other.open(address).await;
    other
        .until("document.querySelectorAll('tbody tr').length === 1")
        .await;
    other.shows("orders-2").await;
    other
        .open(&page(&collector, "#/instances?state=down"))
        .await;
    other.shows("No instance matches these filters.").await;
    assert_no_errors(&mut other, &collector).await;
    assert_no_errors(&mut browser, &collector).await;
}

#[tokio::test]
async fn two_filters_that_change_together_are_both_kept() {
    let collector = options().start().await;
    let mut browser = Browser::start().await;
    browser.open(&page(&collector, "#/instances")).await;
    browser
        .until("document.querySelectorAll('.filters input[type=search]').length === 2")
        .await;
    // Both texts change before the timer of either text expires.
    browser
        .evaluate(
            "[...document.querySelectorAll('.filters input[type=search]')].forEach((input, at) => {
                input.value = `typed-${at}`;
                input.dispatchEvent(new Event('input', { bubbles: true }));
            })",
        )
        .await;
    browser
        .until("location.hash === '#/instances?text=typed-0&host=typed-1'")
        .await;
    assert_no_errors(&mut browser, &collector).await;
}

#[tokio::test]
async fn a_service_event_has_its_own_label_and_is_announced() {
    let collector = options().start().await;
    let mut browser = Browser::start().await;
    browser.open(&page(&collector, "#/events")).await;
    browser
        .until("document.querySelector('.live').innerText === 'live'")
        .await;
    let client = collector.http(collector.nacos().await);
    let metadata = "%7B%22preserved.heart.beat.timeout%22%3A%221000%22%7D";
    let path =
        format!("/nacos/v1/ns/instance?serviceName=orders&ip=10.0.0.1&port=80&metadata={metadata}");
    let registered = client.post(&path, "").await.unwrap();
    assert_eq!(registered.status, 200, "{}", registered.text());
    for kind in ["registered", "unhealthy"] {
        browser
            .until(&format!(
                "[...document.querySelectorAll('.events .badge')].some((it) => it.innerText.endsWith('{kind}'))"
            ))
            .await;
    }
    browser
        .until("/unhealthy/.test(document.querySelector('p.hidden[role=status]').textContent)")
        .await;
    assert_no_errors(&mut browser, &collector).await;
}

#[tokio::test]
async fn an_instance_without_a_beat_is_not_shown_with_one() {
    const NONE: &str = "none since it was registered";
    let collector = options().start().await;
    let client = collector.http(collector.nacos().await);
    let patient = "%7B%22preserved.heart.beat.timeout%22%3A%22600000%22%2C%22preserved.ip.delete.timeout%22%3A%22900000%22%7D";
    let path =
        format!("/nacos/v1/ns/instance?serviceName=orders&ip=10.0.0.1&port=80&metadata={patient}");
    assert_eq!(client.post(&path, "").await.unwrap().status, 200);
    let mut browser = Browser::start().await;
    let pages = ["", "/DEFAULT/10.0.0.1/80/ephemeral"].map(|end| {
        page(
            &collector,
            &format!("#/services/public/DEFAULT_GROUP/orders{end}"),
        )
    });
    for page in &pages {
        browser.open(page).await;
        browser.shows(NONE).await;
    }
    let beat = "/nacos/v1/ns/instance/beat?serviceName=orders&ip=10.0.0.1&port=80";
    let beaten = client.send(Method::PUT, beat, Bytes::new()).await.unwrap();
    assert_eq!(beaten.status, 200, "{}", beaten.text());
    for page in &pages {
        browser.open(page).await;
        browser.shows("10.0.0.1:80").await;
        browser.hides(NONE).await;
    }
    assert_no_errors(&mut browser, &collector).await;
}

#[tokio::test]
async fn a_reason_can_be_reached_from_the_overview_by_keyboard_alone() {
    let collector = options().start().await;
    let _sample = sample(&collector, "orders", "orders-1");
    let mut browser = Browser::start().await;
    browser.open(&page(&collector, "")).await;
    browser.shows("orders").await;
    browser.press("/").await;
    browser.type_text("orders-1").await;
    browser.press("Enter").await;
    browser.shows("Instances that match").await;
    browser.until("document.activeElement.id === 'main'").await;
    browser.tab_to("orders-1").await;
    browser.press("Enter").await;
    browser.shows("Up: the last signal was").await;
    browser.tab_to("Instances").await;
    browser.press("Enter").await;
    browser.until("location.hash === '#/instances'").await;
    assert_no_errors(&mut browser, &collector).await;
}

#[tokio::test]
async fn hostile_names_are_shown_as_text() {
    let collector = options().start().await;
    let code = "<img src=x onerror=\"window.hacked=1\">";
    let name = "</script><script>window.hacked=1</script>";
    let _sample = sample(&collector, code, name);
    let metadata = "%7B%22a%22%3A%22%3Csvg%20onload%3Dwindow.hacked%3D1%3E%22%7D";
    register(
        &collector,
        "a%3Cb%3Ec",
        "10.0.0.1",
        &format!("&metadata={metadata}"),
    )
    .await;
    let mut browser = Browser::start().await;
    for (hash, shown) in [
        ("", code),
        ("#/instances", name),
        ("#/instances/1", name),
        ("#/search?text=%3Cimg", code),
        ("#/services", "a<b>c"),
        (
            "#/services/public/DEFAULT_GROUP/a%3Cb%3Ec/DEFAULT/10.0.0.1/80/persistent",
            "<svg onload=window.hacked=1>",
        ),
        ("#/%3Cscript%3E", "No such page"),
        (
            "#/instances?text=%22%3E%3Cimg%20src%3Dx%3E",
            "No instance matches",
        ),
    ] {
        browser.open(&page(&collector, hash)).await;
        browser.shows(shown).await;
    }
    assert_eq!(
        browser
            .evaluate("window.hacked === undefined && document.images.length === 0")
            .await,
        json!(true)
    );
    assert_no_errors(&mut browser, &collector).await;
}

#[tokio::test]
async fn the_console_shows_that_the_collector_stops_and_returns() {
    let mut collector = options().start().await;
    let mut browser = Browser::start().await;
    browser.open(&page(&collector, "")).await;
    browser.shows("No agent has registered yet.").await;
    browser
        .until("document.querySelector('.live').innerText === 'live'")
        .await;
    collector.signal(Signal::TERM);
    collector.exit().await;
    browser.shows("connection lost").await;
    browser.shows("The collector does not answer.").await;
    collector.restart().await;
    browser
        .until("document.querySelector('.live').innerText === 'live'")
        .await;
    browser.hides("The collector does not answer.").await;
}

/// Every kind of page: its name for messages, and its address.
async fn every_page(collector: &Collector) -> Vec<(&'static str, &'static str)> {
    let _listening = collector.nacos().await;
    vec![
        ("overview", ""),
        ("instances", "#/instances"),
        ("application", "#/applications/-1"),
        ("instance", "#/instances/1"),
        ("search", "#/search?text=orders"),
        ("services", "#/services"),
        ("service", "#/services/public/DEFAULT_GROUP/checkout"),
        (
            "service-as-clients-see-it",
            "#/services/public/DEFAULT_GROUP/checkout?tab=clients",
        ),
        (
            "subscribers",
            "#/services/public/DEFAULT_GROUP/checkout?tab=subscribers",
        ),
        (
            "service-instance",
            "#/services/public/DEFAULT_GROUP/checkout/DEFAULT/10.0.0.1/80/persistent",
        ),
        ("naming", "#/naming"),
        ("members", "#/members"),
        ("headroom", "#/headroom"),
        ("changes", "#/events"),
    ]
}

#[tokio::test]
async fn no_page_has_a_serious_violation_of_accessibility_rules() {
    let collector = options().start().await;
    let _samples = ["orders-1", "orders-2"].map(|name| sample(&collector, "orders", name));
    register(&collector, "checkout", "10.0.0.1", "&weight=2").await;
    let axe = console::installed().join("node_modules/axe-core/axe.min.js");
    let axe = fs::read_to_string(axe).unwrap();
    let mut browser = Browser::start().await;
    for scheme in ["light", "dark"] {
        browser.scheme(scheme).await;
        for (name, hash) in every_page(&collector).await {
            browser.open(&page(&collector, hash)).await;
            browser
                .until("document.querySelector('main h1') && !document.querySelector('.loading')")
                .await;
            browser.evaluate(&format!("{axe};0")).await;
            let found = browser
                .evaluate(
                    "axe.run(document).then((result) => result.violations
                        .filter(({ impact }) => ['serious', 'critical'].includes(impact))
                        .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(' | ')}`))",
                )
                .await;
            assert_eq!(found, json!([]), "{name}, {scheme}");
        }
    }
    assert_no_errors(&mut browser, &collector).await;
}
