//! Reads server-sent events.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

/// The silence after which a feed counts as disconnected. The collector sends a comment every 15 s.
const SILENCE: Duration = Duration::from_secs(45);
/// The longest event, in bytes.
const MAX_EVENT: usize = 1 << 20;

/// An event of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Empty if the event has none.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) data: String,
}

/// A feed whose head has arrived.
#[derive(Debug)]
pub(super) struct Feed {
    body: Body,
    parser: Parser,
}

/// The lines that have arrived, up to the next event.
#[derive(Debug, Default)]
struct Parser {
    arrived: Vec<u8>,
    event: Event,
}

impl Feed {
    pub(super) fn new(body: Body) -> Self {
        Self {
            body,
            parser: Parser::default(),
        }
    }

    /// The next event.
    ///
    /// # Errors
    /// Returns the reason why the feed ended.
    pub(super) async fn next(&mut self) -> Result<Event, String> {
        loop {
            if let Some(event) = self.parser.next() {
                return Ok(event);
            }
            let frame = timeout(SILENCE, self.body.frame()).await;
            match frame {
                Err(_elapsed) => return Err(format!("nothing arrived for {SILENCE:?}")),
                Ok(None) => return Err("the collector ended the feed".to_owned()),
                Ok(Some(Err(error))) => return Err(error.to_string()),
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.parser.push(&data)?;
                    }
                }
            }
        }
    }
}

impl Parser {
    fn push(&mut self, data: &Bytes) -> Result<(), String> {
        self.arrived.extend_from_slice(data);
        let held = self.arrived.len() + self.event.data.len();
        if held > MAX_EVENT + data.len() {
            return Err(format!("an event has more than {MAX_EVENT} bytes"));
        }
        Ok(())
    }

    /// The next event whose last line has arrived.
    fn next(&mut self) -> Option<Event> {
        let mut read = 0;
        let mut found = None;
        while let Some(length) = self.arrived[read..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.arrived[read..read + length]);
            read += length + 1;
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if !event.data.is_empty() {
                    found = Some(event);
                    break;
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => value.clone_into(&mut self.event.id),
                "event" => value.clone_into(&mut self.event.name),
                "data" if self.event.data.is_empty() => value.clone_into(&mut self.event.data),
                "data" => self.event.data.extend(["\n", value]),
                _ => {} // a comment, or a field that the feed has no use for
            }
        }
        self.arrived.drain(..read);
        found
    }
}

#[cfg(test)]
mod tests;
