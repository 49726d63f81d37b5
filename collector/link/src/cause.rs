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
        if let Some(error) = error.downcast_ref::<h2::Error>()
            && error.is_go_away()
            && error.is_library()
        {
            return of_own_goaway(error.reason());
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

/// The cause of an end for which HTTP/2 sent a GOAWAY of its own.
fn of_own_goaway(reason: Option<Reason>) -> Cause {
    match reason {
        Some(Reason::ENHANCE_YOUR_CALM) => Cause::OverLimit,
        _ => Cause::Violation,
    }
}
