//! The beat terms that an instance's metadata requests.

use std::time::Duration;

use super::Metadata;

/// The beat interval of an instance, and the consequences of missing beats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beats {
    /// The interval that the metadata requests; `None` if it requests none.
    pub interval: Option<Duration>,
    /// After this long without a beat the instance is unhealthy.
    pub unhealthy_after: Duration,
    /// After this long without a beat the instance is removed.
    pub removed_after: Duration,
}

/// The interval if neither metadata nor switches set one.
pub const DEFAULT_BEAT_INTERVAL: Duration = Duration::from_secs(5);
const UNHEALTHY_AFTER: Duration = Duration::from_secs(15);
const REMOVED_AFTER: Duration = Duration::from_secs(30);
/// The longest term; longer ones are cut.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

impl Default for Beats {
    fn default() -> Self {
        Self {
            interval: None,
            unhealthy_after: UNHEALTHY_AFTER,
            removed_after: REMOVED_AFTER,
        }
    }
}

impl Beats {
    pub(super) fn is_consistent(&self) -> bool {
        self.interval
            .is_none_or(|i| i <= self.unhealthy_after && i <= self.removed_after)
    }
}

impl Metadata {
    /// The beat terms from the reserved keys `preserved.heart.beat.interval`, `preserved.heart.beat.timeout` and
    /// `preserved.ip.delete.timeout`, in milliseconds. A value that contains anything but digits counts as absent.
    #[must_use]
    pub fn beats(&self) -> Beats {
        let millis = |key| {
            let text = self.get(key)?;
            let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| {
                let millis = text.parse().unwrap_or(u64::MAX);
                Duration::from_millis(millis).min(LONGEST)
            })
        };
        if self.is_empty() {
            return Beats::default();
        }
        Beats {
            interval: millis("preserved.heart.beat.interval"),
            unhealthy_after: millis("preserved.heart.beat.timeout").unwrap_or(UNHEALTHY_AFTER),
            removed_after: millis("preserved.ip.delete.timeout").unwrap_or(REMOVED_AFTER),
        }
    }
}
