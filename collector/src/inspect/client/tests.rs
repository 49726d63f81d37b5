use std::sync::Arc;

use axum::Router;
use axum::extract::RawQuery;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use rollcall_secret::Secret;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::cli::inspect::{Since, Target, Watch};
use crate::inspect::output::Output;
use crate::inspect::watch;

/// A client of a server with these routes, and the task that serves them.
async fn client(routes: Router) -> (Client, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut served = JoinSet::new();
    served.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(routes.clone());
            connections
                .spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    let server = Server {
        url,
        authorization: Secret::default(),
        ca_file: None,
        identity: None,
    };
    let connector = Connector::new(None, None).unwrap();
    (Client::new(server, connector), served)
}

async fn numbers(routes: Router) -> Result<Vec<Value>, Error> {
    let (client, _served) = client(routes).await;
    let mut all = Vec::new();
    let take = |number| {
        all.push(number);
        Ok(())
    };
    client.list("/list", "", take).await.map(|()| all)
}

/// The first page is followed by the page of the first cursor, and so on; the last page has the last cursor.
fn pages(cursors: &'static [&'static str]) -> Router {
    let answer = move |RawQuery(query): RawQuery| async move {
        let query = query.unwrap_or_default();
        let cursor = query.split_once("&cursor=").map(|(_, cursor)| cursor);
        let page = cursor.map_or(0, |cursor| {
            1 + cursors.iter().position(|known| *known == cursor).unwrap()
        });
        let next = cursors.get(page).copied();
        serde_json::json!({"items": [page], "next": next}).to_string()
    };
    Router::new().route("/list", get(answer))
}

#[tokio::test]
async fn a_list_is_read_to_its_last_page() {
    assert_eq!(numbers(pages(&[])).await.unwrap(), [0]);
    assert_eq!(numbers(pages(&["a", "b"])).await.unwrap(), [0, 1, 2]);
}

#[tokio::test]
async fn a_list_whose_cursors_repeat_is_an_error() {
    for cursors in [&["a", "a"][..], &["a", "b", "c", "a"]] {
        let error = numbers(pages(cursors)).await.unwrap_err().to_string();
        assert!(error.contains("the list has no end"), "{error}");
    }
}

#[tokio::test]
async fn a_watch_begins_by_the_clock_of_the_collector() {
    const DATE_THERE: &str = "Thu, 26 Nov 2026 12:00:00 GMT";
    let asked = Arc::new(Mutex::new(String::new()));
    let asking = Arc::clone(&asked);
    let feed = move |RawQuery(query): RawQuery| async move {
        *asking.lock() = query.unwrap_or_default();
        StatusCode::SERVICE_UNAVAILABLE
    };
    let probe = || async { ([(DATE, DATE_THERE)], "ok") };
    let routes = Router::new()
        .route("/livez", get(probe))
        .route("/api/events", get(feed));
    let (client, _served) = client(routes).await;
    let watch = Watch {
        since: Some(Since::Ago(Duration::from_secs(1800))),
        target: Target {
            url: None,
            token: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
            json: true,
        },
    };
    let mut output = Output::new(true, true);
    watch::print(&watch, &client, &mut output)
        .await
        .unwrap_err();
    assert_eq!(*asked.lock(), "since=2026-11-26T11%3A30%3A00Z");
}
