use proptest::prelude::*;

use super::*;

const LIMIT: Duration = Duration::from_secs(60);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn application(id: i32) -> ApplicationId {
    ApplicationId::from_wire(id).unwrap()
}

fn instance(id: i32) -> InstanceId {
    InstanceId::from_wire(id).unwrap()
}

fn idle_tick() -> Event {
    Event::Tick {
        segment_finished: false,
    }
}

fn synchronise(application_id: i32, known: KnownIds) -> Option<Command> {
    Some(Command::Synchronise {
        application: application(application_id),
        known,
    })
}

/// A machine that registered at time 0 and has the ids application -1 and instance 1.
fn running() -> Machine {
    let mut machine = Machine::new(LIMIT, None, None);
    machine.on(Event::Connected, s(0));
    machine.on(idle_tick(), s(0));
    machine.on(Event::Done(Reply::Application(Some(application(-1)))), s(0));
    let next = machine.on(Event::Done(Reply::Instance(Some(instance(1)))), s(0));
    assert_eq!(next, synchronise(-1, KnownIds::Request));
    assert_eq!(machine.on(Event::Done(Reply::Synchronised), s(0)), None);
    assert_eq!(machine.phase(), Phase::Running);
    machine
}

/// Ticks every 3 s, as the agent does, answers every command with success, and returns the times of the heartbeats.
fn heartbeats(machine: &mut Machine, until: u64, segment_at: impl Fn(u64) -> bool) -> Vec<u64> {
    let mut sent = Vec::new();
    for t in (3..=until).step_by(3) {
        let mut command = machine.on(
            Event::Tick {
                segment_finished: segment_at(t),
            },
            s(t),
        );
        while let Some(pending) = command {
            let answer = match pending {
                Command::Heartbeat { .. } => {
                    sent.push(t);
                    Reply::Heartbeat
                }
                _ => Reply::Synchronised,
            };
            command = machine.on(Event::Done(answer), s(t));
        }
    }
    sent
}

#[test]
fn without_a_connection_no_command_is_issued() {
    let mut machine = Machine::new(LIMIT, None, None);
    assert_eq!(machine.on(idle_tick(), s(0)), None);
    assert_eq!(machine.phase(), Phase::Unregistered);
}

#[test]
fn application_then_instance_then_names_within_one_tick() {
    let mut machine = Machine::new(LIMIT, None, None);
    machine.on(Event::Connected, s(0));
    assert_eq!(
        machine.on(idle_tick(), s(0)),
        Some(Command::RegisterApplication)
    );
    assert_eq!(
        machine.on(Event::Done(Reply::Application(Some(application(2)))), s(0)),
        Some(Command::RegisterInstance {
            application: application(2)
        })
    );
    assert_eq!(machine.phase(), Phase::ApplicationKnown);
    assert_eq!(
        machine.on(Event::Done(Reply::Instance(Some(instance(5)))), s(0)),
        synchronise(2, KnownIds::Request)
    );
    assert_eq!(
        (machine.application(), machine.instance()),
        (Some(application(2)), Some(instance(5)))
    );
}

#[test]
fn an_id_that_is_not_assigned_yet_is_requested_at_the_next_tick() {
    let mut machine = Machine::new(LIMIT, None, None);
    machine.on(Event::Connected, s(0));
    machine.on(idle_tick(), s(0));
    assert_eq!(
        machine.on(Event::Done(Reply::Application(None)), s(0)),
        None
    );
    assert_eq!(
        machine.on(idle_tick(), s(3)),
        Some(Command::RegisterApplication)
    );
}

#[test]
fn without_segments_a_heartbeat_is_sent_every_minute() {
    assert_eq!(heartbeats(&mut running(), 200, |_| false), [60, 120, 180]);
}

#[test]
fn the_minute_counts_from_the_last_finished_segment() {
    assert_eq!(heartbeats(&mut running(), 100, |t| t == 21), [81]);
}

#[test]
fn segments_postpone_a_heartbeat_by_at_most_half_a_minute() {
    assert_eq!(heartbeats(&mut running(), 200, |_| true), [90, 180]);
}

#[test]
fn after_a_reconnect_the_ids_are_recovered_and_the_names_requested_again() {
    let mut machine = running();
    machine.on(Event::Disconnected, s(10));
    assert_eq!(machine.phase(), Phase::InstanceKnown);
    assert_eq!(machine.on(idle_tick(), s(12)), None);
    machine.on(Event::Connected, s(13));
    assert_eq!(
        machine.on(idle_tick(), s(13)),
        Some(Command::Recover {
            application: application(-1),
            instance: instance(1)
        })
    );
    assert_eq!(
        machine.on(Event::Done(Reply::Recovered), s(13)),
        synchronise(-1, KnownIds::Request)
    );
    assert_eq!(machine.phase(), Phase::Running);
}

#[test]
fn a_restarted_loop_recovers_instead_of_registering() {
    let mut machine = Machine::new(LIMIT, Some(application(-1)), Some(instance(1)));
    machine.on(Event::Connected, s(0));
    assert!(matches!(
        machine.on(idle_tick(), s(0)),
        Some(Command::Recover { .. })
    ));
}

#[test]
fn a_collector_without_recover_gets_a_heartbeat_instead() {
    let mut machine = running();
    machine.on(Event::Connected, s(10));
    machine.on(idle_tick(), s(10));
    assert_eq!(
        machine.on(Event::Failed(Failure::Unsupported), s(10)),
        Some(Command::Heartbeat {
            instance: instance(1)
        })
    );
    assert_eq!(
        machine.on(Event::Failed(Failure::Unsupported), s(10)),
        synchronise(-1, KnownIds::Request)
    );
    assert_eq!(machine.phase(), Phase::Running);
}

#[test]
fn after_not_found_the_next_tick_registers_again() {
    let mut machine = running();
    assert!(matches!(
        machine.on(idle_tick(), s(60)),
        Some(Command::Heartbeat { .. })
    ));
    assert_eq!(machine.on(Event::Failed(Failure::NotFound), s(60)), None);
    assert_eq!(machine.phase(), Phase::Unregistered);
    assert_eq!(
        machine.on(idle_tick(), s(63)),
        Some(Command::RegisterApplication)
    );
}

#[test]
fn names_received_under_another_application_id_are_forgotten() {
    let mut machine = running();
    machine.on(idle_tick(), s(60));
    machine.on(Event::Failed(Failure::NotFound), s(60));
    machine.on(idle_tick(), s(63));
    machine.on(Event::Done(Reply::Application(Some(application(7)))), s(63));
    assert_eq!(
        machine.on(Event::Done(Reply::Instance(Some(instance(2)))), s(63)),
        synchronise(7, KnownIds::Forget)
    );
}

#[test]
fn names_are_requested_even_while_heartbeats_fail() {
    let mut machine = running();
    machine.on(idle_tick(), s(60));
    assert_eq!(
        machine.on(Event::Failed(Failure::Other), s(60)),
        synchronise(-1, KnownIds::Keep)
    );
    machine.on(Event::Done(Reply::Synchronised), s(60));
    assert!(matches!(
        machine.on(idle_tick(), s(63)),
        Some(Command::Heartbeat { .. })
    ));
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Connected),
        Just(Event::Disconnected),
        any::<bool>().prop_map(|segment_finished| Event::Tick { segment_finished }),
        (-3..3_i32).prop_map(|id| Event::Done(Reply::Application(ApplicationId::from_wire(id)))),
        (0..3_i32).prop_map(|id| Event::Done(Reply::Instance(InstanceId::from_wire(id)))),
        Just(Event::Done(Reply::Recovered)),
        Just(Event::Done(Reply::Heartbeat)),
        Just(Event::Done(Reply::Synchronised)),
        Just(Event::Failed(Failure::NotFound)),
        Just(Event::Failed(Failure::Unsupported)),
        Just(Event::Failed(Failure::Other)),
    ]
}

/// Whether the machine may issue the command in its phase.
fn is_in_order(machine: &Machine, command: Command) -> bool {
    match command {
        Command::RegisterApplication => machine.phase() == Phase::Unregistered,
        Command::RegisterInstance { application } => {
            machine.phase() == Phase::ApplicationKnown && machine.application() == Some(application)
        }
        Command::Recover {
            application,
            instance,
        } => {
            machine.phase() == Phase::InstanceKnown
                && (machine.application(), machine.instance())
                    == (Some(application), Some(instance))
        }
        Command::Heartbeat { instance } => {
            machine.phase() == Phase::Running && machine.instance() == Some(instance)
        }
        Command::Synchronise { application, .. } => {
            machine.phase() == Phase::Running && machine.application() == Some(application)
        }
    }
}

proptest! {
    /// For any answers of collectors in any order: commands are in order, at most one is in flight, none is issued without a
    /// connection, and no answer makes the agent loop without a pause.
    #[test]
    fn every_command_is_in_order_and_the_only_one_in_flight(events in prop::collection::vec((any_event(), 0_u64..100), 1..200)) {
        let mut machine = Machine::new(LIMIT, None, None);
        let (mut now, mut connected, mut in_flight, mut since_tick) = (0, false, false, 0);
        for (event, seconds) in events {
            now += seconds;
            match event {
                Event::Connected => (connected, in_flight) = (true, false),
                Event::Disconnected => (connected, in_flight) = (false, false),
                Event::Tick { .. } => since_tick = 0,
                Event::Done(_) | Event::Failed(_) => {}
            }
            let was_in_flight = in_flight;
            if matches!(event, Event::Done(_) | Event::Failed(_)) {
                in_flight = false;
            }
            if let Some(command) = machine.on(event, s(now)) {
                prop_assert!(connected, "{command:?} without a connection");
                prop_assert!(!(was_in_flight && matches!(event, Event::Tick { .. })), "two in flight");
                prop_assert!(is_in_order(&machine, command), "{command:?} in {machine:?}");
                in_flight = true;
                since_tick += 1;
                prop_assert!(since_tick <= 4, "more than four commands since the last tick");
            }
        }
    }

    /// From any state, a collector that answers brings the agent to Running within two ticks.
    #[test]
    fn a_collector_that_answers_brings_the_agent_to_running(events in prop::collection::vec(any_event(), 0..50)) {
        let mut machine = Machine::new(LIMIT, None, None);
        for event in events {
            machine.on(event, s(0));
        }
        machine.on(Event::Connected, s(1));
        for _ in 0..2 {
            let mut command = machine.on(idle_tick(), s(4));
            while let Some(pending) = command {
                let answer = match pending {
                    Command::RegisterApplication => Reply::Application(Some(application(1))),
                    Command::RegisterInstance { .. } => Reply::Instance(Some(instance(1))),
                    Command::Recover { .. } => Reply::Recovered,
                    Command::Heartbeat { .. } => Reply::Heartbeat,
                    Command::Synchronise { .. } => Reply::Synchronised,
                };
                command = machine.on(Event::Done(answer), s(4));
            }
        }
        prop_assert_eq!(machine.phase(), Phase::Running);
    }
}
