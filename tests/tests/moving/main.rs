//! Tests the move from a Java collector with the commands of `collector/docs/operations.md`: the new collector assigns no id of
//! the old collector.

mod java;

use std::process::{Command, Stdio};

use java::{Java, Release};
use rollcall_tests::{PATIENCE, documents, eventually, process::Collector, query::State};
use serde_json::Value;
use tempfile::TempDir;

/// The address of the Java collector in the page's commands.
const JAVA: &str = "java:12800";

/// The fenced blocks of the page's walk-through.
fn walk_through() -> Vec<String> {
    let page = documents::page("collector/docs/operations.md");
    let (_, section) = page
        .split_once("## Moving from a Java collector")
        .expect("the walk-through");
    let (section, _) = section.split_once("\n## ").expect("the next section");
    let blocks = section.split("```").skip(1).step_by(2);
    blocks
        .map(|block| block.trim_start_matches("text").trim().to_owned())
        .collect()
}

/// Runs a command line of the page, and returns its output.
async fn shell(line: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", line]).stderr(Stdio::inherit());
    let ended = tokio::task::spawn_blocking(move || command.output()).await;
    let output = ended.expect("no panic").expect("a shell");
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The id in an answer of a servlet, if there is one.
fn id(answer: &str) -> Option<i64> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let element = answer.get(0).unwrap_or(&answer);
    let id = ["ii", "si", "i"]
        .iter()
        .find_map(|key| element[*key].as_i64());
    id.filter(|id| *id != 0)
}

/// Runs the page's requests against a Java collector, and returns the newest id of each kind.
async fn probes(java: &Java, commands: &str) -> [i64; 3] {
    let mut ids = Vec::new();
    for command in commands.lines().map(str::trim) {
        let command = command.replacen("curl", "curl -sf", 1);
        let command = command.replace(JAVA, &java.address.to_string());
        let id = eventually(PATIENCE, async || {
            let answer = shell(&command).await;
            id(&answer).ok_or(answer)
        });
        ids.push(id.await);
    }
    ids.try_into().expect("three commands that answer ids")
}

/// The first ids in the import command.
fn firsts(import: &str) -> [i64; 4] {
    let words = import.split_whitespace().collect::<Vec<_>>();
    ["application", "instance", "operation", "address"].map(|kind| {
        let option = format!("--first-{kind}-id");
        let place = words.iter().position(|word| *word == option);
        let number = place.and_then(|place| words.get(place + 1)?.parse().ok());
        number.unwrap_or_else(|| panic!("no {option} in {import}"))
    })
}

#[tokio::test]
async fn the_walk_through_assigns_no_id_of_the_java_collector() {
    let [probe, import] = <[String; 2]>::try_from(walk_through()).expect("two blocks");
    let import = import.replace("\\\n", " ");
    let firsts = firsts(&import);
    for release in [Release::V3, Release::V5] {
        let java = Java::start(release).await;
        let last = probes(&java, &probe).await;
        let expected = [java::APPLICATION, java::INSTANCE, java::OPERATION];
        assert_eq!(last, expected.map(i64::from), "{release:?}");
        for (last, first) in last.into_iter().zip(firsts) {
            assert!(last.abs() < first, "{release:?}: {last} and {first}");
        }
    }

    let directory = TempDir::new().unwrap();
    let store = directory.path().join("data");
    let arguments = import
        .split_whitespace()
        .skip_while(|word| *word != "store");
    let imported = arguments.fold(
        Collector::options().data_dir(&store),
        |options, argument| options.argument(argument),
    );
    let imported = imported.run().await;
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);

    let mut collector = Collector::options().data_dir(&store).start().await;
    moves(&collector, firsts).await;
    // The import survives a restart.
    collector.restart().await;
    assigns_beyond(&collector, "after a restart", firsts).await;
}

/// Checks that existing agents keep the ids of the Java collector, even ids that the new collector could have assigned by then, and
/// that new agents get other ids.
async fn moves(collector: &Collector, firsts: [i64; 4]) {
    let client = collector.grpc().await;
    client
        .recover(java::APPLICATION, java::INSTANCE)
        .await
        .unwrap();
    client.heartbeat(2).await.unwrap();
    assigns_beyond(collector, "new", firsts).await;
    for held in [java::INSTANCE, 2] {
        let instance = collector.query().instance(held).await.unwrap();
        assert_eq!(
            (instance.state, instance.adopted),
            (State::Up, true),
            "{held}"
        );
    }
}

/// Registers a name of each kind, with the calls that the walk-through sends to the Java collector, and checks the new ids.
async fn assigns_beyond(collector: &Collector, name: &str, firsts: [i64; 4]) {
    let http = collector.http(collector.listeners().jetty);
    let post = async |path: &str, body: Value| {
        let reply = http.post(path, body.to_string()).await.unwrap();
        let answer = reply.text();
        id(&answer).unwrap_or_else(|| panic!("{path}: {answer}"))
    };
    let application = post("/application/register", serde_json::json!([name])).await;
    let process = serde_json::json!({
        "ai": application, "au": name, "rt": 0,
        "oi": {"osName": "", "hostname": "", "processNo": 0, "ipv4s": []},
    });
    let operation = serde_json::json!([{"ai": application, "sn": name, "st": 0}]);
    let assigned = [
        application,
        post("/instance/register", process).await,
        post("/servicename/discovery", operation).await,
        post("/networkAddress/register", serde_json::json!([name])).await,
    ];
    for (id, first) in assigned.into_iter().zip(firsts) {
        assert!(
            id.abs() >= first,
            "{name} got {assigned:?}, and {id} is below {first}"
        );
    }
}
