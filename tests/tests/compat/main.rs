//! Tests that the faces agree. Each case has one correct answer. It is sent in the form of every generation, over gRPC and over
//! HTTP, each time to a fresh collector. The faces also must not change each other's ids.

mod face;
mod grpc;
mod http;
mod interleavings;
mod v6;
mod v8;

use std::fmt::Debug;

use face::{Face, Name, Reply, Request, Sender};
use rollcall_tests::process::Collector;

const ENTRY: i32 = 0;
const EXIT: i32 = 1;
const LOCAL: i32 = 2;

fn ids<const N: usize>(ids: [(&str, i32); N]) -> Reply {
    Reply::Ids(ids.map(|(key, id)| (key.to_owned(), id)).into())
}

fn names<const N: usize>(names: [(Name, i32); N]) -> Reply {
    Reply::Names(names.into())
}

fn name(application: i32, span_type: i32, name: &str) -> Name {
    Name {
        application,
        span_type,
        name: name.to_owned(),
    }
}

fn applications<const N: usize>(codes: [&str; N]) -> Request {
    Request::Applications(codes.map(str::to_owned).into())
}

fn addresses<const N: usize>(addresses: [&str; N]) -> Request {
    Request::Addresses(addresses.map(str::to_owned).into())
}

fn instance(application: i32, uuid: &str) -> Request {
    Request::Instance {
        application,
        uuid: uuid.to_owned(),
    }
}

/// Sends the requests over each face in turn, each time to a fresh collector, and checks the answers.
async fn agree(steps: &[(Request, Reply)]) {
    for face in Face::ALL {
        let collector = Collector::options().without_listening().start().await;
        let mut client = face.client(&collector).await;
        for (step, (request, right)) in steps.iter().enumerate() {
            if let Some(answer) = client.send(request).await {
                assert_same(&answer, right, (face, step, request));
            }
        }
    }
}

fn assert_same<T: PartialEq + Debug>(answer: &T, right: &T, called: impl Debug) {
    assert_eq!(answer, right, "{called:?}");
}

#[tokio::test]
async fn applications_are_numbered_around_zero_and_keep_their_ids() {
    agree(&[
        (applications(["a", "b"]), ids([("a", -1), ("b", 2)])),
        (applications(["c"]), ids([("c", -2)])),
        (applications(["d", "a"]), ids([("d", 3), ("a", -1)])),
        (applications(["b", "b"]), ids([("b", 2), ("b", 2)])),
    ])
    .await;
}

#[tokio::test]
async fn a_code_is_echoed_byte_for_byte() {
    let codes = [
        " a",
        "a ",
        "A",
        "\u{e9}",
        "e\u{301}",
        "a\"\\\u{0}\n",
        "User",
        "0",
    ];
    let expected = [-1, 2, -2, 3, -3, 4, -4, 5];
    let answers: Vec<_> = codes.iter().map(|c| c.to_string()).zip(expected).collect();
    agree(&[(applications(codes), Reply::Ids(answers))]).await;
}

#[tokio::test]
async fn instances_count_from_one_and_are_identified_by_application_and_uuid() {
    agree(&[
        (applications(["a", "b"]), ids([("a", -1), ("b", 2)])),
        (instance(-1, "u1"), Reply::Instance(-1, 1)),
        (instance(-1, "u2"), Reply::Instance(-1, 2)),
        (instance(2, "u1"), Reply::Instance(2, 3)),
        (instance(-1, "u1"), Reply::Instance(-1, 1)),
    ])
    .await;
}

#[tokio::test]
async fn an_unknown_application_of_an_instance_is_adopted_and_never_assigned() {
    agree(&[
        (instance(-1, "u1"), Reply::Instance(-1, 1)),
        (applications(["a", "b"]), ids([("a", 2), ("b", -2)])),
    ])
    .await;
}

#[tokio::test]
async fn an_unknown_live_instance_is_adopted_and_never_assigned() {
    agree(&[
        (Request::Heartbeat(1), Reply::Done),
        (instance(-1, "u1"), Reply::Instance(-1, 2)),
    ])
    .await;
}

#[tokio::test]
async fn names_are_identified_by_application_side_and_text() {
    let called = |names: &[Name]| Request::Names(names.to_vec());
    agree(&[
        (applications(["a", "b"]), ids([("a", -1), ("b", 2)])),
        (
            called(&[name(-1, ENTRY, "/x"), name(2, ENTRY, "/x")]),
            names([(name(-1, ENTRY, "/x"), -1), (name(2, ENTRY, "/x"), 2)]),
        ),
        (
            called(&[name(2, ENTRY, "/x"), name(2, ENTRY, "/y")]),
            names([(name(2, ENTRY, "/x"), 2), (name(2, ENTRY, "/y"), -2)]),
        ),
        (
            called(&[name(2, EXIT, "/x"), name(2, LOCAL, "/x")]),
            names([(name(2, EXIT, "/x"), 3), (name(2, LOCAL, "/x"), -3)]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn addresses_are_numbered_around_zero_from_minus_one() {
    agree(&[
        (
            addresses(["db:3306", "a:1,b:2", "mq:5672"]),
            ids([("db:3306", -1), ("a:1,b:2", 1), ("mq:5672", 2)]),
        ),
        (
            addresses(["mq:5672", "x:1"]),
            ids([("mq:5672", 2), ("x:1", -2)]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn unusable_keys_are_refused() {
    let no_such_side = name(-1, 9, "/x");
    let no_application = name(0, ENTRY, "/x");
    agree(&[
        (applications([""]), Reply::Refused),
        (instance(0, "u1"), Reply::Refused),
        (instance(-1, ""), Reply::Refused),
        (Request::Heartbeat(0), Reply::Refused),
        (Request::Heartbeat(-7), Reply::Refused),
        (Request::Names(vec![no_such_side]), Reply::Refused),
        (Request::Names(vec![no_application]), Reply::Refused),
        (Request::Names(vec![name(-1, ENTRY, "")]), Reply::Refused),
        (addresses([""]), Reply::Refused),
    ])
    .await;
}

#[tokio::test]
async fn usable_keys_in_a_request_with_unusable_ones_are_answered() {
    agree(&[
        (applications(["a"]), ids([("a", -1)])),
        (
            Request::Names(vec![
                name(-1, ENTRY, ""),
                name(0, ENTRY, "/x"),
                name(-1, ENTRY, "/x"),
            ]),
            names([(name(-1, ENTRY, "/x"), -1)]),
        ),
        (addresses(["", "db:3306"]), ids([("db:3306", -1)])),
    ])
    .await;
}

#[tokio::test]
async fn an_empty_request_has_an_empty_answer() {
    agree(&[
        (Request::Names(Vec::new()), names([])),
        (addresses([]), ids([])),
    ])
    .await;
}

#[tokio::test]
async fn the_ids_of_a_segment_are_adopted_and_never_assigned() {
    let segment = Sender {
        application: -1,
        instance: 1,
        operation: -1,
    };
    agree(&[
        (Request::Segment(segment), Reply::Done),
        (applications(["a"]), ids([("a", 2)])),
        (instance(2, "u1"), Reply::Instance(2, 2)),
        (
            Request::Names(vec![name(2, ENTRY, "/x")]),
            names([(name(2, ENTRY, "/x"), 2)]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_instance_identified_by_names_uses_up_no_id_of_the_sequence() {
    let named = Request::Named {
        service: "a".to_owned(),
        instance: "i1".to_owned(),
    };
    let steps = [
        (named, Reply::Done),
        (applications(["a"]), ids([("a", -1)])),
        (instance(-1, "i1"), Reply::Instance(-1, 1)),
        (instance(-1, "u1"), Reply::Instance(-1, 2)),
    ];
    for by_name in [Face::V8, Face::Http] {
        for by_id in Face::ALL {
            let collector = Collector::options().without_listening().start().await;
            let mut by_name = by_name.client(&collector).await;
            let mut by_id = by_id.client(&collector).await;
            assert_same(
                &by_name.send(&steps[0].0).await,
                &Some(Reply::Done),
                "names",
            );
            for (request, right) in &steps[1..] {
                if let Some(answer) = by_id.send(request).await {
                    assert_same(&answer, right, request);
                }
            }
        }
    }
}

/// Every face returns the same id for a key.
#[tokio::test]
async fn an_id_assigned_over_one_face_is_returned_over_all() {
    let collector = Collector::options().without_listening().start().await;
    let steps = [
        (applications(["a"]), ids([("a", -1)])),
        (instance(-1, "u1"), Reply::Instance(-1, 1)),
        (
            Request::Names(vec![name(-1, ENTRY, "/x")]),
            names([(name(-1, ENTRY, "/x"), -1)]),
        ),
        (addresses(["db:3306"]), ids([("db:3306", -1)])),
    ];
    for face in Face::ALL {
        let mut client = face.client(&collector).await;
        for (request, right) in &steps {
            if let Some(answer) = client.send(request).await {
                assert_same(&answer, right, (face, request));
            }
        }
    }
}
