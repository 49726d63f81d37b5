//! The time limit of a call: the caller's deadline, and for a unary call at most two read timeouts.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tokio::time::{Sleep, sleep};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The time limit of a call. The timer starts when the call first waits, so that a call answered at once does not pay for it.
#[derive(Debug)]
pub(super) struct Deadline {
    limit: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// The earlier of the caller's timeout (`grpc-timeout`) and `limit`.
    pub(super) fn of(headers: &HeaderMap, limit: Option<Duration>) -> Self {
        let callers = headers
            .get(GRPC_TIMEOUT)
            .and_then(|timeout| parse(timeout.as_bytes()));
        Self {
            limit: callers.into_iter().chain(limit).min(),
            timer: None,
        }
    }

    /// No time limit.
    pub(super) const NEVER: Self = Self {
        limit: None,
        timer: None,
    };

    /// Ready once the limit has passed. Returns the limit.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Duration> {
        let Some(limit) = self.limit else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        timer.as_mut().poll(context).map(|()| limit)
    }
}

/// Parses at most eight digits and a unit, as in gRPC over HTTP/2; `None` for anything else.
fn parse(timeout: &[u8]) -> Option<Duration> {
    let (unit, digits) = timeout.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(value * 3600),
        b'M' => Duration::from_secs(value * 60),
        b'S' => Duration::from_secs(value),
        b'm' => Duration::from_millis(value),
        b'u' => Duration::from_micros(value),
        b'n' => Duration::from_nanos(value),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::Instant;

    use super::*;

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("30S", Some(Duration::from_secs(30))),
            ("29999999u", Some(Duration::from_micros(29_999_999))),
            ("5m", Some(Duration::from_millis(5))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("", None),
            ("S", None),
            ("5", None),
            ("+5S", None),
            ("5 S", None),
            ("123456789S", None),
            ("5s", None),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_earlier_limit_counts_from_the_first_wait() {
        let (short, long) = (Duration::from_secs(5), Duration::from_secs(60));
        for (header, limit, expected) in [
            (Some("5S"), Some(long), short),
            (Some("1H"), Some(long), long),
            (Some("5S"), None, short),
            (None, Some(long), long),
        ] {
            let headers = header.map(|text| (GRPC_TIMEOUT, text.parse().unwrap()));
            let headers = HeaderMap::from_iter(headers);
            let mut deadline = Deadline::of(&headers, limit);
            let start = Instant::now();
            let passed = poll_fn(|context| deadline.poll(context)).await;
            assert_eq!(passed, expected);
            assert!(start.elapsed() >= expected);
        }
    }
}
