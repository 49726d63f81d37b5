//! Tests the commands that query a running collector: `roster`, `members`, `watch`.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    process::{Command, Output, Stdio},
    time::Duration,
};

use rollcall_tests::{
    PATIENCE, eventually, nacos,
    process::{Child, Collector, Run, collector_binary, free_addresses},
};
use serde_json::Value;

const UP: i32 = 0;
const NOT_UP: i32 = 1;
const NOTHING: i32 = 3;
const NO_ANSWER: i32 = 4;
const BAD_USAGE: i32 = 64;

/// An application code that tries to clear the terminal and to write a second line.
const EVIL: &str = "ord\u{9b}2Jers\n\x1b[2J";

async fn query(collector: &Collector, arguments: &[&str]) -> Run {
    let url = format!("http://{}", collector.listeners().ui);
    query_at(&url, arguments).await
}

async fn query_at(url: &str, arguments: &[&str]) -> Run {
    let options = Collector::options().env("ROLLCALL_URL", url);
    let arguments = arguments.iter();
    let options = arguments.fold(options, |options, argument| options.argument(*argument));
    options.run().await
}

fn objects(run: &Run) -> Vec<Value> {
    let lines = run.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A collector with two instances: one of `orders`, and one of an application with a hostile name.
async fn two_applications() -> Collector {
    let collector = Collector::start().await;
    let agent = collector.grpc().await;
    for (code, uuid) in [("orders", "NAME:orders-1"), (EVIL, "b")] {
        let application = agent.application(code).await.unwrap();
        agent.instance(application, uuid).await.unwrap();
    }
    collector
}

#[tokio::test]
async fn a_roster_has_a_line_for_each_instance_without_terminal_control_characters() {
    let collector = two_applications().await;
    let run = query(&collector, &["roster"]).await;
    assert_eq!(run.code, Some(UP), "{run:?}");
    let [title, first, second] = &run.stdout.lines().collect::<Vec<_>>()[..] else {
        panic!("a title and two instances: {run:?}")
    };
    assert!(
        title.starts_with("APPLICATION") && title.ends_with("ID"),
        "{title}"
    );
    let column = |name| title.find(name).unwrap();
    assert_eq!(first.find("orders-1"), Some(column("INSTANCE")), "{first}");
    assert_eq!(first.find(" up "), Some(column("STATE") - 1), "{first}");
    assert!(second.starts_with(r"ord\u{9b}2Jers\n\u{1b}[2J"), "{second}");
    assert!(!run.stdout.contains(['\x1b', '\u{9b}']), "{run:?}");

    let run = query(&collector, &["roster", "--json"]).await;
    assert!(!run.stdout.contains(['\x1b', '\u{9b}']), "{run:?}");
    let [first, second] = &objects(&run)[..] else {
        panic!("two instances: {run:?}")
    };
    assert_eq!(first["application"], "orders");
    assert_eq!(
        (&second["application"], &second["uuid"]),
        (&EVIL.into(), &"b".into())
    );
}

#[tokio::test]
async fn a_roster_can_be_filtered_by_application_state_or_time() {
    let collector = two_applications().await;
    let names = async |arguments: &[&str]| {
        let run = query(&collector, &[&["roster", "--json"], arguments].concat()).await;
        let names = objects(&run).into_iter().map(|it| it["uuid"].to_string());
        (run.code, names.collect::<Vec<_>>().join(" "))
    };
    let orders = "\"NAME:orders-1\"".to_owned();
    let both = format!("{orders} \"b\"");
    for (arguments, code, expected) in [
        (&["--application", "orders"][..], UP, orders.clone()),
        (&["--application", "-1"], UP, orders),
        (&["--application", EVIL], UP, "\"b\"".to_owned()),
        (&["--application", "stock"], NOTHING, String::new()),
        (&["--application", "unknown"], NOTHING, String::new()),
        (&["--state", "down,left"], NOTHING, String::new()),
        (&["--state", "up,silent"], UP, both.clone()),
        (&["--since", "1h"], UP, both),
        (&["--since", "2100-01-01T00:00:00Z"], NOTHING, String::new()),
    ] {
        assert_eq!(
            names(arguments).await,
            (Some(code), expected),
            "{arguments:?}"
        );
    }
    let run = query(&collector, &["roster", "--state", "dead"]).await;
    assert_eq!(run.code, Some(BAD_USAGE), "{run:?}");
    assert!(run.stderr.contains("up, silent, down, left"), "{run:?}");
}

#[tokio::test]
async fn the_exit_code_shows_that_an_instance_is_not_up() {
    let options = Collector::options().terms(Duration::from_secs(1), Duration::from_secs(2));
    let collector = options.start().await;
    let agent = collector.grpc().await;
    let application = agent.application("orders").await.unwrap();
    agent.instance(application, "a").await.unwrap();
    eventually(PATIENCE, async || {
        let run = query(&collector, &["roster"]).await;
        let is_down = run.code == Some(NOT_UP) && run.stdout.contains(" down ");
        is_down.then_some(()).ok_or(run)
    })
    .await;
}

#[tokio::test]
async fn a_collector_is_found_by_argument_environment_and_configuration() {
    let collector = Collector::start().await;
    let ui = collector.listeners().ui;
    let options = Collector::options().argument("members").argument("--url");
    let run = options.argument(ui.to_string()).run().await;
    assert_eq!(run.code, Some(UP), "{run:?}");
    let options = Collector::options().argument("members");
    let options = options.env("SW_UI_JETTY_PORT", ui.port().to_string());
    let options = options.env("SW_UI_JETTY_ALLOW_ANONYMOUS", "true");
    let run = options.env("SW_UI_JETTY_HOST", "0.0.0.0").run().await;
    assert_eq!(run.code, Some(UP), "{run:?}");

    let run = query(&collector, &["members", "--json"]).await;
    let [member] = &objects(&run)[..] else {
        panic!("one collector: {run:?}")
    };
    assert_eq!(
        (&member["state"], &member["self"]),
        (&"serving".into(), &true.into())
    );
}

#[tokio::test]
async fn a_query_without_an_answer_states_the_reason() {
    let [free] = free_addresses();
    let closed = format!("http://{free}");
    let run = query_at(&closed, &["roster"]).await;
    assert_eq!(run.code, Some(NO_ANSWER), "{run:?}");
    assert!(
        run.stderr.contains(&closed) && run.stderr.contains("refused"),
        "{run:?}"
    );

    let collector = Collector::start().await;
    let naming = format!("http://{}", collector.listeners().naming);
    let run = query_at(&naming, &["roster"]).await;
    assert_eq!(run.code, Some(NO_ANSWER), "{run:?}");
    assert!(run.stderr.contains("admin listener"), "{run:?}");

    for (url, why) in [
        ("ftp://a", "scheme"),
        ("http://", "HOST"),
        ("http://a:99999", "port"),
        ("http://::1:12800", "brackets"),
        ("http://t@a", "ROLLCALL_TOKEN"),
    ] {
        let run = query_at(url, &["roster"]).await;
        assert_eq!(run.code, Some(BAD_USAGE), "{run:?}");
        assert!(run.stderr.contains(why), "{run:?}");
    }
    let run = Collector::options().argument("members").run().await;
    assert_eq!(
        run.code,
        Some(BAD_USAGE),
        "port 0 is not an address: {run:?}"
    );
    assert!(run.stderr.contains("--url"), "{run:?}");
}

#[tokio::test]
async fn watch_prints_events_as_they_happen_and_survives_a_restart() {
    let mut collector = Collector::start().await;
    let mut command = Command::new(collector_binary());
    let url = format!("http://{}", collector.listeners().ui);
    command.args(["watch", "--json", "--url", &url]);
    let watch = Child::spawn("watch", command.env_remove("RUST_LOG"));
    let registered = async |code: &str, uuid: &str| {
        let agent = collector.grpc().await;
        let application = agent.application(code).await.unwrap();
        agent.instance(application, uuid).await.unwrap()
    };
    // The feed begins when the command has connected, so the test registers instances until one is printed.
    let mut count = 0;
    eventually(PATIENCE, async || {
        count += 1;
        registered("orders", &format!("a{count}")).await;
        let lines = watch.stdout.so_far();
        let is_printed = lines.iter().any(|line| line.contains("registered"));
        is_printed.then_some(()).ok_or(lines)
    })
    .await;

    collector.restart().await;
    let agent = collector.grpc().await;
    let application = agent.application("orders").await.unwrap();
    let last = agent.instance(application, "after").await.unwrap();
    let printed = watch.stdout.find(PATIENCE, |lines| {
        let events = lines
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        events
            .into_iter()
            .find(|event| event["instance_id"] == last || event["subject"]["id"] == last)
    });
    printed.await.expect("the event after the restart");
}

#[tokio::test]
async fn why_explains_an_application_an_instance_or_an_id() {
    let options = Collector::options().terms(Duration::from_secs(1), Duration::from_secs(2));
    let collector = options.start().await;
    let agent = collector.grpc().await;
    let application = agent.application("orders").await.unwrap();
    let instance = agent.instance(application, "NAME:orders-1").await.unwrap();
    let id = instance.to_string();
    for what in ["orders", "orders-1", "NAME:orders-1", &id] {
        let run = eventually(PATIENCE, async || {
            let run = query(&collector, &["why", what]).await;
            let is_down = run.code == Some(NOT_UP) && run.stdout.contains("down since");
            if is_down { Ok(run) } else { Err(run) }
        })
        .await;
        let named = format!("orders / orders-1 on test, pid 1 (id {id}): down since");
        assert!(run.stdout.contains(&named), "{what}: {run:?}");
        assert!(run.stdout.contains("registration"), "{what}: {run:?}");
    }
    let run = query(&collector, &["why", "orders"]).await;
    assert!(
        run.stdout.starts_with("application orders: 1 down\n"),
        "{run:?}"
    );
    let run = query(&collector, &["why", "--json", &id]).await;
    let [explained] = &objects(&run)[..] else {
        panic!("one instance: {run:?}")
    };
    assert_eq!(explained["instance"]["id"], instance);
}

#[tokio::test]
async fn why_finds_an_instance_that_is_up_and_reports_an_empty_result() {
    let collector = two_applications().await;
    for what in ["orders", "orders-1", EVIL] {
        let run = query(&collector, &["why", what]).await;
        assert_eq!(run.code, Some(UP), "{run:?}");
        assert!(!run.stdout.contains(['\x1b', '\u{9b}']), "{run:?}");
    }
    for nothing in ["stock", "-1", "99", ""] {
        let run = query(&collector, &["why", nothing]).await;
        assert_eq!(run.code, Some(NOTHING), "{nothing}: {run:?}");
        let named = format!(
            "nothing was found: no application, instance or service has the name or id {nothing:?}"
        );
        assert!(run.stderr.contains(&named), "{run:?}");
    }
}

#[tokio::test]
async fn why_explains_a_service_and_an_endpoint() {
    let (collector, faces) = nacos::collector(Collector::options()).await;
    let nacos = collector.http(faces.http);
    // No client sends beats for these instances, so their term is long.
    let term = "metadata=%7B%22preserved.heart.beat.timeout%22%3A%22600000%22%7D";
    for (ip, enabled) in [("10.0.0.1", true), ("10.0.0.2", false)] {
        let path = format!(
            "/nacos/v1/ns/instance?serviceName=stock&ip={ip}&port=80&enabled={enabled}&{term}"
        );
        let reply = nacos.post(&path, "").await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let run = query(&collector, &["why", "stock"]).await;
    assert_eq!(run.code, Some(NOT_UP), "{run:?}");
    let title = "service public/DEFAULT_GROUP@@stock: 2 instances, 2 healthy\n";
    assert!(run.stdout.starts_with(title), "{run:?}");
    assert!(!run.stdout.contains("10.0.0.1"), "{run:?}");
    let offline = "10.0.0.2:80 of public/DEFAULT_GROUP@@stock (cluster DEFAULT): offline";
    assert!(run.stdout.contains(offline), "{run:?}");

    let run = query(&collector, &["why", "public/DEFAULT_GROUP@@stock"]).await;
    assert!(run.stdout.starts_with(title), "{run:?}");

    let run = query(&collector, &["why", "10.0.0.1:80"]).await;
    assert_eq!(run.code, Some(UP), "{run:?}");
    assert!(run.stdout.contains("(cluster DEFAULT): up"), "{run:?}");
    let run = query(&collector, &["why", "--json", "10.0.0.2:80"]).await;
    assert_eq!(objects(&run)[0]["instance"]["ip"], "10.0.0.2", "{run:?}");
    for nothing in [
        "10.0.0.1:81",
        "OTHER@@stock",
        "other/DEFAULT_GROUP@@stock",
        "sto",
        ":1",
    ] {
        let run = query(&collector, &["why", nothing]).await;
        assert_eq!(run.code, Some(NOTHING), "{nothing}: {run:?}");
    }
}

/// Runs a command without a collector, with its standard output as `stdout`.
fn run_into(stdout: impl Into<Stdio>, arguments: &[&str]) -> Output {
    let mut command = Command::new(collector_binary());
    command.args(arguments).env_clear();
    command.stdout(stdout).stderr(Stdio::piped());
    command.output().unwrap()
}

#[test]
fn a_reader_that_leaves_early_is_no_failure_and_a_full_disk_is_one() {
    for arguments in [
        &["--help"][..],
        &["man"],
        &["completions", "bash"],
        &["--print-config"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let run = run_into(writer, arguments);
        assert_eq!(run.status.code(), Some(0), "{arguments:?}: {run:?}");
        assert_eq!(run.stderr, b"", "{arguments:?}: {run:?}");
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let run = run_into(full.unwrap(), arguments);
        assert_eq!(run.status.code(), Some(1), "{arguments:?}: {run:?}");
        let message = String::from_utf8(run.stderr).unwrap();
        assert!(
            message.contains("standard output"),
            "{arguments:?}: {message}"
        );
    }
}

#[test]
fn a_variable_that_is_not_utf_8_is_not_ignored() {
    for name in ["ROLLCALL_URL", "ROLLCALL_TOKEN"] {
        let mut command = Command::new(collector_binary());
        command.arg("roster").env_clear();
        let run = command.env(name, OsStr::from_bytes(b"t\xff")).output();
        let run = run.unwrap();
        assert_eq!(run.status.code(), Some(BAD_USAGE), "{run:?}");
        let message = String::from_utf8(run.stderr).unwrap();
        assert!(
            message.contains(name) && message.contains("UTF-8"),
            "{message}"
        );
    }
}
