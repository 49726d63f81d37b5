//! Parses the start of a feed.

use rollcall_domain::Timestamp;
use rollcall_server::face::Refusal;
use rollcall_service::events::Feed;

/// The start of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Start {
    /// After the event with this number; now if `None`.
    pub(super) after: Option<u64>,
    /// Whether the client's last event belongs to another series of numbers (that of a run without a journal, for instance), or is
    /// later than every event of this series. The number of missed events is then unknown.
    pub(super) is_of_another_series: bool,
}

/// Parses the id of an event, which is the series and the number, or a time.
///
/// # Errors
/// 400: the text is neither.
pub(super) async fn parse(text: &str, feed: &Feed) -> Result<Start, Refusal> {
    if let Some((series, number)) = id(text) {
        let is_of_another_series = series != feed.series() || number > feed.newest();
        return Ok(Start {
            after: Some(if is_of_another_series { 0 } else { number }),
            is_of_another_series,
        });
    }
    let time: jiff::Timestamp = text.parse().map_err(|_no_time| {
        let allowed = "must be the id of an event, or a time such as 2026-01-31T12:00:00Z";
        Refusal::invalid("since", allowed)
    })?;
    Ok(Start {
        after: Some(
            feed.before(Timestamp::from_millis(time.as_millisecond()))
                .await,
        ),
        is_of_another_series: false,
    })
}

fn id(text: &str) -> Option<(i64, u64)> {
    let (series, number) = text.split_once('-')?;
    Some((series.parse().ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use rollcall_service::events::{CollectorEvent, Config};

    use super::*;

    async fn start(text: &str) -> Option<(Option<u64>, bool)> {
        let config = Config {
            backlog: 10,
            per_peer: 1_000,
            per_instance: 1,
            memory: 1 << 20,
            journal_size: 0,
        };
        let feed = Feed::new(&config, 1_000);
        for _ in 0..9 {
            let event = CollectorEvent::Stalled { late_ms: 1 };
            feed.collector(Timestamp::from_millis(0), event);
        }
        let start = parse(text, &feed).await.ok()?;
        Some((start.after, start.is_of_another_series))
    }

    #[tokio::test]
    async fn the_feed_resumes_after_an_id_of_its_numbering() {
        assert_eq!(start("1000-7").await, Some((Some(7), false)));
        assert_eq!(start("999-7").await, Some((Some(0), true)));
        assert_eq!(start("1000-10").await, Some((Some(0), true)));
    }

    #[tokio::test]
    async fn a_time_begins_with_the_events_after_it() {
        for time in ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123+02:00"] {
            assert_eq!(start(time).await, Some((Some(9), false)), "{time}");
        }
        assert_eq!(start("1969-01-31T12:00:00Z").await, Some((Some(0), false)));
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
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
            assert_eq!(start(text).await, None, "{text}");
        }
    }
}
