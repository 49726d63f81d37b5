//! The last events of this run, numbered from 1.

use std::collections::VecDeque;

use rollcall_domain::Timestamp;

use super::Event;

/// An event and its number.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub number: u64,
    pub event: Event,
}

/// The successor of an event.
#[derive(Clone, Debug)]
pub enum Next {
    /// The next event.
    Event(Recorded),
    /// The number of events that the history no longer holds.
    Lost(u64),
}

/// A bounded history. The numbers of its events have no gaps.
#[derive(Debug)]
pub(super) struct History {
    events: VecDeque<Event>,
    capacity: usize,
    /// The number of the newest event; 0 if there was none.
    newest: u64,
}

impl History {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            events: VecDeque::new(),
            capacity,
            newest: 0,
        }
    }

    /// Adds an event and returns its number.
    pub(super) fn add(&mut self, event: Event) -> u64 {
        if self.events.len() >= self.capacity {
            self.events.pop_front();
        }
        self.events.push_back(event);
        self.newest += 1;
        self.newest
    }

    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// The successor of the event with this number; `None` if it is the newest.
    pub(super) fn after(&self, number: u64) -> Option<Next> {
        if number >= self.newest {
            return None;
        }
        let lost = self.forgotten().saturating_sub(number);
        if lost > 0 {
            return Some(Next::Lost(lost));
        }
        let at = usize::try_from(number - self.forgotten()).ok()?;
        let event = self.events.get(at)?.clone();
        Some(Next::Event(Recorded {
            number: number + 1,
            event,
        }))
    }

    /// The number of the last event before this time; 0 if all kept events are later, even if earlier ones were dropped.
    pub(super) fn before(&self, time: Timestamp) -> u64 {
        // The clock may have been set back, so the first event at or after the time decides.
        let later = self.events.iter().position(|event| event.at() >= time);
        match later {
            Some(0) => 0,
            Some(later) => self.forgotten() + count(later),
            None => self.newest,
        }
    }

    /// How many events were dropped, which is the number of the newest of them.
    fn forgotten(&self) -> u64 {
        self.newest - count(self.events.len())
    }
}

fn count(events: usize) -> u64 {
    u64::try_from(events).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{super::Shared, *};

    fn event(millis: i64) -> Event {
        Event::Agreement {
            at: Timestamp::from_millis(millis),
            about: Shared::Roster,
            agrees: true,
        }
    }

    /// Four events at 10, 20, 30 and 40, of which the last three are kept.
    fn history() -> History {
        let mut history = History::new(3);
        for (at, number) in [(10, 1), (20, 2), (30, 3), (40, 4)] {
            assert_eq!(history.add(event(at)), number);
        }
        history
    }

    fn next(history: &History, after: u64) -> String {
        match history.after(after) {
            None => "end".to_owned(),
            Some(Next::Lost(lost)) => format!("{lost} lost"),
            Some(Next::Event(Recorded { number, event })) => {
                format!("{number} at {}", event.at().millis())
            }
        }
    }

    #[test]
    fn events_come_in_order_after_those_that_are_lost() {
        let history = history();
        let seen: Vec<_> = (0..6).map(|after| next(&history, after)).collect();
        assert_eq!(
            seen,
            ["1 lost", "2 at 20", "3 at 30", "4 at 40", "end", "end"]
        );
        assert_eq!(next(&History::new(3), 0), "end");
        assert_eq!(history.events.len(), 3);
    }

    #[test]
    fn a_time_leads_to_the_first_event_at_or_after_it() {
        let history = history();
        let after = |millis| next(&history, history.before(Timestamp::from_millis(millis)));
        assert_eq!(after(0), "1 lost");
        assert_eq!(after(20), "1 lost", "one of that time may be lost");
        assert_eq!([21, 30, 31].map(after), ["3 at 30", "3 at 30", "4 at 40"]);
        assert_eq!(after(41), "end");
        let empty = History::new(3);
        assert_eq!(empty.before(Timestamp::from_millis(0)), 0);
    }
}
