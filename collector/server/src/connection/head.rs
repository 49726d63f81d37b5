//! Limits the time for the head of an HTTP/1 request, which is also the idle time between two requests.
//!
//! hyper has such a limit, but it adds a timer to the runtime for each request and removes it again. Here one timer checks the
//! connection a few times within the limit, for any number of requests.

use std::io;
use std::time::Duration;

use axum::BoxError;
use tokio::time::sleep;

use crate::traffic::Traffic;

/// The number of checks within the limit. A connection may be idle for one interval between checks longer than the limit.
const PARTS: u32 = 8;

/// Completes with an error once the connection has had no request for `limit`.
pub(super) async fn overdue(traffic: &Traffic, limit: Duration) -> BoxError {
    let (mut begun, mut idle) = (traffic.begun(), 0);
    while idle < PARTS {
        sleep(limit / PARTS).await;
        let is_idle = traffic.begun() == begun && traffic.awaits_request();
        idle = if is_idle { idle + 1 } else { 0 };
        begun = traffic.begun();
    }
    io::Error::new(io::ErrorKind::TimedOut, "no request arrived in time").into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::Serving;
    use crate::protocol::Protocol;
    use crate::tests::traffic_of;

    const LIMIT: Duration = Duration::from_secs(8);
    const PART: Duration = Duration::from_secs(1);

    fn traffic() -> Arc<Traffic> {
        traffic_of(Serving::generous(), Protocol::Http1)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_request_has_the_whole_limit_and_the_next_one_at_most_a_part_more() {
        let traffic = traffic();
        let start = Instant::now();
        let before = timeout(LIMIT - PART / 2, overdue(&traffic, LIMIT)).await;
        assert!(before.is_err());
        let requests = async {
            for _ in 0..20 {
                sleep(LIMIT / 2).await;
                drop(traffic.begin().unwrap().answer());
            }
            Instant::now()
        };
        let (last, ended) = tokio::join!(requests, async {
            overdue(&traffic, LIMIT).await;
            Instant::now()
        });
        assert!(last - start >= 10 * LIMIT);
        let idle = ended - last;
        assert!(idle >= LIMIT && idle <= LIMIT + PART + PART / 2, "{idle:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_progress_and_a_lingering_connection_are_not_idle() {
        let traffic = traffic();
        let working = traffic.begin().unwrap();
        assert!(timeout(3 * LIMIT, overdue(&traffic, LIMIT)).await.is_err());
        let answering = working.answer();
        assert!(timeout(3 * LIMIT, overdue(&traffic, LIMIT)).await.is_err());
        let unread = answering.piece();
        drop(answering);
        assert!(timeout(3 * LIMIT, overdue(&traffic, LIMIT)).await.is_err());
        drop(unread);
        assert!(timeout(2 * LIMIT, overdue(&traffic, LIMIT)).await.is_ok());
        traffic.end();
        assert!(timeout(3 * LIMIT, overdue(&traffic, LIMIT)).await.is_err());
    }
}
