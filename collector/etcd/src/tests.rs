//! A client whose token is rejected logs in again, once.

use super::{error::OUTDATED, testing::Server, *};

/// etcd's status for a token that is older than a change of users or roles.
fn outdated() -> Status {
    Status::invalid_argument("etcdserver: revision of auth store is old")
}

async fn read(client: &Client) -> Result<RangeResponse, Error> {
    client.range(RangeRequest::default()).await
}

#[tokio::test]
async fn a_call_is_repeated_with_a_new_token() {
    let mut server = Server::start().await;
    let client = server.client();
    let script = async {
        server.admits("1").await;
        let mut latest = 1;
        for status in [outdated(), Status::unauthenticated("invalid auth token")] {
            assert_eq!(server.reads(Err(status)).await, latest.to_string());
            latest += 1;
            server.admits(&latest.to_string()).await;
            let answer = Ok(RangeResponse::default());
            assert_eq!(server.reads(answer).await, latest.to_string());
        }
    };
    let calls = async {
        read(&client).await.unwrap();
        read(&client).await.unwrap();
    };
    tokio::join!(script, calls);
}

#[tokio::test]
async fn a_call_that_a_new_token_does_not_help_is_refused() {
    let mut server = Server::start().await;
    let client = server.client();
    let script = async {
        server.admits("1").await;
        server.reads(Err(outdated())).await;
        server.admits("2").await;
        server.reads(Err(outdated())).await;
    };
    let (answer, ()) = tokio::join!(read(&client), script);
    let refusal = answer.unwrap_err().to_string();
    assert!(refusal.ends_with(OUTDATED), "{refusal}");
}

#[tokio::test]
async fn a_watch_is_repeated_with_a_new_token() {
    let mut server = Server::start().await;
    let client = server.client();
    let script = async {
        server.admits("1").await;
        let watching = server.watches().await;
        assert_eq!(watching.token, "1");
        watching.refused(
            "rpc error: code = InvalidArgument desc = etcdserver: revision of auth store is old",
        );
        server.admits("2").await;
        let watching = server.watches().await;
        assert_eq!(watching.token, "2");
        watching.created(7);
        watching.deliver(9, Vec::new());
        watching
    };
    let watch = client.watch(WatchCreateRequest::default());
    let (watch, _watching) = tokio::join!(watch, script);
    let first = watch.unwrap().next().await.unwrap();
    assert_eq!(first.header.unwrap().revision, 9);
}

#[tokio::test]
async fn a_cancelled_watch_has_ended() {
    let mut server = Server::start().await;
    let client = server.client();
    let script = async {
        server.admits("1").await;
        let watching = server.watches().await;
        watching.created(7);
        watching.cancelled("etcdserver: no leader");
        watching
    };
    let watch = client.watch(WatchCreateRequest::default());
    let (watch, _watching) = tokio::join!(watch, script);
    let ended = watch.unwrap().next().await.unwrap_err().to_string();
    assert!(ended.ends_with("no leader"), "{ended}");
}

#[tokio::test]
async fn a_watch_that_is_not_permitted_is_refused() {
    let mut server = Server::start().await;
    let client = server.client();
    let script = async {
        for token in ["1", "2"] {
            server.admits(token).await;
            server.watches().await.refused("permission denied");
        }
    };
    let watch = client.watch(WatchCreateRequest::default());
    let (watch, ()) = tokio::join!(watch, script);
    let refusal = watch.unwrap_err().to_string();
    assert!(refusal.ends_with("permission denied"), "{refusal}");
}
