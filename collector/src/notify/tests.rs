use std::pin::pin;

use tokio::time::timeout;

use super::*;

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn the_watchdog_is_for_the_process_that_is_named() {
    let interval = |pairs: &[(&str, &str)]| watchdog(&env(pairs), 7);
    let half_a_minute = Some(Duration::from_secs(30));
    assert_eq!(interval(&[("WATCHDOG_USEC", "30000000")]), half_a_minute);
    let named = [("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "7")];
    assert_eq!(interval(&named), half_a_minute);
    for pairs in [
        &[][..],
        &[("WATCHDOG_USEC", "0")],
        &[("WATCHDOG_USEC", "soon")],
        &[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "8")],
    ] {
        assert_eq!(interval(pairs), None, "{pairs:?}");
    }
}

/// Begins the report that the collector is ready, and repeats it for the length of a retry.
async fn report_ready(us: &Supervisor) {
    timeout(RETRY, us.ready()).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn reports_arrive_in_order_and_one_that_cannot_be_sent_does_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    let us = Supervisor::of(&env(&[("NOTIFY_SOCKET", path.to_str().unwrap())]));
    report_ready(&us).await;
    us.stopping();
    let mut report = [0; 64];
    for expected in ["READY=1\nSTATUS=serving\n", "STOPPING=1\nSTATUS=draining\n"] {
        let length = supervisor.recv(&mut report).unwrap();
        assert_eq!(&report[..length], expected.as_bytes());
    }
    drop(supervisor);
    report_ready(&us).await;
    report_ready(&Supervisor::of(&env(&[(
        "NOTIFY_SOCKET",
        "/no/such/socket",
    )])))
    .await;
    report_ready(&Supervisor::of(&env(&[]))).await;
}

#[tokio::test(start_paused = true)]
async fn the_report_of_readiness_waits_for_room_in_the_queue_of_the_supervisor() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_nonblocking(true).unwrap();
    // The buffer of one sender may be smaller than the queue, so it is full once a new sender cannot send.
    let mut others = Vec::new();
    let mut is_full = false;
    while !is_full {
        let other = connect(path.to_str().unwrap()).unwrap();
        is_full = other.send(b"of another service").is_err();
        while other.send(b"of another service").is_ok() {}
        others.push(other);
    }
    let us = Supervisor::of(&env(&[("NOTIFY_SOCKET", path.to_str().unwrap())]));
    let mut ready = pin!(us.ready());
    let reports = || {
        let mut report = [0; 64];
        let reports = std::iter::from_fn(|| {
            supervisor
                .recv(&mut report)
                .ok()
                .map(|it| report[..it].to_vec())
        });
        let reports: Vec<_> = reports.collect();
        reports
            .iter()
            .filter(|it| it.starts_with(b"READY=1"))
            .count()
    };
    assert!(timeout(RETRY / 2, &mut ready).await.is_err());
    assert_eq!(reports(), 0);
    assert!(timeout(RETRY * 3, &mut ready).await.is_err());
    assert_eq!(reports(), 1);
}
