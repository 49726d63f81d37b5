//! The checker itself: it accepts what a sequential collector can have done, and refuses a history for each way to break it.

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

fn operation(request: Request, sent: u64, ended: u64, answer: Result<Answer, String>) -> Operation {
    Operation {
        member: 0,
        request,
        sent: ms(sent),
        ended: ms(ended),
        answer,
    }
}

impl History {
    /// `key` was asked for and was `id`.
    fn assigned(mut self, key: Key, sent: u64, ended: u64, id: i32) -> Self {
        let answer = Ok(Answer::Id(id));
        self.operations
            .push(operation(Request::Assign(key), sent, ended, answer));
        self
    }

    /// `key` was asked for, and whether it has an id is not known.
    fn failed(mut self, key: Key, sent: u64, ended: u64) -> Self {
        let answer = Err("unavailable".to_owned());
        self.operations
            .push(operation(Request::Assign(key), sent, ended, answer));
        self
    }

    /// An agent told the ids that it holds.
    fn recovered(mut self, application: i32, instance: i32, sent: u64, ended: u64) -> Self {
        let request = Request::Recover {
            application,
            instance,
        };
        self.operations
            .push(operation(request, sent, ended, Ok(Answer::Recorded)));
        self
    }

    /// Every one of two members knows this at the end.
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
        .expect_err("a history that no collector has")
}

#[test]
fn an_empty_history_is_correct() {
    assert_eq!(History::default().check(), Ok(()));
}

#[test]
fn keys_that_are_given_the_sequence_in_the_order_of_their_questions_are_correct() {
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
fn questions_that_overlap_may_be_given_ids_in_any_order() {
    let history = History::default()
        .assigned(application("a"), 0, 9, 2)
        .assigned(application("b"), 8, 10, -1)
        .ending(&[(application("a"), 2), (application("b"), -1)], &[]);
    assert_eq!(history.check(), Ok(()));
}

#[test]
fn what_failed_may_have_happened_at_any_time_since() {
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
fn adopted_ids_are_passed_over() {
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
fn an_id_that_was_given_before_it_was_brought_along_is_its_key_s() {
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
fn one_number_in_two_dictionaries_is_no_collision() {
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
fn a_key_that_a_member_has_forgotten_is_refused() {
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
fn an_adoption_that_a_member_has_forgotten_is_refused() {
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
fn an_id_that_is_passed_over_for_no_agent_is_refused() {
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
fn an_id_out_of_the_sequence_is_refused() {
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
fn an_adopted_id_that_is_given_to_a_key_is_refused() {
    let history = History::default()
        .recovered(-1, 9, 0, 1)
        .assigned(application("a"), 2, 3, -1)
        .ending(
            &[(application("a"), -1)],
            &[(Dictionary::Applications, -1), (Dictionary::Instances, 9)],
        );
    assert_eq!(
        refused(&history),
        Violation::AdoptedGiven(-1, application("a"))
    );
}

#[test]
fn an_id_from_before_one_that_was_known_already_is_refused() {
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
fn an_id_that_is_passed_over_for_a_later_adoption_is_refused() {
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
