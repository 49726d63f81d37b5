//! Makes a collector push over UDP, as the recorded servers did, and compares the datagrams.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use rollcall_tests::nacos::Http;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    compare::{differences, normalise},
    table::Finding,
};

/// The timeout of the push.
const PUSH: Duration = Duration::from_secs(5);

/// The datagram that each server sent after the first registration of an instance of a service.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Push {
    id: String,
    answers: BTreeMap<String, String>,
}

/// Subscribes, registers an instance, and returns the differences between the received datagram and the recorded ones.
pub(crate) async fn replay(server: SocketAddr, push: &Push) -> Vec<Finding> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(PUSH)).expect("a read timeout");
    let port = socket.local_addr().expect("a bound address").port();
    let http = Http::new(server);
    let client = BTreeMap::from([(
        "User-Agent".to_owned(),
        "Nacos-Java-Client:v1.4.2".to_owned(),
    )]);
    for (method, target) in [
        (
            "GET",
            format!(
                "/list?serviceName=tm.1.push&clusters=&udpPort={port}&clientIP=127.0.0.1&healthyOnly=false"
            ),
        ),
        (
            "POST",
            "?serviceName=tm.1.push&ip=10.8.1.1&port=80".to_owned(),
        ),
    ] {
        let target = format!("/nacos/v1/ns/instance{target}");
        let reply = http.call(method, &target, None, &client).await;
        let reply = reply.expect("a reply");
        assert!(reply.status.is_success(), "{target}: {}", reply.text());
    }
    let mut buffer = [0; 65_536];
    let received = tokio::task::spawn_blocking(move || {
        let (length, sender) = socket.recv_from(&mut buffer).expect("a push");
        let ours = content(
            std::str::from_utf8(&buffer[..length]).expect("a short push is not compressed"),
        );
        let acknowledgement =
            json!({"type": "push-ack", "lastRefTime": ours.1, "data": ""}).to_string();
        socket
            .send_to(acknowledgement.as_bytes(), sender)
            .expect("sending an acknowledgement");
        ours.0
    });
    let ours = received.await.expect("a push");
    let mut findings = Vec::new();
    for (server, theirs) in &push.answers {
        let mut found = Vec::new();
        differences("", Some(&content(theirs).0), Some(&ours), &mut found);
        findings.extend(found.into_iter().map(|difference| Finding {
            call: push.id.clone(),
            server: server.clone(),
            difference,
        }));
    }
    findings
}

/// The content of a push with its list parsed, and the number that the acknowledgement repeats.
fn content(text: &str) -> (Value, Value) {
    let parse = |text: &str| -> Value {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let mut push = parse(text);
    let number = push["lastRefTime"].clone();
    push["data"] = parse(push["data"].as_str().expect("a list"));
    (normalise(push), number)
}
