//! Tests the binary as an operator uses it: arguments, exit codes, start and stop.

use std::{fs, net::SocketAddr, path::Path};

use rollcall_tests::{
    PATIENCE, eventually,
    process::{Collector, Options, Run},
};
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const CLEAN: i32 = 0;
const FAILURE: i32 = 1;
const BAD_CONFIGURATION: i32 = 64;

async fn run(arguments: &[&str]) -> Run {
    let options = arguments
        .iter()
        .fold(Collector::options(), |options, argument| {
            options.argument(*argument)
        });
    options.run().await
}

fn write(directory: &Path, text: &str) -> String {
    let path = directory.join("application.yml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A registration that the collector has begun to read, but whose body has not been sent yet.
struct Underway(TcpStream);

const BODY: &[u8] = br#"["orders"]"#;

impl Underway {
    async fn begin(jetty: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(jetty).await.unwrap();
        let head = format!(
            "POST /application/register HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
            BODY.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // A server sends this status only when it is about to read the body.
        let mut interim = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut interim))
            .await
            .unwrap()
            .unwrap();
        assert!(interim.starts_with(b"HTTP/1.1 100"));
        Self(stream)
    }

    async fn finish(mut self) -> String {
        self.0.write_all(BODY).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, self.0.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        answer
    }
}

async fn draining(collector: &Collector, listener: SocketAddr) {
    let address = listener.to_string();
    collector
        .wait_for_log(|line| line.message == "draining" && line.text("address") == Some(&address))
        .await;
}

#[tokio::test]
async fn a_good_configuration_is_confirmed_and_nothing_is_started() {
    let run = run(&["--check"]).await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(CLEAN), ""));
    assert!(!run.stderr.contains("listening"), "{}", run.stderr);
}

#[tokio::test]
async fn every_mistake_in_the_configuration_is_reported_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(
        directory.path(),
        "naming: {jetty: {prot: 1}}\nstorage: {h2: {}}\nui: {jetty: {port: x}}\n",
    );
    for arguments in [vec!["--config", &file, "--check"], vec!["--config", &file]] {
        let run = run(&arguments).await;
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (Some(BAD_CONFIGURATION), "")
        );
        for mistake in [
            "naming.jetty.prot: unknown key; did you mean port?",
            "storage.h2: ",
            "SW_STORAGE=embedded",
        ] {
            assert!(
                run.stderr.contains(&format!("{file}: ")) && run.stderr.contains(mistake),
                "{}",
                run.stderr
            );
        }
    }
}

#[tokio::test]
async fn a_bad_command_line_is_a_bad_configuration() {
    for arguments in [
        &["--confg", "x"][..],
        &["--config", "/no/such/file"],
        &["--log-level", "a=b=c"],
        &["--check", "--print-config"],
        &["--check", "members"],
    ] {
        let run = run(arguments).await;
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (Some(BAD_CONFIGURATION), ""),
            "{}",
            run.stderr
        );
        assert!(!run.stderr.is_empty());
    }
}

#[tokio::test]
async fn help_and_version_go_to_standard_output() {
    for (argument, expected) in [
        ("--help", "--data-dir <DIR>"),
        ("--version", env!("CARGO_PKG_VERSION")),
    ] {
        let run = run(&[argument]).await;
        assert_eq!(run.code, Some(CLEAN));
        assert!(run.stdout.contains(expected), "{}", run.stdout);
    }
}

#[tokio::test]
async fn the_printed_configuration_is_valid() {
    let directory = tempfile::tempdir().unwrap();
    let printed = Collector::options()
        .argument("--print-config")
        .env("SW_NAMING_JETTY_CONTEXT_PATH", "/roll")
        .run()
        .await;
    assert_eq!(printed.code, Some(CLEAN));
    assert!(printed.stdout.contains("/roll"), "{}", printed.stdout);
    let file = write(directory.path(), &printed.stdout);
    let again = Collector::options()
        .argument("--config")
        .argument(file)
        .argument("--print-config");
    let data = printed
        .stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("path: "))
        .unwrap()
        .trim_matches('"');
    let again = again.data_dir(data).run().await;
    assert_eq!(again.stdout, printed.stdout);
}

#[tokio::test]
async fn modules_without_a_part_are_named_in_one_warning() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(
        directory.path(),
        "cache: {caffeine: }\nanalysis_jvm: {default: }\n",
    );
    let run = run(&["--config", &file, "--check"]).await;
    assert_eq!(run.code, Some(CLEAN));
    let warnings: Vec<&str> = run
        .stderr
        .lines()
        .filter(|line| line.contains("WARN"))
        .collect();
    assert_eq!(warnings.len(), 1, "{}", run.stderr);
    assert!(
        warnings[0].contains("analysis_jvm, cache"),
        "{}",
        warnings[0]
    );
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = Collector::options()
        .env("SW_NAMING_JETTY_PORT", &port)
        .run()
        .await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(FAILURE), ""));
    assert!(
        run.stderr.contains(&format!(
            "another program uses the port of naming.jetty: stop it, or set another port (SW_NAMING_JETTY_PORT): cannot listen on \
             127.0.0.1 port {port}: Address already in use"
        )),
        "{}",
        run.stderr
    );
}

#[tokio::test]
async fn sigterm_and_sigint_stop_a_collector_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut collector = Collector::start().await;
        collector.signal(signal);
        assert_eq!(collector.exit().await.code(), Some(CLEAN));
        assert!(collector.log().iter().any(|line| line.message == "stopped"));
    }
}

#[tokio::test]
async fn a_request_in_progress_is_completed_before_the_end() {
    let mut collector = Collector::start().await;
    let jetty = collector.listeners().jetty;
    let request = Underway::begin(jetty).await;
    collector.signal(Signal::TERM);
    draining(&collector, jetty).await;
    // The collector accepts no new connections, and completes the open request.
    eventually(PATIENCE, async || match TcpStream::connect(jetty).await {
        Ok(_) => Err("still accepting"),
        Err(_) => Ok(()),
    })
    .await;
    let answer = request.finish().await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("orders"),
        "{answer}"
    );
    assert_eq!(collector.exit().await.code(), Some(CLEAN));
}

fn patient() -> Options {
    Collector::options().env("SW_SERVER_SHUTDOWN_GRACE", "1h")
}

#[tokio::test]
async fn a_later_signal_ends_it_at_once() {
    for second in [Signal::TERM, Signal::INT] {
        let mut collector = patient().start().await;
        collector.expect_log("again: stopping at once");
        let jetty = collector.listeners().jetty;
        let never_finished = Underway::begin(jetty).await;
        collector.signal(Signal::TERM);
        draining(&collector, jetty).await;
        eventually(PATIENCE, async || {
            collector.signal(second);
            let log = collector.log();
            let is = |text: &str| log.iter().any(|line| line.message.contains(text));
            match is("again: stopping at once") {
                true => Ok(()),
                false => Err(log.len()),
            }
        })
        .await;
        drop(never_finished);
        assert_eq!(collector.exit().await.code(), Some(FAILURE));
    }
}

/// Some init systems and wrappers send two signals at once.
#[tokio::test]
async fn two_signals_at_once_stop_it_cleanly() {
    for [first, second] in [[Signal::TERM, Signal::INT], [Signal::INT, Signal::TERM]] {
        let mut collector = patient().start().await;
        let jetty = collector.listeners().jetty;
        let request = Underway::begin(jetty).await;
        collector.signal(first);
        collector.signal(second);
        draining(&collector, jetty).await;
        collector
            .wait_for_log(|line| line.message.starts_with("signal within one second"))
            .await;
        let answer = request.finish().await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(collector.exit().await.code(), Some(CLEAN));
    }
}

#[tokio::test]
async fn a_hangup_is_logged_and_does_not_stop_the_collector() {
    let mut collector = Collector::start().await;
    collector.signal(Signal::HUP);
    collector
        .wait_for_log(|line| {
            line.message
                .starts_with("SIGHUP: nothing is read again, because TLS is off")
        })
        .await;
    let probe = collector.http(collector.listeners().ui);
    assert_eq!(probe.get("/readyz").await.unwrap().status, 200);
    assert_eq!(collector.terminate().await.code(), Some(CLEAN));
}

#[tokio::test]
async fn requiring_a_token_over_one_protocol_only_is_a_warning() {
    for (variable, unset) in [
        ("SW_AUTHENTICATION", "agent_jetty.jetty.authentication"),
        (
            "SW_AGENT_JETTY_AUTHENTICATION",
            "agent_gRPC.gRPC.authentication",
        ),
    ] {
        let options = Collector::options().argument("--check");
        let run = options.env(variable, "s3cret").run().await;
        assert_eq!(run.code, Some(CLEAN), "{}", run.stderr);
        let warning = format!("{unset} does not: every peer");
        assert!(run.stderr.contains(&warning), "{}", run.stderr);
    }
}

#[tokio::test]
async fn a_request_that_never_ends_is_aborted_and_does_not_prevent_a_clean_end() {
    let mut collector = Collector::options()
        .env("SW_SERVER_SHUTDOWN_GRACE", "100ms")
        .start()
        .await;
    let _never_finished = Underway::begin(collector.listeners().jetty).await;
    assert_eq!(collector.terminate().await.code(), Some(CLEAN));
}

#[tokio::test]
async fn the_collector_recovers_from_running_out_of_files() {
    let mut collector = Collector::options().ulimit("-n 64").start().await;
    collector.expect_log("leaves room for fewer connections");
    collector.expect_log("no room for more connections");
    let ui = collector.listeners().ui;
    let mut connections = Vec::new();
    for _ in 0..100 {
        connections.push(TcpStream::connect(ui).await.unwrap());
    }
    collector
        .wait_for_log(|line| line.message.contains("no room for more connections"))
        .await;
    let client = collector.http(ui);
    assert_eq!(client.get("/livez").await.unwrap().status, 200);
    drop(connections);
    eventually(PATIENCE, async || {
        client.get("/livez").await.and_then(|reply| {
            if reply.status == 200 {
                Ok(())
            } else {
                Err(reply.text())
            }
        })
    })
    .await;
    assert_eq!(collector.terminate().await.code(), Some(CLEAN));
}
