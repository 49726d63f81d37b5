//! Parses the start of a feed.

use rollcall_domain::Timestamp;
use rollcall_server::face::Refusal;
use rollcall_service::events::Feed;

/// The start of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Start {
    /// After the event with this number; now if `None`.
    pub(super) after: Option<u64>,
    /// Whether the client's last event is from an earlier run; the number of events that it missed is then unknown.
    pub(super) is_of_another_run: bool,
}

/// Parses the id of an event, which is the run and the number, or a time.
///
/// # Errors
/// 400: the text is neither.
pub(super) fn parse(text: &str, feed: &Feed, run: i64) -> Result<Start, Refusal> {
    if let Some((of_run, number)) = id(text) {
        let is_of_another_run = of_run != run;
        return Ok(Start {
            after: Some(if is_of_another_run { 0 } else { number }),
            is_of_another_run,
        });
    }
    let time: jiff::Timestamp = text.parse().map_err(|_no_time| {
        let allowed = "must be the id of an event, or a time such as 2026-01-31T12:00:00Z";
        Refusal::invalid("since", allowed)
    })?;
    Ok(Start {
        after: Some(feed.before(Timestamp::from_millis(time.as_millisecond()))),
        is_of_another_run: false,
    })
}

fn id(text: &str) -> Option<(i64, u64)> {
    let (run, number) = text.split_once('-')?;
    Some((run.parse().ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(text: &str) -> Option<(Option<u64>, bool)> {
        let start = parse(text, &Feed::new(10), 1_000).ok()?;
        Some((start.after, start.is_of_another_run))
    }

    #[test]
    fn the_feed_resumes_after_an_id_of_this_run() {
        assert_eq!(start("1000-7"), Some((Some(7), false)));
        assert_eq!(start("999-7"), Some((Some(0), true)));
    }

    #[test]
    fn a_time_begins_with_the_events_after_it() {
        for time in ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123+02:00"] {
            assert_eq!(start(time), Some((Some(0), false)), "{time}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "7",
            "now",
            "-7",
            "1000-",
            "1000-x",
            "2026-01-31",
            "12:00",
        ] {
            assert_eq!(start(text), None, "{text}");
        }
    }
}
