//! The time of an agent's clock in a body. It is only evidence, so a value that is not a time counts as absent.

use std::fmt;

use rollcall_domain::Timestamp;
use rollcall_service::heartbeat::agent_time;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A time in milliseconds: a number, which Lua may write with a fraction, or its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment(pub(super) Option<Timestamp>);

struct Moments;

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Moments)
    }
}

impl<'de> Visitor<'de> for Moments {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time in milliseconds")
    }

    fn visit_i64<E>(self, millis: i64) -> Result<Moment, E> {
        Ok(Moment(agent_time(millis)))
    }

    fn visit_u64<E>(self, millis: u64) -> Result<Moment, E> {
        Ok(Moment(i64::try_from(millis).ok().and_then(agent_time)))
    }

    fn visit_f64<E>(self, millis: f64) -> Result<Moment, E> {
        Ok(of_text(&format!("{millis:.0}")))
    }

    fn visit_str<E>(self, text: &str) -> Result<Moment, E> {
        Ok(of_text(text))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Moment, E> {
        Ok(Moment(None))
    }

    fn visit_unit<E>(self) -> Result<Moment, E> {
        Ok(Moment(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Moment, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Moment(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Moment, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Moment(None))
    }
}

fn of_text(text: &str) -> Moment {
    Moment(text.parse().ok().and_then(agent_time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_where_there_is_one_and_nothing_is_refused() {
        let read = |text: &str| serde_json::from_str::<Moment>(text).unwrap().0;
        let time = Some(Timestamp::from_millis(1_700_000_000_123));
        for text in ["1700000000123", "1700000000122.9", "\"1700000000123\""] {
            assert_eq!(read(text), time, "{text}");
        }
        for text in [
            "0",
            "-1",
            "1e300",
            "\"now\"",
            "true",
            "null",
            "[1]",
            "{\"a\":[1]}",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
