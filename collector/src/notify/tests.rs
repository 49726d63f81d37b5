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

#[test]
fn reports_arrive_in_order_and_one_that_cannot_be_sent_does_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    let us = Supervisor::of(&env(&[("NOTIFY_SOCKET", path.to_str().unwrap())]));
    us.ready();
    us.stopping();
    let mut report = [0; 64];
    for expected in ["READY=1\nSTATUS=serving\n", "STOPPING=1\nSTATUS=draining\n"] {
        let length = supervisor.recv(&mut report).unwrap();
        assert_eq!(&report[..length], expected.as_bytes());
    }
    drop(supervisor);
    us.ready();
    Supervisor::of(&env(&[("NOTIFY_SOCKET", "/no/such/socket")])).ready();
    Supervisor::of(&env(&[])).ready();
}
