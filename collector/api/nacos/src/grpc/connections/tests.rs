use std::sync::Arc;

use rollcall_catalog::Outbox;
use rollcall_domain::catalog::ConnectionId;

use super::*;
use crate::grpc::connection::{Client, Session};

const RETRIES: Retries = Retries {
    after: Duration::from_secs(5),
    pause: Duration::from_secs(1),
    most: 3,
};

fn transport(number: u64) -> Transport {
    Transport {
        number,
        remote: ([127, 0, 0, 1], 40_000).into(),
        accepted: 0,
    }
}

fn set_up(connection: &Connection) {
    connection.set_up(Session {
        id: ConnectionId::new(1).unwrap(),
        client: Client::default(),
        outbox: Outbox::default(),
    });
}

#[tokio::test(start_paused = true)]
async fn a_call_before_the_set_up_is_parked_and_not_refused() {
    let connections = Connections::new(10);
    let connection = connections.add(transport(1), RETRIES, 0).unwrap();
    let (found, ()) = tokio::join!(connections.set_up(1), async {
        tokio::time::sleep(Duration::from_millis(900)).await;
        set_up(&connection);
    });
    assert!(Arc::ptr_eq(&found.unwrap(), &connection));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_overtook_its_stream_is_parked_and_not_refused() {
    let connections = Connections::new(10);
    let (found, ()) = tokio::join!(connections.set_up(1), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let connection = connections.add(transport(1), RETRIES, 0).unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        set_up(&connection);
    });
    assert!(found.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_stream_is_answered_soon() {
    let connections = Connections::new(10);
    let start = Instant::now();
    assert!(connections.set_up(1).await.is_none());
    assert!(start.elapsed() <= Duration::from_millis(150));
}

#[tokio::test(start_paused = true)]
async fn a_parked_call_ends_with_its_connection() {
    let connections = Connections::new(10);
    let connection = connections.add(transport(1), RETRIES, 0).unwrap();
    let start = Instant::now();
    let (found, ()) = tokio::join!(connections.set_up(1), async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        connection.end(Reason::Broken);
    });
    assert!(found.is_none());
    assert!(start.elapsed() < Duration::from_millis(100));
}

#[test]
fn a_later_stream_of_a_transport_replaces_the_earlier_one() {
    let connections = Connections::new(10);
    let earlier = connections.add(transport(1), RETRIES, 0).unwrap();
    let later = connections.add(transport(1), RETRIES, 0).unwrap();
    assert_eq!(earlier.ended(), Some(Reason::Replaced));
    assert_ne!(earlier.text(), later.text());
    connections.remove(&earlier);
    assert!(Arc::ptr_eq(&connections.of(1).unwrap(), &later));
    connections.remove(&later);
    assert!(connections.of(1).is_none());
    assert_eq!(connections.open(), 0);
}

#[test]
fn one_connection_too_many_is_refused() {
    let connections = Connections::new(2);
    let first = connections.add(transport(1), RETRIES, 0).unwrap();
    connections.add(transport(2), RETRIES, 0).unwrap();
    assert_eq!(
        connections.add(transport(3), RETRIES, 0).unwrap_err(),
        Full { most: 2 }
    );
    connections.remove(&first);
    assert!(connections.add(transport(3), RETRIES, 0).is_ok());
}
