//! Writes the log to standard error, one line per event.
//!
//! The logging thread formats an event and puts it into a bounded [`queue`], which one thread writes. So a slow, stalled or
//! closed reader of the log costs lines, which are counted, and never stops the collector.
//!
//! Many logged values come from agents. They must not forge a line or control the terminal, so control characters are
//! escaped. JSON escapes them by itself; the human format does so here, because the formatter's escaping misses some.

use std::fmt;
use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::panic;

use rollcall_metrics::LostLines;
use rollcall_runtime::panic_message;
use tracing::error;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::cli::LogFormat;

mod queue;

pub(crate) use queue::Flush;
use queue::Queue;

/// The filter if neither `--log-level` nor `RUST_LOG` is set.
const DEFAULT_FILTER: &str = "info";

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The text is not a valid filter.
    #[error("the log filter: {0}")]
    Filter(#[from] ParseError),
    /// The system refused a thread.
    #[error("cannot start the log's thread: {0}")]
    Thread(#[from] io::Error),
}

/// Starts logging, including panics, which are logged as errors. `filter` is a level or directives as in `RUST_LOG`. Lines
/// that could not be written are counted in `lost`. Dropping the returned value writes the waiting lines and ends the log.
///
/// # Errors
/// `filter` is invalid, or the system refused a thread.
pub(crate) fn init(
    format: LogFormat,
    filter: Option<&str>,
    plain: bool,
    lost: LostLines,
) -> Result<Flush, Error> {
    let filter = parse_filter(filter.unwrap_or(DEFAULT_FILTER))?;
    let queue = Queue::new(lost);
    let flush = queue.clone().start()?;
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    match format {
        LogFormat::Json => log.json().with_writer(queue).init(),
        LogFormat::Human => {
            let colour = io::stderr().is_terminal() && !plain;
            log.with_ansi(colour)
                .fmt_fields(debug_fn(write_field).delimited(" "))
                .with_writer(queue)
                .init();
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
    Ok(flush)
}

/// Parses a filter. Events of the crate `h2`, one per HTTP/2 frame, are excluded, unless the filter contains `h2` or `trace`.
fn parse_filter(text: &str) -> Result<EnvFilter, ParseError> {
    let filter = EnvFilter::try_new(text)?;
    if text.contains("h2") || text.to_ascii_lowercase().contains("trace") {
        return Ok(filter);
    }
    Ok(filter.add_directive("h2=off".parse()?))
}

/// Writes one field of an event; the message is written without its name.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(writer, "{}=", field.name())?;
    }
    write!(Escaped(writer), "{value:?}")
}

/// Writes text with its control characters escaped.
struct Escaped<'a, 'w>(&'a mut Writer<'w>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if letter.is_control() {
                write!(self.0, "{}", letter.escape_default())?;
            } else {
                self.0.write_char(letter)?;
            }
        }
        Ok(())
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

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(colour: bool, event: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let fields = debug_fn(write_field).delimited(" ");
        let log = tracing_subscriber::fmt()
            .with_ansi(colour)
            .fmt_fields(fields);
        let subscriber = log.with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, event);
        String::from_utf8(written.0.lock().clone()).unwrap()
    }

    #[test]
    fn values_from_agents_cannot_forge_a_line_or_control_the_terminal() {
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
    fn a_harmless_line_is_unchanged() {
        assert!(
            logged(false, || info!("named \u{e9}\u{4e2d}")).ends_with("named \u{e9}\u{4e2d}\n")
        );
    }
}
