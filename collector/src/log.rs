//! The log: to standard error, a line for each event.
//!
//! Much of what is logged came from agents, and none of it may forge a line or reach the terminal: control characters are
//! escaped. JSON does so by itself; the human format escapes what can drive a terminal, and [`OneLine`] the rest.

use std::io::{self, IsTerminal, Write};
use std::panic;

use rollcall_collector::runtime::panic_message;
use tracing::error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::LogFormat;

/// What is logged if nobody says otherwise.
const DEFAULT_FILTER: &str = "info";

/// Starts logging; panics are logged too, as errors. `filter` is a level or directives as of `RUST_LOG`.
///
/// # Errors
/// What `filter` says is no filter; nothing is logged then.
pub(crate) fn init(format: LogFormat, filter: Option<&str>, plain: bool) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(filter.unwrap_or(DEFAULT_FILTER))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    match format {
        LogFormat::Json => log.json().with_writer(io::stderr).init(),
        LogFormat::Human => {
            let colour = io::stderr().is_terminal() && !plain;
            log.with_ansi(colour).with_writer(Stderr).init();
        }
    }
    panic::set_hook(Box::new(|panic| {
        let message = panic_message(panic.payload());
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        error!(place, "panicked: {message}");
    }));
    Ok(())
}

struct Stderr;

impl MakeWriter<'_> for Stderr {
    type Writer = OneLine<io::Stderr>;

    fn make_writer(&self) -> Self::Writer {
        OneLine(io::stderr())
    }
}

/// Keeps an event, which comes in one piece, on one line.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = event.strip_suffix(b"\n").unwrap_or(event);
        // The formatter has escaped every escape character but those of its own colours.
        let is_harmless = |byte: &u8| !byte.is_ascii_control() || *byte == b'\x1b';
        if text.iter().all(is_harmless) {
            self.0.write_all(event)?;
            return Ok(event.len());
        }
        let mut line = Vec::with_capacity(event.len() + 16);
        for byte in text {
            if is_harmless(byte) {
                line.push(*byte);
            } else {
                line.extend(byte.escape_ascii());
            }
        }
        line.push(b'\n');
        self.0.write_all(&line)?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing::info;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(colour: bool, log: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(colour)
            .with_writer(move || OneLine(writer.clone()))
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(written.0.lock().clone()).unwrap()
    }

    #[test]
    fn what_agents_say_cannot_forge_a_line_or_reach_the_terminal() {
        let evil = "orders\n2026-01-01 ERROR forged\r\x1b[2J\u{9b}2J\x07\0";
        for colour in [false, true] {
            let line = logged(
                colour,
                || info!(shown = %evil, quoted = evil, debugged = ?evil, "named {evil}"),
            );
            assert_eq!(line.matches('\n').count(), 1, "{line:?}");
            assert!(line.ends_with('\n') && line.contains("orders"), "{line:?}");
            assert!(
                !line.contains("\x1b[2J") && !line.contains(['\r', '\u{9b}', '\x07', '\0']),
                "{line:?}"
            );
        }
    }

    #[test]
    fn a_harmless_line_is_left_as_it_is() {
        assert!(
            logged(false, || info!("named \u{e9}\u{4e2d}")).ends_with("named \u{e9}\u{4e2d}\n")
        );
    }
}
