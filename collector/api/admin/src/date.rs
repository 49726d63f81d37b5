//! The time in an answer (`Date`), from which clients compute ages.
//!
//! The HTTP library would add one too, but while the clock is set back it repeats the last time before that.

use axum::http::HeaderValue;
use jiff::fmt::rfc2822::DateTimePrinter;
use rollcall_domain::Timestamp;
use rollcall_runtime::Clock;

/// The time of the wall clock now; `None` if it is outside of the years that the format has.
pub(super) fn now() -> Option<HeaderValue> {
    header(Clock::start().wall())
}

fn header(time: Timestamp) -> Option<HeaderValue> {
    let time = jiff::Timestamp::from_millisecond(time.millis()).ok()?;
    let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&time);
    HeaderValue::try_from(text.ok()?).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::header::DATE;

    use super::*;
    use crate::secure;

    #[tokio::test]
    async fn every_answer_has_the_time_of_the_wall_clock() {
        let at = |millis| header(Timestamp::from_millis(millis)).unwrap();
        assert_eq!(at(1_525_132_800_999), "Tue, 01 May 2018 00:00:00 GMT");
        assert_eq!(header(Timestamp::from_millis(i64::MAX)), None);
        let before = now().unwrap();
        let answer = secure(Default::default()).await;
        let dates = [before, now().unwrap()];
        assert!(dates.contains(&answer.headers()[DATE]), "{answer:?}");
    }
}
