use std::{fs, time::Duration};

use rollcall_proto::goodbye::{AgentClient, LeaveRequest};
use rollcall_tests::{PATIENCE, eventually, http::Client, process::Collector};
use serde_json::Value;

async fn timeline(client: &Client, instance: i32) -> Value {
    let path = format!("/api/instances/{instance}/timeline");
    client.get(&path).await.unwrap().json()
}

fn numbers(shown: &Value) -> Vec<u64> {
    let events = shown["events"].as_array().expect("events");
    events
        .iter()
        .map(|it| it["number"].as_u64().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_survives_a_kill_a_torn_journal_and_names_with_line_breaks() {
    let mut collector = Collector::start().await;
    let client = collector.grpc().await;
    let name = "ord\ners\r\n\u{2028}<b>";
    let application = client.application(name).await.unwrap();
    let instance = client.instance(application, "pro\ncess").await.unwrap();
    client.heartbeat(instance).await.unwrap();
    drop(client);
    let directory = collector.data_dir().join("events");
    let journal = directory.join("agents.log");
    // Waits until the end of the connection is written, because a kill loses the events of the last 20 ms.
    eventually(PATIENCE, async || {
        let text = fs::read_to_string(&journal).unwrap_or_default();
        let lines = text.lines().count();
        text.contains("connection_closed")
            .then_some(())
            .ok_or(format!("{lines} lines"))
    })
    .await;
    let ui = |collector: &Collector| collector.http(collector.listeners().ui);
    let before = timeline(&ui(&collector), instance).await;
    let first = numbers(&before);
    assert_eq!(before["lost"], 0, "{before:#}");
    for event in before["events"].as_array().unwrap() {
        let text = event["text"].as_str().unwrap();
        assert!(
            !text.chars().any(|c| c.is_control() || c == '\u{2028}'),
            "{text:?}"
        );
    }
    assert_eq!(before["events"][0]["subject"]["application"], name);
    collector.kill();

    // Damages the journal: one file gets a torn end, and another file consists of unreadable lines.
    let whole = fs::read(&journal).unwrap();
    fs::write(&journal, [&whole[..], b"0bad0bad {\"n\":"].concat()).unwrap();
    fs::write(directory.join("services.old.log"), b"junk\nmore junk").unwrap();
    collector.expect_log("unreadable lines");
    collector.restart().await;

    let client = collector.grpc().await;
    client.heartbeat(instance).await.unwrap();
    client.recover(application, instance).await.unwrap();
    let after = eventually(PATIENCE, async || {
        let shown = timeline(&ui(&collector), instance).await;
        match numbers(&shown).len() > first.len() {
            true => Ok(shown),
            false => Err(format!("{shown:#}")),
        }
    })
    .await;
    let second = numbers(&after);
    assert_eq!(second[..first.len()], first[..], "{after:#}");
    assert!(second[first.len()] > *first.last().unwrap());
    let kinds: Vec<_> = after["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["kind"])
        .collect();
    assert_eq!(
        kinds,
        ["registered", "connection_closed", "recovered"],
        "{after:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_collectors_never_write_the_same_journal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events");
    let path = path.to_str().unwrap();
    let options = || Collector::options().env("SW_TIMELINE_JOURNAL_PATH", path);
    let mut first = options().start().await;
    let mut second = options().start().await;
    second.expect_log("events are kept in memory only");
    let line = second
        .wait_for_log(|line| line.message.contains("kept in memory only"))
        .await;
    let error = line.text("error").unwrap();
    let holder = format!("process id {} uses it", first.id());
    for part in [path, &holder, "timeline.default.journal_path"] {
        assert!(error.contains(part), "no `{part}` in: {error}");
    }
    // The second collector still records its events in memory, and the first collector's journal has none of them.
    let client = second.grpc().await;
    let application = client.application("orders").await.unwrap();
    let instance = client.instance(application, "process").await.unwrap();
    let reply = timeline(&second.http(second.listeners().ui), instance).await;
    assert_eq!(reply["events"][0]["kind"], "registered", "{reply:#}");
    first.terminate().await;
    let journal = fs::read_to_string(directory.path().join("events/agents.log")).unwrap();
    assert!(!journal.contains("registered"), "{journal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_journal_loses_only_the_history() {
    let mut collector = Collector::start().await;
    collector.kill();
    let journal = collector.data_dir().join("events");
    fs::remove_dir_all(&journal).unwrap();
    fs::write(&journal, b"a file in its place").unwrap();
    collector.expect_log("events are kept in memory only");
    collector.restart().await;
    let client = collector.grpc().await;
    let application = client.application("orders").await.unwrap();
    let instance = client.instance(application, "process").await.unwrap();
    let shown = timeline(&collector.http(collector.listeners().ui), instance).await;
    assert_eq!(shown["events"][0]["kind"], "registered", "{shown:#}");
}

/// After a restart the end was dated by the term after the last stored signal, and the event by the sweep that found it.
#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_collector_dates_an_end_as_its_event() {
    let terms = [Duration::from_secs(1), Duration::from_secs(2)];
    let options = Collector::options()
        .terms(terms[0], terms[1])
        .env("SW_LIVENESS_TICK", "1s");
    let mut collector = options.start().await;
    let ui = collector.http(collector.listeners().ui);
    let client = collector.grpc().await;
    let application = client.application("orders").await.unwrap();
    let down = client.instance(application, "killed").await.unwrap();
    let left = client.instance(application, "stopped").await.unwrap();
    let goodbye = LeaveRequest {
        application_id: application,
        application_instance_id: left,
        agent_uuid: "stopped".to_owned(),
        reason: String::new(),
    };
    let mut agent = AgentClient::new(client.channel.clone());
    agent.leave(goodbye).await.unwrap();
    let ends = async || {
        let mut ends = Vec::new();
        for (instance, kind) in [(down, "down"), (left, "left")] {
            let shown = timeline(&ui, instance).await;
            let events = shown["events"].as_array().unwrap();
            let end = events.iter().rev().find(|it| it["kind"] == kind);
            let Some(end) = end.filter(|_| shown["instance"]["state"] == kind) else {
                return Err(format!("{shown:#}"));
            };
            let (at, why) = (end["time"].as_str().unwrap(), shown["why"].as_str());
            assert_eq!(shown["instance"]["since"], at, "{shown:#}");
            assert!(why.unwrap().contains(at), "{shown:#}");
            ends.push(at.to_owned());
        }
        Ok(ends)
    };
    let before = eventually(PATIENCE, async || ends().await).await;
    assert_eq!(collector.terminate().await.code(), Some(0));
    collector.restart().await;
    assert_eq!(ends().await.unwrap(), before);
}
