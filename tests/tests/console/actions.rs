//! Tests the changes that an operator makes through the console.

use rollcall_tests::browser::Browser;
use serde_json::Value;

use crate::kit::{assert_no_errors, listed, options, page, register, sample};

const INSTANCE: &str = "#/services/public/DEFAULT_GROUP/checkout/DEFAULT/10.0.0.1/80/persistent";

#[tokio::test]
async fn an_instance_is_taken_offline_and_online_after_a_confirmation() {
    let collector = options().start().await;
    register(&collector, "checkout", "10.0.0.1", "").await;
    register(&collector, "checkout", "10.0.0.2", "").await;
    let mut browser = Browser::start().await;
    browser.open(&page(&collector, INSTANCE)).await;
    browser.click("button", "Take offline").await;
    browser.shows("Take 10.0.0.1:80 offline?").await;
    browser
        .until("document.querySelector('dialog').open && document.activeElement.closest('dialog')")
        .await;
    // Escape changes nothing.
    browser.press("Escape").await;
    browser
        .until("document.querySelector('dialog') === null")
        .await;
    assert_eq!(listed(&collector, "checkout").await.len(), 2);

    browser.click("button", "Take offline").await;
    browser.confirm("Take it offline").await;
    browser
        .until("document.querySelector('h1').innerText.includes('offline')")
        .await;
    assert_eq!(listed(&collector, "checkout").await, ["10.0.0.2"]);
    browser.click("button", "Take back online").await;
    browser.confirm("Take it back online").await;
    browser
        .until("document.querySelector('h1').innerText.includes('healthy')")
        .await;
    assert_eq!(listed(&collector, "checkout").await.len(), 2);

    browser.click("button", "Set weight").await;
    browser.fill("[name=weight]", "many").await;
    browser.click("dialog button", "Set the weight").await;
    browser.shows("Enter a number from 0 to 10000.").await;
    browser.fill("[name=weight]", "2.5").await;
    browser.confirm("Set the weight").await;
    browser.shows("2.5 (registered: 1)").await;

    browser.click("button", "Set metadata").await;
    browser.fill("[name=metadata]", "zone=<b>a</b>").await;
    browser.confirm("Set the metadata").await;
    browser.shows("<b>a</b>").await;

    browser.click("button", "Remove the override").await;
    browser.confirm("Remove the override").await;
    browser.shows("nothing set").await;
    browser.click("button", "Deregister").await;
    browser.confirm("Deregister it").await;
    browser
        .until("location.hash === '#/services/public/DEFAULT_GROUP/checkout'")
        .await;
    assert_eq!(listed(&collector, "checkout").await, ["10.0.0.2"]);
    assert_no_errors(&mut browser, &collector).await;
}

#[tokio::test]
async fn a_threshold_is_set_and_a_service_is_deleted_only_without_instances() {
    let collector = options().start().await;
    register(&collector, "checkout", "10.0.0.1", "").await;
    let mut browser = Browser::start().await;
    browser
        .open(&page(
            &collector,
            "#/services/public/DEFAULT_GROUP/checkout",
        ))
        .await;
    browser.click("button", "Set the protect threshold").await;
    browser.fill("[name=threshold]", "0.75").await;
    browser.confirm("Set the threshold").await;
    browser.shows("0.75").await;
    browser.click("button", "Delete the service").await;
    browser.click("dialog button", "Delete it").await;
    browser
        .shows("the service has instances: deregister them first")
        .await;
    browser.confirm("Cancel").await;

    let admin = collector.http(collector.listeners().ui);
    let instance =
        "namespace=public&group=DEFAULT_GROUP&service=checkout&ip=10.0.0.1&port=80&ephemeral=false";
    let path = format!("/api/services/instances?{instance}");
    let removed = admin
        .send(http::Method::DELETE, &path, bytes::Bytes::new())
        .await
        .unwrap();
    assert_eq!(removed.status, 204, "{}", removed.text());
    let again = admin
        .send(http::Method::DELETE, &path, bytes::Bytes::new())
        .await
        .unwrap();
    assert_eq!(again.status, 404, "{}", again.text());
    browser.click("button", "Delete the service").await;
    browser.confirm("Delete it").await;
    browser
        .shows("No Nacos client has registered a service yet.")
        .await;
    assert_no_errors(&mut browser, &collector).await;
}

#[tokio::test]
async fn an_instance_that_is_down_is_forgotten_and_one_that_is_up_is_not() {
    let collector = options().start().await;
    let mut samples = ["orders-1", "orders-2"].map(|name| sample(&collector, "orders", name));
    let admin = collector.http(collector.listeners().ui);
    let mut browser = Browser::start().await;
    browser.open(&page(&collector, "#/instances")).await;
    browser
        .until("document.querySelectorAll('tbody tr').length === 2")
        .await;
    for id in [1, 2] {
        let path = format!("/api/instances/{id}");
        let refused = admin
            .send(http::Method::DELETE, &path, bytes::Bytes::new())
            .await
            .unwrap();
        assert_eq!(refused.status, 409, "{}", refused.text());
    }
    samples[0].kill();
    browser
        .until("[...document.querySelectorAll('tbody tr')].some((row) => row.innerText.includes('down'))")
        .await;
    browser.open(&page(&collector, "#/applications/-1")).await;
    browser.click("button", "Forget instances").await;
    browser.shows("Forget 1 instance of orders?").await;
    browser.confirm("Forget them").await;
    browser
        .until("document.querySelectorAll('tbody tr').length === 1")
        .await;
    let left: Value = admin.get("/api/overview").await.unwrap().json();
    let of = |state: &str| left["agents"][state].as_u64();
    assert_eq!((of("down"), of("left")), (Some(0), Some(0)), "{left:#}");
    assert_no_errors(&mut browser, &collector).await;
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing_and_wrong_input_is_refused() {
    let collector = options().start().await;
    register(&collector, "checkout", "10.0.0.1", "").await;
    let instance = "service=checkout&ip=10.0.0.1&port=80";
    let ui = collector.listeners().ui;
    let foreign = rollcall_tests::nacos::Http::new(ui);
    let headers = [("origin".to_owned(), "http://evil.example".to_owned())].into();
    for (method, path) in [
        (
            "DELETE",
            format!("/api/services/instances?{instance}&ephemeral=false"),
        ),
        (
            "POST",
            format!("/api/services/instances/override?{instance}"),
        ),
        ("DELETE", "/api/services?service=checkout".to_owned()),
        ("DELETE", "/api/instances?state=down".to_owned()),
    ] {
        let refused = foreign.call(method, &path, None, &headers).await.unwrap();
        assert_eq!(refused.status, 403, "{method} {path}: {}", refused.text());
    }
    let admin = collector.http(ui);
    let path = format!("/api/services/instances/override?{instance}");
    for (body, status) in [
        ("", 400),
        ("{}", 400),
        ("[true, null, null]", 400),
        (r#"{"weight": -1}"#, 400),
        (r#"{"weight": 1e9}"#, 400),
        (r#"{"enabled": "no"}"#, 400),
        (r#"{"enable": false}"#, 400),
        (r#"{"enabled": false}"#, 204),
        (
            &format!(r#"{{"metadata": {{"a": "{}"}}}}"#, "b".repeat(9 << 10)),
            400,
        ),
        (
            &format!(r#"{{"metadata": {{"a": "{}"}}}}"#, "b".repeat(80 << 10)),
            413,
        ),
    ] {
        let answer = admin.post(&path, body.to_owned()).await.unwrap();
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    let missing = "/api/services/instances/override?service=checkout&ip=10.0.0.9&port=80";
    let answer = admin.post(missing, r#"{"enabled": false}"#).await.unwrap();
    assert_eq!(answer.status, 404, "{}", answer.text());
}

#[tokio::test]
async fn a_parameter_that_a_list_does_not_use_is_refused() {
    let collector = options().start().await;
    register(&collector, "checkout", "10.0.0.1", "").await;
    let admin = collector.http(collector.listeners().ui);
    let instance = "service=checkout&ip=10.0.0.1&port=80";
    for (query, unused) in [
        ("service=checkout&port=80", "port"),
        ("service=checkout&cluster=DEFAULT", "cluster"),
        ("service=checkout&ephemeral=false", "ephemeral"),
        ("service=checkout&clusters=DEFAULT", "clusters"),
        (&format!("{instance}&as=client"), "ip"),
        ("service=checkout&as=client&ephemeral=false", "ephemeral"),
    ] {
        let path = format!("/api/services/instances?{query}");
        let answer = admin.get(&path).await.unwrap();
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        let answer: Value = answer.json();
        assert_eq!(answer["error"]["field"], unused, "{query}");
    }
    let found: Value = admin
        .get(&format!(
            "/api/services/instances?{instance}&ephemeral=false"
        ))
        .await
        .unwrap()
        .json();
    assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found:#}");
}
