//! The maximum age of a connection.

use std::time::Duration;

use super::value::{parse_duration, print_duration};

/// The maximum age of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaxAge {
    /// [`MaxAge::IN_A_CLUSTER`] in a cluster, so that agents spread over all members again after a member restarts. No limit for a
    /// single collector.
    #[default]
    Automatic,
    /// No limit.
    Off,
    /// This long.
    After(Duration),
}

impl MaxAge {
    /// The automatic age in a cluster.
    pub const IN_A_CLUSTER: Duration = Duration::from_secs(30 * 60);

    /// The age limit of a collector with or without a cluster; `None` for no limit.
    #[must_use]
    pub fn resolve(self, is_cluster: bool) -> Option<Duration> {
        match self {
            Self::Automatic => is_cluster.then_some(Self::IN_A_CLUSTER),
            Self::Off => None,
            Self::After(age) => Some(age),
        }
    }

    /// Parses a duration, `off`, or an empty text.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "" => Ok(Self::Automatic),
            "off" => Ok(Self::Off),
            text => parse_duration(text).map(Self::After).or(Err(
                "a duration with a unit, at most 8784h: 30m, 1h; off for no limit, or nothing",
            )),
        }
    }

    /// The text that [`MaxAge::parse`] parses to this age.
    pub(super) fn print(self) -> String {
        match self {
            Self::Automatic => String::new(),
            Self::Off => "off".to_owned(),
            Self::After(age) => print_duration(age),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_automatic_off_or_a_duration() {
        let hour = Duration::from_secs(3600);
        for (text, age, in_a_cluster, alone) in [
            ("", MaxAge::Automatic, Some(MaxAge::IN_A_CLUSTER), None),
            ("off", MaxAge::Off, None, None),
            ("1h", MaxAge::After(hour), Some(hour), Some(hour)),
        ] {
            assert_eq!(MaxAge::parse(text), Ok(age));
            assert_eq!(age.print(), text);
            assert_eq!(
                (age.resolve(true), age.resolve(false)),
                (in_a_cluster, alone)
            );
        }
        assert!(MaxAge::parse("0s").is_err() && MaxAge::parse("never").is_err());
    }
}
