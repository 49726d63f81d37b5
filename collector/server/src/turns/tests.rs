use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use super::*;

/// A task that counts how often it is woken.
#[derive(Debug, Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn task() -> (Arc<Task>, Waker) {
    let task = Arc::new(Task::default());
    (Arc::clone(&task), task.into())
}

#[test]
fn a_part_that_wakes_itself_is_polled_again_at_once() {
    let (task, waker) = task();
    let (mut turns, mut context) = (Turns::default(), Context::from_waker(&waker));
    let mut polls = 0;
    let polled: Poll<()> = turns.poll(&mut context, |context| {
        polls += 1;
        if polls == 1 {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    });
    assert!(polled.is_pending());
    assert_eq!(polls, 2);
    assert_eq!(task.0.load(Relaxed), 0, "nothing is left to do");
}

#[test]
fn a_part_that_does_not_rest_leaves_turns_to_other_tasks() {
    let (task, waker) = task();
    let (mut turns, mut context) = (Turns::default(), Context::from_waker(&waker));
    for turn in 1..=2 {
        let mut polls = 0;
        let polled: Poll<()> = turns.poll(&mut context, |context| {
            polls += 1;
            context.waker().wake_by_ref();
            Poll::Pending
        });
        assert!(polled.is_pending());
        assert_eq!((polls, task.0.load(Relaxed)), (POLLS, turn));
    }
}

#[test]
fn a_part_that_rests_wakes_the_task_once() {
    let (task, waker) = task();
    let (mut turns, mut context) = (Turns::default(), Context::from_waker(&waker));
    let mut own = None;
    let polled: Poll<()> = turns.poll(&mut context, |context| {
        own = Some(context.waker().clone());
        Poll::Pending
    });
    assert!(polled.is_pending());
    let own = own.unwrap();
    own.wake_by_ref();
    own.wake_by_ref();
    assert_eq!(task.0.load(Relaxed), 1);
}

#[test]
fn a_part_that_was_not_woken_is_not_polled() {
    let (task, waker) = task();
    let mut context = Context::from_waker(&waker);
    let (mut turns, mut polls, mut own) = (Turns::default(), 0, None);
    let mut poll = |turns: &mut Turns, context: &mut Context<'_>| {
        let polled: Poll<()> = turns.poll_woken(context, |context| {
            polls += 1;
            own = Some(context.waker().clone());
            Poll::Pending
        });
        assert!(polled.is_pending());
        (polls, own.clone())
    };
    assert_eq!(poll(&mut turns, &mut context).0, 1, "the first time");
    let (polls, own) = poll(&mut turns, &mut context);
    assert_eq!(polls, 1);
    own.unwrap().wake();
    assert_eq!(task.0.load(Relaxed), 1);
    assert_eq!(poll(&mut turns, &mut context).0, 2);
    assert_eq!(poll(&mut turns, &mut context).0, 2);
}

#[test]
fn a_part_follows_its_task() {
    let (_first, first) = task();
    let (second, waker) = task();
    let (mut turns, mut own) = (Turns::default(), None);
    for waker in [&first, &waker] {
        let polled: Poll<()> = turns.poll_woken(&mut Context::from_waker(waker), |context| {
            own = Some(context.waker().clone());
            Poll::Pending
        });
        assert!(polled.is_pending());
    }
    own.unwrap().wake();
    assert_eq!(second.0.load(Relaxed), 1);
}
