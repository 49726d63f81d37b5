//! `log.default`: the form and the detail of the log.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// `log.default`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// The form of each line.
    pub format: LogFormat,
    /// A level, or directives as in `RUST_LOG`.
    pub level: String,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For operators; in colour on a terminal
    #[default]
    Human,
    /// One JSON object in each line
    Json,
}

impl LogFormat {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let formats = [Self::Human, Self::Json];
        let mut known = formats.into_iter();
        known
            .find(|format| format.name() == text)
            .ok_or("human or json")
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Json => "json",
        }
    }
}

/// Parses a level or directives.
///
/// # Errors
/// Returns what is allowed. A single word must be a level: taken as the name of a module, `warning` would silence every line.
pub fn parse_level(text: &str) -> Result<String, &'static str> {
    const ALLOWED: &str =
        "error, warn, info, debug, trace or off, or several of MODULE=LEVEL, separated by commas";
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    let is_directive = |word: &str| word.contains(['=', '[', ']', '{', '}']) || is_level(word);
    let mut words = text.split(',');
    match EnvFilter::try_new(text) {
        Ok(_) if words.all(is_directive) => Ok(text.to_owned()),
        _ => Err(ALLOWED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_word_or_directives() {
        for text in ["info", "WARN", "off", "rollcall_service=debug,info"] {
            assert_eq!(parse_level(text).as_deref(), Ok(text));
        }
        for text in [
            "",
            " ",
            "info=loud",
            "rollcall=debug=info",
            "warning",
            "infoo",
            "info,",
            "rollcall_service",
            "info,rollcall_service",
        ] {
            assert!(parse_level(text).is_err(), "{text}");
        }
        assert_eq!(LogFormat::parse("json"), Ok(LogFormat::Json));
        assert_eq!(LogFormat::parse("JSON"), Err("human or json"));
    }
}
