//! Reports of instances that differ between collectors.

use super::*;

fn running(id: i32, registered_at: Timestamp) -> Row {
    Row::Instance(Instance {
        id: instance(id),
        application: Some(application(-1)),
        uuid: Some(id.to_string().into()),
        registered_at,
        generation: None,
        adopted: false,
        properties: Properties::default(),
    })
}

fn last(id: i32, state: State, last_seen: Timestamp) -> LastSeen {
    LastSeen {
        instance: instance(id),
        last_seen,
        signal: Signal::Heartbeat,
        state,
        usual: Duration::ZERO,
        forgotten: false,
        observer: None,
    }
}

#[tokio::test]
async fn a_reload_keeps_the_recorded_states_of_instances() {
    let log = Log::default();
    let mut reader = Collector::on(&log, 0);
    let wall = reader.services.core.clock.wall();
    let running = |id| running(id, wall.before(Duration::from_secs(7_200)));
    let last = |id, state, secs| last(id, state, wall.before(Duration::from_secs(secs)));
    let orders = Row::Application(Application {
        id: application(-1),
        code: Some("orders".into()),
        registered_at: wall,
        alias_of: None,
    });
    let known = [last(7, State::Down, 3_600), last(8, State::Up, 0)];
    let rows = [orders, running(7), running(8)];
    log.entries.lock().push(entry(&rows));
    let seen = known.map(|seen| (seen.instance, seen));
    log.seen.lock().extend(seen);
    reader.catch_up().await;
    // Its lease of one instance expires, and it has not reported that yet.
    let later = reader
        .services
        .core
        .clock
        .now()
        .after(2 * TERMS.silent_after);
    let mut given_up = Vec::new();
    reader.services.core.lessor.expire(later, 10, &mut given_up);
    assert_eq!(given_up.len(), 1);
    let roster = |reader: &Collector| [7, 8].map(|id| reader.known(id));
    let before = roster(&reader);
    assert_eq!(before[0], (State::Down, known[0].last_seen));
    assert_eq!(before[1].0, State::Silent);
    while reader.events.try_recv().is_ok() {}
    // A digest is wrong, and a record was lost.
    log.entries
        .lock()
        .push(vec![Record::Row(running(9)), Record::Digest(1)]);
    let lost = last(9, State::Down, 1_800);
    log.seen.lock().insert(lost.instance, lost);
    reader.catch_up().await;
    assert_eq!(reader.loads(), 1);
    assert_eq!(roster(&reader), before);
    assert_eq!(reader.known(9), (State::Down, lost.last_seen));
    while let Ok(event) = reader.events.try_recv() {
        let Event::Instance(InstanceEvent { instance, kind }) = event else {
            continue;
        };
        assert_eq!(instance, lost.instance);
        assert!(matches!(kind, InstanceKind::Registered(_)), "{kind:?}");
    }
    reader.stop();
}

#[tokio::test(start_paused = true)]
async fn differing_and_adjusted_clocks_do_not_make_rosters_differ() {
    let (services, _workers) = parts(Memory::default());
    let core = &services.core;
    for (id, ahead) in (1..).zip([-7_200_000, -20_000, 0, 20_000, 7_200_000]) {
        let last_seen = Timestamp::from_millis(core.clock.wall().millis() + ahead);
        for state in [State::Up, State::Silent, State::Down] {
            let seen = last(id, state, last_seen);
            core.relay(seen);
            assert!(!core.knows_less(seen), "{id} is {state:?}");
            // The wall clock does not advance, like one that is set back.
            advance(Duration::from_secs(30)).await;
            assert!(!core.knows_less(seen), "{id} is {state:?} still");
            assert_eq!(core.lessor.view(instance(id)).unwrap().state, state);
        }
    }
}
