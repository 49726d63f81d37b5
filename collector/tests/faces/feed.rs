//! The frames of the event feed.

use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::*;

#[tokio::test]
async fn a_slow_reader_of_the_feed_gets_the_count_of_missed_events() {
    let collector = Collector::start();
    let request = Request::get("/api/events").body(Body::empty()).unwrap();
    let feed = collector.router.clone().oneshot(request).await.unwrap();
    for uuid in 0..20 {
        let process = format!(r#"{{"ai":-3,"au":"{uuid}","rt":0,"oi":{{}}}}"#);
        collector.post("/instance/register", process).await;
    }
    let mut feed = feed.into_body();
    let mut next = async || {
        let event = feed.frame().await.unwrap().unwrap().into_data().unwrap();
        String::from_utf8(event.to_vec()).unwrap()
    };
    assert_eq!(next().await, ": connected\n\n");
    assert_eq!(next().await, "event: lagged\ndata: {\"missed\":4}\n\n");
    assert!(
        next().await.contains(r#""id":5,"#),
        "the oldest that is left"
    );
}

#[tokio::test(start_paused = true)]
async fn a_feed_without_events_sends_a_comment_every_15_seconds() {
    let collector = Collector::start();
    let request = Request::get("/api/events").body(Body::empty()).unwrap();
    let feed = collector.router.clone().oneshot(request).await.unwrap();
    let mut feed = feed.into_body();
    let connected = feed.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(connected, ": connected\n\n");
    for _ in 0..3 {
        let before = Instant::now();
        let comment = feed.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(comment.starts_with(b":"), "{comment:?}");
        assert_eq!(before.elapsed().as_secs(), 15);
    }
}
