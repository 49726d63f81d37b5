//! Helpers that the scenarios share: a collector with samples and services, and checks of a browser at its console.

use std::{collections::BTreeSet, process::Command, time::Duration};

use rollcall_tests::{
    PATIENCE,
    browser::Browser,
    eventually,
    process::{Child, Collector, Options, collector_binary},
};

/// Terms that are short enough for a test. A sample sends a heartbeat once a second.
pub(crate) const SILENT: Duration = Duration::from_secs(4);
pub(crate) const DOWN: Duration = Duration::from_secs(8);

/// The options of a collector whose instances soon become silent and down.
pub(crate) fn options() -> Options {
    Collector::options().terms(SILENT, DOWN).without_listening()
}

/// A process with an agent that sends a heartbeat once a second.
pub(crate) fn sample(collector: &Collector, code: &str, name: &str) -> Child {
    let naming = collector.listeners().naming;
    let mut command = Command::new(collector_binary());
    command.args(["sample", code, name, &naming.to_string()]);
    Child::spawn(format!("sample {name}"), &mut command)
}

/// Registers a persistent instance of a service, which stays until it is deregistered.
pub(crate) async fn register(collector: &Collector, service: &str, ip: &str, more: &str) {
    let client = collector.http(collector.nacos().await);
    let path = format!(
        "/nacos/v1/ns/instance?serviceName={service}&ip={ip}&port=80&ephemeral=false{more}"
    );
    eventually(PATIENCE, async || match client.post(&path, "").await {
        Ok(reply) if reply.status == 200 => Ok(()),
        other => Err(other.map(|reply| reply.text())),
    })
    .await;
}

/// The IP addresses of the instances of a service, as clients receive them.
pub(crate) async fn listed(collector: &Collector, service: &str) -> Vec<String> {
    let client = collector.http(collector.nacos().await);
    let path = format!("/nacos/v1/ns/instance/list?serviceName={service}");
    let list: serde_json::Value = client.get(&path).await.unwrap().json();
    let hosts = list["hosts"].as_array().unwrap();
    hosts
        .iter()
        .map(|host| host["ip"].as_str().unwrap().to_owned())
        .collect()
}

/// The URL of a page of the console.
pub(crate) fn page(collector: &Collector, hash: &str) -> String {
    format!("http://{}/{hash}", collector.listeners().ui)
}

/// Checks that the pages reported no error, and that the browser sent requests to the collector only.
pub(crate) async fn assert_no_errors(browser: &mut Browser, collector: &Collector) {
    let (complaints, origins) = browser.complaints().await;
    assert!(complaints.is_empty(), "{complaints:#?}");
    let own = format!("http://{}", collector.listeners().ui);
    assert_eq!(origins, BTreeSet::from([own]));
}
