//! Tests the console of a collector that requires a credential.

use bytes::Bytes;
use http::Method;
use rollcall_tests::browser::Browser;

use crate::kit::{assert_no_errors, listed, options, page, register, sample};

const TOKEN: &str = "a-token-for-this-test";

async fn sign_in(browser: &mut Browser, token: &str) {
    browser.fill("[name=secret]", token).await;
    browser.click("button", "Sign in").await;
}

#[tokio::test]
async fn the_console_requests_the_token_once_and_sends_it_with_every_call() {
    let collector = options().env("SW_UI_JETTY_TOKEN", TOKEN).start().await;
    let _sample = sample(&collector, "orders", "orders-1");
    register(&collector, "checkout", "10.0.0.1", "").await;
    let mut browser = Browser::start().await;
    browser.open(&page(&collector, "")).await;
    browser
        .shows("This collector requires its admin credential.")
        .await;
    sign_in(&mut browser, "wrong").await;
    browser.shows("does not accept this credential").await;
    sign_in(&mut browser, TOKEN).await;
    browser.shows("orders").await;
    browser
        .until("document.querySelector('.live').innerText === 'live'")
        .await;

    // The tab keeps the token, so a change does not ask for the token again.
    let instance = "#/services/public/DEFAULT_GROUP/checkout/DEFAULT/10.0.0.1/80/persistent";
    browser.open(&page(&collector, instance)).await;
    browser.click("button", "Take offline").await;
    browser.confirm("Take it offline").await;
    browser
        .until("document.querySelector('h1').innerText.includes('offline')")
        .await;
    assert!(listed(&collector, "checkout").await.is_empty());

    let mut other = Browser::start().await;
    other.open(&page(&collector, "#/headroom")).await;
    other
        .shows("This collector requires its admin credential.")
        .await;
    browser.click("button", "Sign out").await;
    browser
        .shows("This collector requires its admin credential.")
        .await;
    assert_no_errors(&mut browser, &collector).await;
    assert_no_errors(&mut other, &collector).await;
}

#[tokio::test]
async fn nothing_is_read_or_changed_without_the_token() {
    let collector = options().env("SW_UI_JETTY_TOKEN", TOKEN).start().await;
    let admin = collector.http(collector.listeners().ui);
    let instance = "service=checkout&ip=10.0.0.1&port=80";
    for (method, path) in [
        (Method::GET, "/api/overview".to_owned()),
        (Method::GET, "/api/history".to_owned()),
        (Method::GET, "/api/headroom".to_owned()),
        (Method::GET, "/api/naming".to_owned()),
        (Method::GET, "/api/services".to_owned()),
        (
            Method::GET,
            "/api/services/detail?service=checkout".to_owned(),
        ),
        (
            Method::GET,
            "/api/services/instances?service=checkout".to_owned(),
        ),
        (
            Method::GET,
            "/api/services/subscribers?service=checkout".to_owned(),
        ),
        (Method::GET, "/api/namespaces".to_owned()),
        (
            Method::POST,
            format!("/api/services/instances/override?{instance}"),
        ),
        (
            Method::DELETE,
            format!("/api/services/instances/override?{instance}"),
        ),
        (
            Method::DELETE,
            format!("/api/services/instances?{instance}"),
        ),
        (
            Method::POST,
            "/api/services/threshold?service=checkout".to_owned(),
        ),
        (Method::DELETE, "/api/services?service=checkout".to_owned()),
        (Method::DELETE, "/api/instances/1".to_owned()),
        (Method::DELETE, "/api/instances".to_owned()),
    ] {
        let answer = admin
            .send(method.clone(), &path, Bytes::new())
            .await
            .unwrap();
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text());
    }
    for path in [
        "/",
        "/console/console.js",
        "/console/console.css",
        "/console/icon.svg",
        "/readyz",
    ] {
        let answer = admin.get(path).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
}
