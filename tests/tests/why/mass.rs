use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use rollcall_tests::{PATIENCE, eventually, process::Collector, query::State};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Reads the event feed from the start until its text contains `wanted`, and returns the text.
async fn feed(collector: &Collector, wanted: &str) -> String {
    let ui = collector.listeners().ui;
    let mut stream = TcpStream::connect(ui).await.unwrap();
    let request =
        format!("GET /api/events?since=2000-01-01T00:00:00Z HTTP/1.1\r\nhost: {ui}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    let read = async {
        let mut buffer = vec![0; 65_536];
        while !String::from_utf8_lossy(&text).contains(wanted) {
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the feed ended");
            text.extend_from_slice(&buffer[..read]);
        }
    };
    let found = tokio::time::timeout(PATIENCE, read).await;
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(found.is_ok(), "no {wanted} in {text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_become_silent_together_cause_one_event_and_one_log_line() {
    let mut collector = Collector::options()
        .terms(Duration::from_secs(4), Duration::from_secs(60))
        .env("SW_TIMELINE_MASS_WINDOW", "1s")
        .start()
        .await;
    collector.expect_log("many instances fell silent at once");
    let client = collector.grpc().await;
    let orders = client.application("orders").await.unwrap();
    let stock = client.application("stock").await.unwrap();
    let beating = Mutex::new(Vec::new());
    // All instances send heartbeats from their registration on, because 102 registrations may take longer than a term.
    let beat = async {
        loop {
            let instances = beating.lock().clone();
            let beats = instances.iter().map(|instance| client.heartbeat(*instance));
            join_all(beats).await.into_iter().for_each(Result::unwrap);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let scenario = async {
        let (mut silent, mut alive) = (Vec::new(), Vec::new());
        for number in 0..102 {
            let (application, list) = match number {
                0..40 => (orders, &mut silent),
                40..42 => (orders, &mut alive),
                _ => (stock, &mut alive),
            };
            let name = format!("i{number}");
            let instance = client.instance(application, &name).await.unwrap();
            list.push(instance);
            beating.lock().push(instance);
        }
        beating.lock().retain(|instance| !silent.contains(instance));
        // The other instances still send heartbeats.
        let text = feed(&collector, "mass_silence").await;
        let state = collector.query().instance(alive[0]).await.unwrap().state;
        (text, state)
    };
    let (text, state) = tokio::select! {
        done = scenario => done,
        () = beat => unreachable!(),
    };
    assert_eq!(
        state,
        State::Up,
        "an instance that sends heartbeats is not up"
    );
    let line = text.lines().find(|it| it.contains("mass_silence")).unwrap();
    assert!(line.contains("40 of 42 instances of orders"), "{line}");
    assert!(line.contains(r#""suspects_itself":false"#), "{line}");
    let warnings = eventually(PATIENCE, async || {
        let log = collector.log();
        let mut lines = log
            .into_iter()
            .filter(|it| it.message.contains("fell silent at once"));
        let first = lines.next().ok_or("no line")?;
        Ok::<_, String>((first, lines.count()))
    })
    .await;
    assert_eq!(warnings.1, 0, "one line: {warnings:?}");
}
