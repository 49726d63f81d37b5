//! Tests that the checker accepts the histories of a sequential collector, and rejects one history for each kind of violation.

use super::*;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn application(code: &str) -> Key {
    Key::Application(code.to_owned())
}

fn instance(uuid: &str) -> Key {
    Key::Instance(-1, uuid.to_owned())
}

fn operation(request: Request, sent: u64, ended: u64, answer: Result<Reply, String>) -> Operation {
    Operation {
        member: 0,
        request,
        sent: ms(sent),
        ended: ms(ended),
        answer,
    }
}

impl History {
    /// A request for `key` that returned `id`.
    fn assigned(mut self, key: Key, sent: u64, ended: u64, id: i32) -> Self {
        let answer = Ok(Reply::Id(id));
        self.operations
            .push(operation(Request::Assign(key), sent, ended, answer));
        self
    }

    /// A request for `key` that failed, so that its id is unknown.
    fn failed(mut self, key: Key, sent: u64, ended: u64) -> Self {
        let answer = Err("unavailable".to_owned());
        self.operations
            .push(operation(Request::Assign(key), sent, ended, answer));
        self
    }

    /// An agent's report of the ids that it holds.
    fn recovered(mut self, application: i32, instance: i32, sent: u64, ended: u64) -> Self {
        let request = Request::Recover {
            application,
            instance,
        };
        self.operations
            .push(operation(request, sent, ended, Ok(Reply::Recorded)));
        self
    }

    /// The final state of both members.
    fn ending(mut self, ids: &[(Key, i32)], on_record: &[(Dictionary, i32)]) -> Self {
        let dump = Dump {
            ids: ids.iter().cloned().collect(),
            on_record: on_record.iter().copied().collect(),
        };
        self.dumps = vec![dump.clone(), dump];
        self
    }
}

fn refused(history: &History) -> Violation {
    history
        .check()
        .expect_err("a history that no correct collector can produce")
}

#[test]
fn an_empty_history_is_correct() {
    assert_eq!(History::default().check(), Ok(()));
}

#[test]
fn ids_in_the_order_of_the_requests_are_correct() {
    let history = History::default()
        .assigned(application("a"), 0, 1, -1)
        .assigned(application("b"), 2, 3, 2)
        .assigned(application("a"), 4, 5, -1)
        .assigned(instance("a"), 4, 6, 1)
        .assigned(instance("b"), 7, 8, 2)
        .ending(
            &[
                (application("a"), -1),
                (application("b"), 2),
                (instance("a"), 1),
                (instance("b"), 2),
            ],
            &[],
        );
    assert_eq!(history.check(), Ok(()));
}

#[test]
fn overlapping_requests_may_get_ids_in_any_order() {
    let history = History::default()
        .assigned(application("a"), 0, 9, 2)
        .assigned(application("b"), 8, 10, -1)
        .ending(&[(application("a"), 2), (application("b"), -1)], &[]);
    assert_eq!(history.check(), Ok(()));
}

#[test]
fn a_failed_request_may_take_effect_at_any_later_time() {
    for id_of_failed in [-1, 2] {
        let history = History::default()
            .failed(application("a"), 0, 1)
            .assigned(application("b"), 2, 3, 1 - id_of_failed)
            .ending(
                &[
                    (application("a"), id_of_failed),
                    (application("b"), 1 - id_of_failed),
                ],
                &[],
            );
        assert_eq!(history.check(), Ok(()));
    }
}

#[test]
fn adopted_ids_are_skipped() {
    let history = History::default()
        .recovered(-1, 1, 0, 1)
        .assigned(application("a"), 2, 3, 2)
        .assigned(instance("a"), 4, 5, 2)
        .ending(
            &[(application("a"), 2), (instance("a"), 2)],
            &[(Dictionary::Applications, -1), (Dictionary::Instances, 1)],
        );
    assert_eq!(history.check(), Ok(()));
}

#[test]
fn an_id_assigned_before_its_adoption_stays_with_its_key() {
    let history = History::default()
        .assigned(application("a"), 0, 1, -1)
        .assigned(instance("a"), 2, 3, 1)
        .recovered(-1, 1, 4, 5)
        .ending(
            &[(application("a"), -1), (instance("a"), 1)],
            &[(Dictionary::Applications, -1), (Dictionary::Instances, 1)],
        );
    assert_eq!(history.check(), Ok(()));
}

#[test]
fn two_ids_of_one_key_are_refused() {
    let history = History::default()
        .assigned(application("a"), 0, 1, -1)
        .assigned(application("a"), 0, 1, 2);
    assert_eq!(
        refused(&history),
        Violation::TwoIds(application("a"), [-1, 2])
    );
}

#[test]
fn a_member_that_changes_an_id_is_refused() {
    let mut history = History::default()
        .assigned(application("a"), 0, 1, -1)
        .ending(&[(application("a"), -1)], &[]);
    history.dumps[1].ids.insert(application("a"), 2);
    assert_eq!(
        refused(&history),
        Violation::TwoIds(application("a"), [-1, 2])
    );
}

#[test]
fn two_keys_of_one_id_are_refused() {
    let history = History::default()
        .assigned(application("a"), 0, 1, -1)
        .assigned(application("b"), 0, 1, -1);
    assert_eq!(
        refused(&history),
        Violation::TwoKeys(-1, [application("a"), application("b")])
    );
}

#[test]
fn one_number_in_two_dictionaries_is_not_a_collision() {
    let history = History::default()
        .assigned(application("a"), 0, 1, -1)
        .assigned(Key::Address("a".to_owned()), 0, 1, -1)
        .ending(
            &[(application("a"), -1), (Key::Address("a".to_owned()), -1)],
            &[],
        );
    assert_eq!(history.check(), Ok(()));
}

#[test]
fn a_key_that_a_member_lost_is_refused() {
    let mut history = History::default()
        .assigned(application("a"), 0, 1, -1)
        .ending(&[(application("a"), -1)], &[]);
    history.dumps[1].ids.clear();
    assert_eq!(
        refused(&history),
        Violation::ForgottenKey(1, application("a"))
    );
}

#[test]
fn an_adoption_that_a_member_lost_is_refused() {
    let mut history = History::default().recovered(7, 9, 0, 1).ending(
        &[],
        &[(Dictionary::Applications, 7), (Dictionary::Instances, 9)],
    );
    assert_eq!(history.check(), Ok(()));
    history.dumps[1]
        .on_record
        .remove(&(Dictionary::Instances, 9));
    assert_eq!(
        refused(&history),
        Violation::ForgottenAdoption(1, Dictionary::Instances, 9)
    );
}

#[test]
fn an_id_skipped_without_an_adoption_is_refused() {
    let history = History::default()
        .assigned(application("a"), 0, 1, -1)
        .assigned(application("b"), 2, 3, -2)
        .ending(&[(application("a"), -1), (application("b"), -2)], &[]);
    assert_eq!(
        refused(&history),
        Violation::Gap(Dictionary::Applications, 2)
    );
}

#[test]
fn an_id_outside_of_the_sequence_is_refused() {
    for id in [0, 1, i32::MAX] {
        let history = History::default()
            .assigned(application("a"), 0, 1, id)
            .ending(&[(application("a"), id)], &[]);
        assert_eq!(
            refused(&history),
            Violation::Gap(Dictionary::Applications, -1)
        );
    }
}

#[test]
fn an_adopted_id_assigned_to_a_key_is_refused() {
    let history = History::default()
        .recovered(-1, 9, 0, 1)
        .assigned(application("a"), 2, 3, -1)
        .ending(
            &[(application("a"), -1)],
            &[(Dictionary::Applications, -1), (Dictionary::Instances, 9)],
        );
    assert_eq!(
        refused(&history),
        Violation::AdoptedAssigned(-1, application("a"))
    );
}

#[test]
fn an_id_assigned_after_a_later_one_is_refused() {
    let history = History::default()
        .assigned(application("a"), 0, 1, 2)
        .assigned(application("b"), 2, 3, -1)
        .ending(&[(application("a"), 2), (application("b"), -1)], &[]);
    assert_eq!(
        refused(&history),
        Violation::OutOfOrder(Dictionary::Applications, [-1, 2])
    );
}

#[test]
fn an_id_skipped_before_its_adoption_is_refused() {
    let history = History::default()
        .assigned(application("a"), 0, 1, 2)
        .recovered(-1, 9, 2, 3)
        .ending(
            &[(application("a"), 2)],
            &[(Dictionary::Applications, -1), (Dictionary::Instances, 9)],
        );
    assert_eq!(
        refused(&history),
        Violation::OutOfOrder(Dictionary::Applications, [-1, 2])
    );
}
