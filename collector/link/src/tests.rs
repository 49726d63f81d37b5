use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
};

use futures_util::FutureExt as _;
use hyper::service::Service;

use super::*;

#[derive(Debug, Default)]
struct Ends(Mutex<Vec<(ConnectionId, Vec<InstanceId>, Cause)>>);

impl Observer for Ends {
    fn closed(
        &self,
        connection: ConnectionId,
        _remote: SocketAddr,
        seen: &[InstanceId],
        cause: Cause,
    ) {
        self.0.lock().push((connection, seen.to_vec(), cause));
    }
}

/// A service whose calls only record an instance.
#[derive(Clone)]
struct Recorder;

impl Service<i32> for Recorder {
    type Response = ();
    type Error = Infallible;
    type Future = futures_util::future::Map<Ready<i32>, fn(i32) -> Result<(), Infallible>>;

    fn call(&self, number: i32) -> Self::Future {
        ready(number).map(|number| {
            current(|seen| seen.remember(instance(number)).unwrap());
            Ok(())
        })
    }
}

fn instance(number: i32) -> InstanceId {
    InstanceId::new(number).unwrap()
}

/// The first difference must not stay when the clock is corrected during a connection.
#[test]
fn a_clock_is_compared_about_once_a_minute_and_when_it_was_set() {
    let link = Links::default().open(remote());
    let now = || Timestamp::from_millis(1_000_000);
    let observe = |millis| link.seen.observe_clock(Timestamp::from_millis(millis), now);
    assert_eq!(link.seen.clock_skew(), None);
    assert_eq!(observe(i64::MAX), None, "not a time");
    assert_eq!(observe(1_090_000), Some(90_000));
    assert_eq!(observe(1_149_999), None);
    assert_eq!(observe(1_031_000), None);
    assert_eq!(link.seen.clock_skew(), Some(90_000));
    assert_eq!(observe(1_000_000), Some(0), "it was set");
    assert_eq!(link.seen.clock_skew(), Some(0));
    assert_eq!(observe(1_060_000), Some(60_000), "a minute passed");
}

fn remote() -> SocketAddr {
    ([127, 0, 0, 1], 40_000).into()
}

#[tokio::test]
async fn the_end_of_a_connection_is_reported_with_the_instances_seen_on_it() {
    let ends = Arc::<Ends>::default();
    let links = Links::new(Arc::clone(&ends) as Arc<dyn Observer>);
    let [first, second, unused] = [(); 3].map(|()| links.open(remote()));
    for number in [7, 8, 7] {
        let Ok(()) = first.around(Recorder).call(number).await;
    }
    let Ok(()) = second.around(Recorder).call(9).await;
    assert!(current(|_| ()).is_none(), "no call runs here");
    drop(unused);
    let reset = io::Error::from(io::ErrorKind::ConnectionReset);
    first.ended(Some(&reset));
    drop(second);
    let reported = std::mem::take(&mut *ends.0.lock());
    assert_eq!(
        reported,
        [
            (
                ConnectionId::new(1),
                vec![instance(7), instance(8)],
                Cause::Reset
            ),
            (
                ConnectionId::new(2),
                vec![instance(9)],
                Cause::ClosedByCollector
            ),
        ]
    );
}

#[test]
fn a_silent_peer_is_hung_if_its_machine_acknowledges_and_otherwise_unreachable() {
    let end = |kind: io::ErrorKind, acknowledged| {
        let ends = Arc::<Ends>::default();
        let link = Links::new(Arc::clone(&ends) as Arc<dyn Observer>).open(remote());
        link.seen.remember(instance(7)).unwrap();
        link.failed(&io::Error::from(kind), || acknowledged);
        let (_, _, cause) = ends.0.lock().remove(0);
        cause
    };
    let unanswered = |acknowledged| end(io::ErrorKind::TimedOut, acknowledged);
    assert_eq!(unanswered(None), Cause::Timeout);
    assert_eq!(unanswered(Some(true)), Cause::Hung);
    assert_eq!(unanswered(Some(false)), Cause::Unreachable);
    let reset = end(io::ErrorKind::ConnectionReset, Some(true));
    assert_eq!(reset, Cause::Reset, "it did answer");
}

#[test]
fn the_instances_recorded_for_one_connection_are_limited() {
    let ends = Arc::<Ends>::default();
    let link = Links::new(Arc::clone(&ends) as Arc<dyn Observer>).open(remote());
    let seen = Arc::clone(&link.seen);
    assert!((1..=1_000).all(|number| seen.remember(instance(number)).is_ok()));
    link.ended(None);
    assert_eq!(
        seen.remember(instance(1)),
        Err(Cause::ClosedByPeer),
        "the end is reported already"
    );
    assert_eq!(ends.0.lock()[0].1.len(), RECORDED);
    assert_eq!(ends.0.lock()[0].2, Cause::ClosedByPeer);
}

#[test]
fn a_connection_keeps_the_time_of_its_first_call() {
    let link = Links::default().open(remote());
    for later in 1..3 {
        let since = link.seen.since(|| Timestamp::from_millis(later));
        assert_eq!(since, Timestamp::from_millis(1));
    }
    assert_eq!(link.seen.remote(), remote());
}

#[tokio::test]
async fn the_first_reason_for_which_the_collector_closes_a_connection_is_kept() {
    let links = Links::default();
    let [limited, silent, left] = [(); 3].map(|()| links.open(remote()));
    let seen = [&limited, &silent, &left].map(|link| Arc::clone(&link.seen));
    let closing = || seen.each_ref().map(|seen| seen.closing());
    assert_eq!(closing(), [None; 3]);
    limited.closing(Closing::OverLimit);
    limited.closing(Closing::Unread);
    silent.ended(Some(&io::Error::from(io::ErrorKind::TimedOut)));
    left.ended(None);
    let expected = [Some(Closing::OverLimit), Some(Closing::Unanswered), None];
    assert_eq!(closing(), expected);
}

#[test]
fn an_end_that_this_collector_caused_names_the_reason() {
    let ends = Arc::<Ends>::default();
    let links = Links::new(Arc::clone(&ends) as Arc<dyn Observer>);
    let end = |why: Closing, end: fn(Link)| {
        let link = links.open(remote());
        link.seen.remember(instance(7)).unwrap();
        link.closing(why);
        end(link);
        let (_, _, cause) = ends.0.lock().remove(0);
        cause
    };
    assert_eq!(end(Closing::OverLimit, drop), Cause::OverLimit);
    assert_eq!(end(Closing::Unread, drop), Cause::Unread);
    assert_eq!(end(Closing::Requested, drop), Cause::ClosedByCollector);
    // A client may leave in any way once it is requested to. That it does not answer is more than that.
    fn fail(link: Link, kind: io::ErrorKind) -> Option<Closing> {
        link.failed(&io::Error::from(kind), || None)
    }
    let left = end(Closing::Requested, |link| {
        assert_eq!(fail(link, io::ErrorKind::ConnectionReset), None);
    });
    assert_eq!(left, Cause::ClosedByCollector);
    let silent = end(Closing::Requested, |link| {
        let why = fail(link, io::ErrorKind::TimedOut);
        assert_eq!(why, Some(Closing::Unanswered));
    });
    assert_eq!(silent, Cause::Timeout);
}
