use super::*;
use crate::history::{Operation, Signal};

const INSTANCE: i32 = 7;
const TERM: Duration = Duration::from_secs(6);

fn process() -> Key {
    Key::Instance(-1, "process".to_owned())
}

fn operation(request: Request, sent: Duration, answer: Reply) -> Operation {
    Operation {
        member: 0,
        request,
        sent,
        ended: sent + Duration::from_millis(10),
        answer: Ok(answer),
    }
}

/// A history of one process that registers at 0 s and sends signals at these seconds. Member 0 gives each signal this answer.
fn answered(signals: &[u64], answer: Reply) -> History {
    let mut history = History {
        down_after: TERM,
        ..History::default()
    };
    let assigned = operation(
        Request::Assign(process()),
        Duration::ZERO,
        Reply::Id(INSTANCE),
    );
    history.operations.push(assigned);
    for second in signals {
        let request = Request::Signal {
            process: process(),
            instance: INSTANCE,
            by: Signal::Ping,
        };
        let sent = Duration::from_secs(*second);
        history.operations.push(operation(request, sent, answer));
    }
    history
}

fn beating(signals: &[u64]) -> History {
    answered(signals, Reply::Renewed)
}

impl History {
    /// A member's report of the process at this second.
    fn reported(mut self, member: usize, second: u64, state: State) -> Self {
        let sent = Duration::from_secs(second);
        self.reports.push(Report {
            member,
            sent,
            ended: sent + Duration::from_millis(10),
            states: BTreeMap::from([(INSTANCE, state)]),
        });
        self
    }
}

fn down(member: usize, second: u64) -> Result<(), Violation> {
    let at = Duration::from_secs(second);
    Err(Violation::Down(member, process(), at))
}

#[test]
fn a_process_with_heartbeats_may_be_up_or_silent_but_not_down() {
    let history = beating(&[1, 2, 3, 4, 5, 6, 7, 8]);
    let seen = |state| history.clone().reported(1, 8, state);
    assert_eq!(check(&seen(State::Up)), Ok(()));
    assert_eq!(check(&seen(State::Silent)), Ok(()));
    assert_eq!(check(&seen(State::Down)), down(1, 8));
}

#[test]
fn a_process_that_stopped_may_be_down_after_the_term_but_not_earlier() {
    let history = beating(&[1, 2, 3]);
    let at = |second| check(&history.clone().reported(1, second, State::Down));
    assert_eq!(at(8), down(1, 8));
    assert_eq!(at(9), Ok(()));
    assert_eq!(at(90), Ok(()));
}

#[test]
fn a_process_that_returned_may_be_down_until_the_member_sees_it_but_not_afterwards() {
    let history = beating(&[1, 10, 11, 12, 13, 14]).reported(1, 13, State::Down);
    assert_eq!(check(&history), Ok(()));
    let history = history.reported(1, 14, State::Up);
    let once_more = history.clone().reported(1, 15, State::Down);
    assert_eq!(check(&once_more), down(1, 15));
    let elsewhere = history.reported(2, 15, State::Down);
    assert_eq!(
        check(&elsewhere),
        Ok(()),
        "the other member may not have seen a signal yet"
    );
}

#[test]
fn a_signal_without_an_acknowledgement_does_not_count() {
    let mut history = beating(&[1, 4]).reported(0, 7, State::Down);
    assert_eq!(check(&history), down(0, 7));
    history.operations[2].answer = Err("unavailable".to_owned());
    assert_eq!(check(&history), Ok(()));
}

#[test]
fn without_a_term_every_report_is_allowed() {
    let mut history = beating(&[1, 2, 3]).reported(1, 3, State::Down);
    history.down_after = Duration::ZERO;
    assert_eq!(check(&history), Ok(()));
}

#[test]
fn an_assigned_id_that_is_reported_as_unknown_is_refused() {
    // The id must be the first of the sequence, because the history has no adoption of earlier ids.
    let mut history = answered(&[1], Reply::Unknown);
    history.operations[0].answer = Ok(Reply::Id(1));
    assert_eq!(history.check(), Err(Violation::Reset(0, process())));
    history.operations[0].ended = Duration::from_secs(2);
    assert_eq!(
        history.check(),
        Ok(()),
        "the id was not yet assigned when the signal was sent"
    );
}
