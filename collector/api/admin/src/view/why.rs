//! Explains the state of an instance: the evidence and the rule.

use std::fmt::Write as _;

use rollcall_domain::liveness::{Cause, Signal, State};
use rollcall_service::roster::InstanceStatus;
use serde::Serialize;

use super::{millis, signal, time};

/// Why an instance is in its state.
#[derive(Debug, Serialize)]
pub(super) struct Why {
    /// The explanation as a sentence.
    sentence: String,
    /// The evidence: the last signal.
    last_signal: &'static str,
    last_seen_at: String,
    /// Whether this run of this collector received the signal itself, rather than another collector or an earlier run.
    observed_here: bool,
    /// The end of the connection that the signal came on; `null` while it is open, or if it is not known here.
    connection: Option<Connection>,
    /// The usual interval between signals of its agent, in milliseconds; `null` if not observed.
    usual_interval_ms: Option<u64>,
    /// The rule: the time without a signal before it is silent and before it is down, in milliseconds.
    silent_after_ms: u64,
    down_after_ms: u64,
}

#[derive(Debug, Serialize)]
struct Connection {
    closed_at: String,
    cause: &'static str,
}

impl Why {
    pub(super) fn of(status: &InstanceStatus) -> Self {
        let closed = status.closed.as_ref();
        Self {
            sentence: sentence(status),
            last_signal: signal(status.signal),
            last_seen_at: time(status.last_seen),
            observed_here: !status.relayed,
            connection: closed.map(|(at, cause)| Connection {
                closed_at: time(*at),
                cause: word(*cause),
            }),
            usual_interval_ms: Some(millis(status.usual)).filter(|usual| *usual > 0),
            silent_after_ms: millis(status.terms.silent_after),
            down_after_ms: millis(status.terms.down_after),
        }
    }
}

fn sentence(status: &InstanceStatus) -> String {
    let signal = match status.signal {
        Signal::Register => "its registration",
        Signal::Recover => "its return after a reconnect",
        Signal::Heartbeat => "a heartbeat",
        Signal::JvmMetrics => "JVM metrics",
        Signal::TraceSegment => "a trace segment",
        Signal::Telemetry => "telemetry",
        Signal::Poll => "a poll for commands",
        Signal::Leave => "the announcement of its stop",
        Signal::Other(_) => "of a kind that this release does not know",
    };
    let last = format!(
        "the last sign of life was {signal} at {}",
        time(status.last_seen)
    );
    let terms = status.terms;
    let mut sentence = match status.state {
        State::Up => format!("Up: {last}."),
        State::Silent => format!(
            "Silent: {last}, and none followed within {:?}.",
            terms.silent_after
        ),
        State::Down => format!(
            "Down: {last}, and none followed within {:?}.",
            terms.down_after
        ),
        State::Left => format!(
            "Left: its agent announced its stop at {}.",
            time(status.since)
        ),
    };
    let mut add = |more: String| {
        // Writing to a string does not fail.
        let _written = write!(sentence, " {more}");
    };
    if status.relayed {
        add("Another collector received it, or this one before it restarted.".to_owned());
    }
    if let Some((at, cause)) = &status.closed {
        let how = match cause {
            Cause::Peer => "was closed by the peer",
            Cause::Reset => "was reset",
            Cause::Timeout => "was closed because the peer did not answer",
            Cause::Collector => "was closed by this collector",
            Cause::Broken => "broke",
        };
        add(format!("The connection it came on {how} at {}.", time(*at)));
    }
    if status.is_slow {
        add(format!(
            "Its agent sends one about every {:?}, less often than liveness.default.silent_after, so its terms follow this interval.",
            status.usual
        ));
    }
    if status.forgotten {
        add("It is left out of counts and lists (liveness.default.forget_after).".to_owned());
    }
    sentence
}

fn word(cause: Cause) -> &'static str {
    match cause {
        Cause::Peer => "closed_by_peer",
        Cause::Reset => "reset",
        Cause::Timeout => "timeout",
        Cause::Collector => "closed_by_collector",
        Cause::Broken => "broken",
    }
}
