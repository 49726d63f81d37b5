//! Why a connection ended.

use std::{error::Error, io};

use h2::Reason;
use rollcall_domain::liveness::Cause;

/// The cause of a connection's end, from its error.
pub(super) fn of(error: &(dyn Error + 'static)) -> Cause {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if error.is_timeout() {
                return Cause::Timeout;
            }
            if error.is_parse() {
                return Cause::Violation;
            }
        }
        if let Some(cause) = goaway_cause(error) {
            return cause;
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return match error.kind() {
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe => Cause::Reset,
                io::ErrorKind::UnexpectedEof | io::ErrorKind::NotConnected => Cause::ClosedByPeer,
                // The system gave up, because no retransmission was acknowledged.
                io::ErrorKind::TimedOut if error.raw_os_error().is_some() => Cause::Unreachable,
                io::ErrorKind::TimedOut => Cause::Timeout,
                _ => Cause::Broken,
            };
        }
        if error.source().is_none() {
            // HTTP/2 errors hide the system's error in their text.
            let text = error.to_string().to_ascii_lowercase();
            if text.contains("reset by peer") || text.contains("broken pipe") {
                return Cause::Reset;
            }
        }
        at = error.source();
    }
    Cause::Broken
}

/// The cause of an end for which this server's HTTP/2 library sent a GOAWAY. `None` if the error is about another end. The error may
/// be the source of this one.
#[must_use]
pub fn own_goaway(error: &(dyn Error + 'static)) -> Option<Cause> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(cause) = goaway_cause(error) {
            return Some(cause);
        }
        at = error.source();
    }
    None
}

fn goaway_cause(error: &(dyn Error + 'static)) -> Option<Cause> {
    let error = error.downcast_ref::<h2::Error>()?;
    if !error.is_go_away() || !error.is_library() {
        return None;
    }
    Some(match error.reason() {
        // Part of an orderly end.
        Some(Reason::NO_ERROR) => return None,
        Some(Reason::ENHANCE_YOUR_CALM) => Cause::OverLimit,
        _ => Cause::Violation,
    })
}
