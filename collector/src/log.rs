//! Writes the log to standard error, one line per event.
//!
//! The logging thread formats an event and puts it into a bounded [`queue`], which one thread writes. So a slow, stalled or closed
//! reader of the log never stops the collector; lines that it cannot take are lost and counted.
//!
//! Many logged values come from agents, and must neither forge a line nor control the terminal. So control characters are escaped
//! here; the formatters' own escaping misses some.
//!
//! The [`Level`] changes while the collector runs; the format does not.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::panic;

use rollcall_collector::config::{self, LogFormat};
use rollcall_metrics::LostLines;
use rollcall_runtime::panic_message;
use tracing::error;
use tracing::field::Field;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt as lines, registry, reload};

use crate::cli::Arguments;
use crate::system;

mod json;
mod level;
mod queue;

use json::Json;
pub(crate) use level::Level;
pub(crate) use queue::Flush;
use queue::Queue;

/// The filter that applies if neither an argument, nor `RUST_LOG`, nor a configuration sets one.
const DEFAULT_FILTER: &str = "info";

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The text is not a valid filter.
    #[error("{origin}: {filter:?} is not allowed; allowed: {allowed}")]
    Filter {
        /// The argument or the variable that has it.
        origin: &'static str,
        /// The text.
        filter: String,
        allowed: &'static str,
    },
    /// The filter cannot be combined with the filter that is added to it.
    #[error("the filter of the log: {0}")]
    Parse(#[from] ParseError),
    /// The system refused a thread.
    #[error("cannot start the log's thread: {0}")]
    Thread(#[from] io::Error),
}

/// Starts logging, including panics, which are logged as errors. The arguments have precedence over the environment, and the
/// environment over the configuration, if there is one. Lines that could not be written are counted in `lost`. Dropping the first
/// value writes the waiting lines and ends the log; the second one changes its level.
///
/// # Errors
/// The filter is invalid, or the system refused a thread.
pub(crate) fn init(
    arguments: &Arguments,
    env: &BTreeMap<String, String>,
    configured: Option<&config::Log>,
    lost: LostLines,
) -> Result<(Flush, Level), Error> {
    let variable = |name: &str| env.get(name).filter(|value| !value.is_empty());
    let argument = arguments.log_level.as_ref();
    let argument = argument.map(|filter| ("--log-level", filter));
    let given = argument.or(variable("RUST_LOG").map(|filter| ("RUST_LOG", filter)));
    if let Some((origin, filter)) = given {
        let checked = config::parse_level(filter);
        let filter = filter.clone();
        checked.map_err(|allowed| Error::Filter {
            origin,
            filter,
            allowed,
        })?;
    }
    let filter = given.map(|(_, filter)| filter);
    let filter = filter.or(configured.map(|log| &log.level));
    let filter = filter.map_or(DEFAULT_FILTER, String::as_str);
    // A configuration with mistakes is not loaded. The variable then sets the format in which the mistakes are logged.
    let is_json = variable("SW_LOG_FORMAT").is_some_and(|format| format == "json");
    let format = configured.map(|log| log.format);
    let format = arguments.log_format.or(format);
    let format = format.or(is_json.then_some(LogFormat::Json));

    let (layer, handle) = reload::Layer::new(parse_filter(filter)?);
    let log = registry().with(layer);
    let queue = Queue::new(lost);
    let flush = queue.clone().start()?;
    match format.unwrap_or_default() {
        LogFormat::Json => {
            let lines = lines::layer().json().with_writer(Json(queue));
            log.with(lines).init();
        }
        LogFormat::Human => {
            let is_plain = system::is_plain(env);
            let lines = lines::layer()
                .with_ansi(io::stderr().is_terminal() && !is_plain)
                .fmt_fields(debug_fn(write_field).delimited(" "))
                .with_writer(queue);
            log.with(lines).init();
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
    Ok((flush, Level::new(handle, filter)))
}

/// Parses a filter. Modules that it does not name have the default level, unless it names a level for them. Events of the crate
/// `h2`, one per HTTP/2 frame, are excluded, unless the filter contains `h2` or `trace`.
fn parse_filter(text: &str) -> Result<EnvFilter, ParseError> {
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    let filter = if text.split(',').map(str::trim).any(is_level) {
        EnvFilter::try_new(text)?
    } else {
        EnvFilter::try_new(format!("{DEFAULT_FILTER},{text}"))?
    };
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

    /// The targets that log with this filter, of an event of `named` at DEBUG and of `other` at INFO and at WARN.
    fn passing(filter: &str) -> [bool; 3] {
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt().with_env_filter(parse_filter(filter).unwrap());
        let subscriber = log.with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(target: "named", "first");
            tracing::info!(target: "other", "second");
            tracing::warn!(target: "other", "third");
        });
        let text = String::from_utf8(written.0.lock().clone()).unwrap();
        ["first", "second", "third"].map(|event| text.contains(event))
    }

    #[test]
    fn a_filter_that_names_a_module_leaves_the_others_at_their_level() {
        assert_eq!(passing("named=debug"), [true; 3]);
        assert_eq!(passing("named=debug,[span]=trace"), [true; 3]);
        assert_eq!(passing("named=debug,warn"), [true, false, true]);
        assert_eq!(passing("named=debug,off"), [true, false, false]);
        assert_eq!(passing("info"), [false, true, true]);
    }

    #[test]
    fn a_harmless_line_is_unchanged() {
        assert!(
            logged(false, || info!("named \u{e9}\u{4e2d}")).ends_with("named \u{e9}\u{4e2d}\n")
        );
    }
}
