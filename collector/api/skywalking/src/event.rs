//! The names of the events that a Java agent of 8.5 and later sends about its own process.

/// The announcement of an agent about its own process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Announcement {
    /// The process has started, or has connected again.
    Start,
    /// The process stops on purpose. It is the last message of the agent.
    Shutdown,
}

impl Announcement {
    /// The announcement in an event with this name. Operators and platforms send other events, even about processes that no longer
    /// run, so other events are not signs of life.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"Start" => Some(Self::Start),
            b"Shutdown" => Some(Self::Shutdown),
            _ => None,
        }
    }
}
