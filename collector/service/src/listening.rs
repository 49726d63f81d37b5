//! The listening period after a lost store.
//!
//! A collector that starts on an empty store, or on an older copy of its store, cannot know which ids its predecessor assigned.
//! Running agents up to 7.0 hold such ids, and use them in their next sign of life. The collector therefore listens for a while: it
//! adopts the ids that agents hold, and assigns no new ids to agents that use them. These agents get the answer "not yet" of their
//! generation and retry. Known names are answered, and agents of 8.0 and later, which use no ids, register as usual.
//!
//! The period begins when the first agent names an id that an empty store has never assigned. It begins at the start if other
//! files of the data directory show that a store was lost, and at every start with `Mode::Always`. A period that was cut short by a
//! stop begins again at the next start, until the store has assigned an id or a whole period has passed.
//!
//! Two agents can still hold one id in two cases: it was assigned before the first sign of life arrived, or its holder sends
//! nothing during the whole period. `Mode::Always` closes the first gap, a longer period the second.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use rollcall_metrics::Metrics;
use tokio::time::Instant;

use super::readiness::Readiness;

/// When a collector listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// After a start on an empty store, once an agent names an id that the store has never assigned; from the start, if an
    /// earlier store was lost.
    #[default]
    Auto,
    /// After every start, also on a store that is not empty: it may be a restored copy that lacks the latest ids.
    Always,
    /// After no start: new ids are assigned at once.
    Never,
}

/// When and for how long a collector listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// When a listening period begins.
    pub mode: Mode,
    /// How long it lasts.
    pub period: Duration,
}

/// The store at the start of a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// It has rows.
    Known,
    /// It is empty, perhaps because it is new.
    Empty,
    /// It is empty and replaces one that was lost.
    Lost,
}

/// The state of the listening period (see the module's documentation).
#[derive(Debug)]
pub(super) struct Listening {
    period: Duration,
    /// Whether new ids are withheld at present. Read for each new name.
    is_on: AtomicBool,
    /// Whether a period after a lost store has ended and the store does not know it yet.
    has_outlived_loss: AtomicBool,
    phase: Mutex<Phase>,
    readiness: Readiness,
    refused: Counter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Off,
    /// Waits for the first unknown id.
    Armed {
        until: Instant,
    },
    On {
        until: Instant,
        /// Whether the period began because a store was lost.
        is_after_loss: bool,
    },
}

/// The time after a start during which an unknown id indicates a lost store.
const ARMED: Duration = Duration::from_secs(600);
/// The readiness condition.
const LISTENING: &str = "listening";
/// The causes of a listening period.
const EMPTY: &str = "the store is empty and agents may hold ids of an earlier one";
const COPY: &str = "the store may be an older copy and agents may hold later ids";
const LOST: &str = "the store of earlier runs is missing and agents may hold ids of it";

impl Listening {
    /// The state at the start of a collector.
    pub(super) fn new(
        config: Config,
        store: Beginning,
        readiness: Readiness,
        metrics: &Metrics,
    ) -> Self {
        let listening = Self {
            period: config.period,
            is_on: AtomicBool::new(false),
            has_outlived_loss: AtomicBool::new(false),
            phase: Mutex::new(Phase::Off),
            readiness,
            refused: metrics.dropped("registrations_while_listening"),
        };
        let cause = match (config.mode, store) {
            (Mode::Never, _) | (Mode::Auto, Beginning::Known) => None,
            (Mode::Auto, Beginning::Empty) => {
                let until = Instant::now() + ARMED;
                *listening.phase.lock() = Phase::Armed { until };
                None
            }
            (Mode::Auto | Mode::Always, Beginning::Lost) => Some(LOST),
            (Mode::Always, Beginning::Empty) => Some(EMPTY),
            (Mode::Always, Beginning::Known) => Some(COPY),
        };
        if let Some(cause) = cause {
            listening.begin(&mut listening.phase.lock(), cause);
        }
        listening
    }

    /// Records that an agent up to 7.0 holds an id that this store has never assigned.
    pub(super) fn observe_unknown_id(&self) {
        let mut phase = self.phase.lock();
        if let Phase::Armed { until } = *phase {
            if Instant::now() < until {
                self.begin(&mut phase, EMPTY);
            } else {
                *phase = Phase::Off;
            }
        }
    }

    /// Whether new ids for agents are withheld at present. Counts the `new` ids that were refused.
    pub(super) fn refuses(&self, new: usize) -> bool {
        if !self.is_on.load(Ordering::Acquire) || !self.is_still_on() {
            return false;
        }
        self.refused.inc_by(u64::try_from(new).unwrap_or(u64::MAX));
        true
    }

    /// Whether the collector listens; ends the period when it is over.
    pub(super) fn is_still_on(&self) -> bool {
        let mut phase = self.phase.lock();
        match *phase {
            Phase::On {
                until,
                is_after_loss,
            } if Instant::now() >= until => {
                *phase = Phase::Off;
                self.has_outlived_loss
                    .store(is_after_loss, Ordering::Relaxed);
                self.is_on.store(false, Ordering::Release);
                self.readiness.met(LISTENING);
                tracing::info!("listening period ended, new ids are assigned again");
                false
            }
            Phase::On { .. } => true,
            Phase::Off | Phase::Armed { .. } => false,
        }
    }

    /// Whether a period after a lost store has ended since the last call.
    pub(super) fn take_outlived_loss(&self) -> bool {
        self.has_outlived_loss.swap(false, Ordering::Relaxed)
    }

    fn begin(&self, phase: &mut Phase, cause: &'static str) {
        let period = self.period;
        let until = Instant::now() + period;
        *phase = Phase::On {
            until,
            is_after_loss: cause == LOST,
        };
        self.is_on.store(true, Ordering::Release);
        tracing::warn!(
            ?period,
            "{cause}: listening, new ids for agents up to 7.0 are assigned when the period ends"
        );
        let reason = format!(
            "{cause}: until the listening period ends (register.default.listening_period) new names of agents up to 7.0 get no ids"
        );
        self.readiness.degraded(LISTENING, reason);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(60);

    fn listening(mode: Mode, store: Beginning) -> (Listening, Readiness) {
        let (readiness, metrics) = (Readiness::default(), Metrics::new());
        let config = Config {
            mode,
            period: PERIOD,
        };
        let listening = Listening::new(config, store, readiness.clone(), &metrics);
        (listening, readiness)
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_store_listens_from_the_first_unknown_id_for_one_period() {
        let (listening, readiness) = listening(Mode::Auto, Beginning::Empty);
        assert!(
            !listening.refuses(1),
            "a new installation assigns ids at once"
        );
        listening.observe_unknown_id();
        assert!(listening.refuses(3) && readiness.is_degraded(LISTENING));
        advance(PERIOD - Duration::from_millis(1)).await;
        listening.observe_unknown_id();
        assert!(listening.refuses(1));
        advance(Duration::from_millis(1)).await;
        assert!(!listening.refuses(1) && !readiness.is_degraded(LISTENING));
        assert_eq!(listening.refused.get(), 4);
        listening.observe_unknown_id();
        assert!(!listening.refuses(1), "once for each start");
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_with_rows_a_late_id_and_never_do_not_listen() {
        for (mode, store) in [
            (Mode::Auto, Beginning::Known),
            (Mode::Never, Beginning::Known),
            (Mode::Never, Beginning::Empty),
            (Mode::Never, Beginning::Lost),
        ] {
            let (listening, _) = listening(mode, store);
            listening.observe_unknown_id();
            assert!(!listening.refuses(1), "{mode:?}");
        }
        let (late, _) = listening(Mode::Auto, Beginning::Empty);
        advance(ARMED).await;
        late.observe_unknown_id();
        assert!(!late.refuses(1));
        for store in [Beginning::Known, Beginning::Empty, Beginning::Lost] {
            let (always, _) = listening(Mode::Always, store);
            assert!(always.refuses(1), "{store:?}");
        }
        let (lost, readiness) = listening(Mode::Auto, Beginning::Lost);
        assert!(lost.refuses(1) && readiness.is_degraded(LISTENING));
        advance(PERIOD).await;
        assert!(!lost.refuses(1));
    }
}
