use std::time::Duration;

use rollcall_tests::{PATIENCE, eventually, process::Collector};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// What the event feed sent since the start, as text, once it contains `wanted`.
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
    let found = tokio::time::timeout(Duration::from_secs(30), read).await;
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(found.is_ok(), "no {wanted} in {text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_fall_silent_together_are_one_event_and_one_line() {
    let mut collector = Collector::options()
        .terms(Duration::from_secs(2), Duration::from_secs(60))
        .env("SW_TIMELINE_MASS_WINDOW", "1s")
        .start()
        .await;
    collector.expect_log("many instances fell silent at once");
    let client = collector.grpc().await;
    let orders = client.application("orders").await.unwrap();
    let stock = client.application("stock").await.unwrap();
    let mut alive = Vec::new();
    for number in 0..42 {
        let instance = client
            .instance(orders, &format!("o{number}"))
            .await
            .unwrap();
        if number < 2 {
            alive.push(instance);
        }
    }
    for number in 0..60 {
        alive.push(client.instance(stock, &format!("s{number}")).await.unwrap());
    }
    let beat = async {
        loop {
            for instance in &alive {
                client.heartbeat(*instance).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let text = tokio::select! {
        text = feed(&collector, "mass_silence") => text,
        () = beat => unreachable!(),
    };
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
    let down = collector.query().instance(alive[0]).await.unwrap();
    assert_eq!(
        down.state,
        rollcall_tests::query::State::Up,
        "marking stays honest"
    );
}
