//! The contract of an exchange, on etcd and in memory.

use std::time::Duration;

use rollcall_etcd::{
    proto::{RangeRequest, TxnRequest},
    request::{end_of, put as put_key},
    testing::{PATIENCE, Process},
};
use tokio::time::timeout;

use crate::{
    etcd::Published,
    exchange::{Entry, Exchange, MOST_CHANGES, News},
    memory::Board,
};

fn entry(member: &str, key: &str, value: Option<&str>) -> Entry {
    Entry {
        member: member.to_owned(),
        key: key.to_owned(),
        value: value.map(|value| value.as_bytes().to_vec()),
    }
}

fn change(key: &str, value: Option<&str>) -> (String, Option<Vec<u8>>) {
    (key.to_owned(), value.map(|value| value.as_bytes().to_vec()))
}

async fn next(exchange: &dyn Exchange) -> News {
    let news = timeout(PATIENCE, exchange.next()).await;
    news.expect("news").unwrap()
}

/// The next `count` changes.
async fn changes(exchange: &dyn Exchange, count: usize) -> Vec<Entry> {
    let mut all = Vec::new();
    while all.len() < count {
        match next(exchange).await {
            News::Changes(changes) => all.extend(changes),
            news => panic!("not changes: {news:?}"),
        }
    }
    all
}

async fn keeps_the_contract(one: &dyn Exchange, other: &dyn Exchange) {
    assert_eq!(next(one).await, News::All(Vec::new()));
    let written = [change("i/a", Some("1")), change("i/b/c", Some("2"))];
    one.publish(&written).await.unwrap();
    let all = [
        entry("one:1", "i/a", Some("1")),
        entry("one:1", "i/b/c", Some("2")),
    ];
    // The first news are all entries; this process reads its own entries too.
    assert_eq!(next(other).await, News::All(all.to_vec()));
    assert_eq!(changes(one, 2).await, all);
    let later = [change("i/a", None), change("i/b/c", Some("3"))];
    one.publish(&later).await.unwrap();
    let later = [
        entry("one:1", "i/a", None),
        entry("one:1", "i/b/c", Some("3")),
    ];
    assert_eq!(changes(other, 2).await, later);
    other.publish(&[change("x", Some("4"))]).await.unwrap();
    other.remove("one:1").await.unwrap();
    let rest = [
        entry("other:1", "x", Some("4")),
        entry("one:1", "i/b/c", None),
    ];
    assert_eq!(changes(other, 2).await, rest);
    other.restart();
    let x = entry("other:1", "x", Some("4"));
    assert_eq!(next(other).await, News::All(vec![x]));
    // A call that was dropped loses nothing.
    let waiting = timeout(Duration::from_millis(50), other.next()).await;
    assert!(waiting.is_err(), "no news: {waiting:?}");
    one.publish(&[change("y", Some("5"))]).await.unwrap();
    assert_eq!(changes(other, 1).await, [entry("one:1", "y", Some("5"))]);
}

fn on_etcd<F: Future<Output = ()>>(test: impl FnOnce([Published; 2], rollcall_etcd::Client) -> F) {
    let server = Process::start();
    let pair = ["one:1", "other:1"].map(|own| Published::new(server.client(), "catalog", own));
    let run = test(pair, server.client());
    server.runtime().block_on(run);
}

#[test]
fn etcd_keeps_the_contract() {
    on_etcd(|[one, other], _| async move { keeps_the_contract(&one, &other).await });
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    let one = Board::new("one:1");
    let other = one.of("other:1");
    keeps_the_contract(&one, &other).await;
}

#[test]
fn many_changes_take_several_transactions_and_pages() {
    on_etcd(|[one, other], client| async move {
        let count = 2500;
        let value = "v".repeat(1000);
        let all: Vec<_> = (0..count)
            .map(|i| change(&format!("i/{i:04}"), Some(&value)))
            .collect();
        one.publish(&all).await.unwrap();
        let News::All(read) = next(&other).await else {
            panic!("the first news are all entries")
        };
        assert_eq!(read.len(), count);
        let range = RangeRequest {
            key: client.prefix().as_bytes().to_vec(),
            range_end: end_of(client.prefix()),
            ..RangeRequest::default()
        };
        let revision = client.range(range).await.unwrap().header.unwrap().revision;
        let transactions = i64::try_from(count.div_ceil(MOST_CHANGES)).unwrap();
        assert_eq!(revision, 1 + transactions);
    });
}

/// The user learns it before the entries can be read again, so that it does not take missing changes for the absence of changes.
#[test]
fn an_interruption_is_reported_while_etcd_is_still_silent() {
    let server = Process::start();
    let one = Published::new(server.client(), "catalog", "one:1");
    server.runtime().block_on(async {
        assert_eq!(next(&one).await, News::All(Vec::new()));
        server.pause();
        assert_eq!(next(&one).await, News::Interrupted);
        server.resume();
        assert_eq!(next(&one).await, News::All(Vec::new()));
    });
}

#[test]
fn an_exchange_shares_nothing_with_the_rows_of_its_store() {
    on_etcd(|[one, _], client| async move {
        assert_eq!(next(&one).await, News::All(Vec::new()));
        let row = format!("{}/catalog/rows/instance/a", client.prefix());
        let write = TxnRequest {
            success: vec![put_key(row, b"1".to_vec())],
            ..TxnRequest::default()
        };
        client.transaction(write).await.unwrap();
        one.publish(&[change("a", Some("1"))]).await.unwrap();
        assert_eq!(changes(&one, 1).await, [entry("one:1", "a", Some("1"))]);
    });
}
