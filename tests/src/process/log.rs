use serde_json::{Map, Value};

/// The severity of a line of the collector's log.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// Details of one request.
    Trace,
    /// Information for finding a fault.
    Debug,
    /// Information for an operator who investigates later.
    Info,
    /// A problem that the collector handles itself.
    Warn,
    /// A problem that needs an operator.
    Error,
}

/// One line of a collector's log.
#[derive(Clone, Debug)]
pub struct Line {
    /// The level; a line that is not JSON (a panic, a message of the loader) counts as [`Level::Error`].
    pub level: Level,
    /// The message, or the whole line when it is not JSON.
    pub message: String,
    /// The other fields.
    pub fields: Map<String, Value>,
}

impl Line {
    /// Parses a line in the format of `--log-format json`.
    pub fn parse(text: &str) -> Self {
        Self::parse_json(text).unwrap_or_else(|| Self {
            level: Level::Error,
            message: text.to_owned(),
            fields: Map::new(),
        })
    }

    fn parse_json(text: &str) -> Option<Self> {
        let mut line = serde_json::from_str::<Value>(text).ok()?;
        let level = match line["level"].as_str()? {
            "TRACE" => Level::Trace,
            "DEBUG" => Level::Debug,
            "INFO" => Level::Info,
            "WARN" => Level::Warn,
            "ERROR" => Level::Error,
            _ => return None,
        };
        let Value::Object(mut fields) = line["fields"].take() else {
            return None;
        };
        let message = fields.remove("message")?.as_str()?.to_owned();
        Some(Self {
            level,
            message,
            fields,
        })
    }

    /// The value of a text field.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }
}
