use std::{sync::Arc, task::Waker};

use super::*;

const PATIENCE: Patience = Patience {
    setup: Duration::from_secs(10),
    idle: Duration::from_secs(20),
    probe: Duration::from_secs(5),
    pushes: Retries {
        after: Duration::from_secs(5),
        pause: Duration::from_secs(1),
        most: 3,
    },
};

fn at(now: u64) -> Tick {
    Tick { now, resumed: 0 }
}

fn opened() -> Connection {
    let transport = Transport {
        number: 1,
        remote: ([127, 0, 0, 1], 40_000).into(),
        accepted: 1_700_000_000_000,
    };
    Connection::new(transport, transport.text(None), PATIENCE.pushes, 0)
}

fn session() -> Session {
    Session {
        id: ConnectionId::new(1).unwrap(),
        client: Client::default(),
        outbox: Outbox::default(),
    }
}

fn set_up() -> Connection {
    let connection = opened();
    connection.set_up(session());
    connection
}

fn next(connection: &Connection) -> Option<Due> {
    match connection.poll_due(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(due) => Some(due),
        Poll::Pending => None,
    }
}

#[test]
fn the_id_has_the_form_of_the_reference() {
    let connection = opened();
    assert_eq!(connection.text(), "1700000000000_127.0.0.1_40000");
    assert_eq!(
        connection.transport().text(Some(2)),
        "1700000000000_127.0.0.1_40000_2"
    );
}

#[test]
fn a_stream_without_a_set_up_is_closed() {
    let connection = opened();
    assert_eq!(connection.check_deadlines(&PATIENCE, at(9_999)).ended, None);
    assert_eq!(
        connection.check_deadlines(&PATIENCE, at(10_000)).ended,
        Some(Reason::NoSetup)
    );
    assert_eq!(next(&connection), Some(Due::End(Reason::NoSetup)));
}

#[test]
fn a_silent_client_is_probed_and_closed() {
    let connection = set_up();
    connection.touch(1_000);
    assert!(!connection.check_deadlines(&PATIENCE, at(20_999)).is_probed);
    assert!(connection.check_deadlines(&PATIENCE, at(21_000)).is_probed);
    assert_eq!(next(&connection), Some(Due::Message(Message::Detection)));
    assert_eq!(
        connection.check_deadlines(&PATIENCE, at(25_999)),
        Overdue::default()
    );
    assert_eq!(
        connection.check_deadlines(&PATIENCE, at(26_000)).ended,
        Some(Reason::Silent)
    );
    assert_eq!(
        connection.check_deadlines(&PATIENCE, at(99_000)),
        Overdue::default()
    );
}

#[test]
fn a_client_has_its_whole_time_again_after_this_server_stalled() {
    let (connection, unsettled) = (set_up(), opened());
    assert!(connection.check_deadlines(&PATIENCE, at(20_000)).is_probed);
    let after = |now| Tick {
        now,
        resumed: 60_000,
    };
    for now in [60_000, 64_999] {
        let ended = connection.check_deadlines(&PATIENCE, after(now)).ended;
        assert_eq!(ended, None, "its answer may wait unread");
    }
    let ended = connection.check_deadlines(&PATIENCE, after(65_000)).ended;
    assert_eq!(ended, Some(Reason::Silent));
    let ended = unsettled.check_deadlines(&PATIENCE, after(69_999)).ended;
    assert_eq!(ended, None, "its set-up may wait unread");
}

#[test]
fn any_message_answers_the_probe() {
    let connection = set_up();
    assert!(connection.check_deadlines(&PATIENCE, at(20_000)).is_probed);
    connection.touch(24_000);
    assert_eq!(
        connection.check_deadlines(&PATIENCE, at(30_000)).ended,
        None
    );
    assert!(connection.check_deadlines(&PATIENCE, at(44_000)).is_probed);
}

#[test]
fn the_first_reason_of_an_end_stays() {
    let connection = set_up();
    assert!(connection.end(Reason::Silent));
    assert!(!connection.end(Reason::Broken));
    assert_eq!(connection.ended(), Some(Reason::Silent));
}

#[test]
fn messages_for_a_client_that_reads_nothing_are_bounded() {
    let connection = set_up();
    for _ in 0..1_000 {
        connection.send(Message::Detection);
    }
    let mut count = 0;
    while next(&connection).is_some() {
        count += 1;
    }
    assert_eq!(count, MAX_CONTROL);
}

#[tokio::test]
async fn calls_that_wait_for_the_set_up_continue_after_it() {
    let connection = Arc::new(opened());
    let (settled, ()) = tokio::join!(connection.settled(), async {
        tokio::task::yield_now().await;
        connection.set_up(session());
    });
    assert!(settled);
    let connection = opened();
    connection.end(Reason::Broken);
    assert!(!connection.settled().await);
}
