//! Tests concurrent requests: each key gets exactly one id, and the ids are those of the specified sequences.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_tests::{grpc, http, key::Dictionary, process::Collector};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const CALLERS: usize = 16;
/// The number of new applications. The other dictionaries use the same writer, so they get fewer requests.
const APPLICATIONS: usize = 2_000;
const OTHERS: usize = 400;

/// The id of the application of all instances and operations. It is the first application, so its id is known.
const APPLICATION: i32 = -1;

/// A client that requests ids. Every second client uses HTTP.
enum Caller {
    Grpc(grpc::Client),
    Http(Box<http::Client>),
}

impl Caller {
    async fn new(number: usize, collector: &Collector) -> Self {
        match number % 2 {
            0 => Self::Grpc(collector.grpc().await),
            _ => Self::Http(Box::new(collector.http(collector.listeners().jetty))),
        }
    }

    async fn id(&self, dictionary: Dictionary, key: &str) -> i32 {
        match self {
            Self::Grpc(client) => match dictionary {
                Dictionary::Applications => client.application(key).await.unwrap(),
                Dictionary::Instances => client.instance(APPLICATION, key).await.unwrap(),
                Dictionary::Operations => {
                    only(client.operations(APPLICATION, &[key]).await.unwrap(), key)
                }
                Dictionary::Addresses => only(client.addresses(&[key]).await.unwrap(), key),
            },
            Self::Http(client) => match dictionary {
                Dictionary::Applications => {
                    let reply = post(client, "/application/register", json!([key])).await;
                    id(&reply, &json!([{"c": key, "i": reply[0]["i"]}]), "/0/i")
                }
                Dictionary::Instances => {
                    let request = json!({"ai": APPLICATION, "au": key, "rt": 1_538_800_000_000_i64, "oi": {}});
                    let reply = post(client, "/instance/register", request).await;
                    id(
                        &reply,
                        &json!({"ai": APPLICATION, "ii": reply["ii"]}),
                        "/ii",
                    )
                }
                Dictionary::Operations => {
                    let element = json!({"ai": APPLICATION, "sn": key, "st": 0});
                    let reply = post(client, "/servicename/discovery", json!([element])).await;
                    id(
                        &reply,
                        &json!([{"si": reply[0]["si"], "el": element}]),
                        "/0/si",
                    )
                }
                Dictionary::Addresses => {
                    let reply = post(client, "/networkAddress/register", json!([key])).await;
                    id(&reply, &json!([{"i": reply[0]["i"], "n": key}]), "/0/i")
                }
            },
        }
    }
}

async fn post(client: &http::Client, path: &str, request: Value) -> Value {
    let reply = client.post(path, request.to_string()).await.unwrap();
    assert_eq!(
        reply.status,
        200,
        "{path}: {:?} {}",
        reply.headers,
        reply.text()
    );
    reply.json()
}

/// The id at `place` in a reply that has exactly the form of `expected`.
fn id(reply: &Value, expected: &Value, place: &str) -> i32 {
    assert_eq!(reply, expected);
    let id = reply.pointer(place).and_then(Value::as_i64).expect("an id");
    i32::try_from(id).expect("an id of 32 bits")
}

fn only(mappings: Vec<(String, i32)>, key: &str) -> i32 {
    let [(echo, id)] = mappings.as_slice() else {
        panic!("not one mapping for {key}: {mappings:?}")
    };
    assert_eq!(echo, key);
    *id
}

/// Requests the ids of these keys, one after the other.
async fn register(
    caller: &Caller,
    dictionary: Dictionary,
    keys: impl Iterator<Item = usize>,
) -> BTreeMap<String, i32> {
    let mut answers = BTreeMap::new();
    for key in keys.map(|number| format!("key-{number}")) {
        let id = caller.id(dictionary, &key).await;
        answers.insert(key, id);
    }
    answers
}

/// Lets all callers request every key concurrently, each from a different start, and returns their common answers.
async fn register_concurrently(
    collector: &Collector,
    dictionary: Dictionary,
    keys: usize,
) -> BTreeMap<String, i32> {
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let caller = Caller::new(number, collector).await;
        callers.spawn(async move {
            let begin = number * keys / CALLERS;
            register(&caller, dictionary, (begin..keys).chain(0..begin)).await
        });
    }
    let answers = callers.join_all().await;
    for other in &answers[1..] {
        assert_eq!(&answers[0], other);
    }
    answers
        .into_iter()
        .next()
        .expect("an answer of the first caller")
}

/// Runs [`register_concurrently`], requests the keys again after a restart, and compares the assigned ids with the sequence.
async fn ids_agree_and_are_in_sequence(dictionary: Dictionary) {
    let mut collector = Collector::start().await;
    if !matches!(dictionary, Dictionary::Applications) {
        assert_eq!(
            collector.grpc().await.application("orders").await.unwrap(),
            APPLICATION
        );
    }
    let keys = match dictionary {
        Dictionary::Applications => APPLICATIONS,
        Dictionary::Instances | Dictionary::Operations | Dictionary::Addresses => OTHERS,
    };
    let answers = register_concurrently(&collector, dictionary, keys).await;
    assert_eq!(
        answers.values().copied().collect::<BTreeSet<_>>(),
        dictionary.sequence().take(keys).collect()
    );
    collector.restart().await;
    let caller = Caller::new(0, &collector).await;
    assert_eq!(register(&caller, dictionary, 0..keys).await, answers);
}

#[tokio::test(flavor = "multi_thread")]
async fn application_ids_are_unique_and_dense_except_for_the_reserved_one() {
    ids_agree_and_are_in_sequence(Dictionary::Applications).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instance_ids_are_unique_and_count_from_one() {
    ids_agree_and_are_in_sequence(Dictionary::Instances).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operation_ids_are_unique_and_dense_except_for_the_reserved_one() {
    ids_agree_and_are_in_sequence(Dictionary::Operations).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn address_ids_are_unique_and_dense() {
    ids_agree_and_are_in_sequence(Dictionary::Addresses).await;
}
