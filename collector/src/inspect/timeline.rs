//! Prints what happened to an instance.

use std::io;

use serde_json::Value;

use super::output::{Colour, Output};
use super::text;

/// The most events that are printed; `--json` prints all events that the collector has.
const MAX_SHOWN: usize = 20;

/// Prints the last events of a timeline, oldest first, below the sentence that explains the state.
pub(super) fn print(timeline: &Value, output: &mut Output) -> io::Result<()> {
    let events = timeline["events"].as_array().map_or(&[][..], Vec::as_slice);
    let skipped = events.len().saturating_sub(MAX_SHOWN);
    match (&timeline["lost"], skipped) {
        (Value::Number(lost), _) if lost.as_u64() != Some(0) => {
            output.line(&format!("  ({lost} older events are not kept)"))?;
        }
        (_, 0) => {}
        (_, skipped) => output.line(&format!("  ({skipped} older events: --json)"))?,
    }
    for event in &events[skipped..] {
        output.line(&line(event, output.is_coloured()))?;
    }
    Ok(())
}

fn line(event: &Value, is_coloured: bool) -> String {
    let word = |key: &str| text::escaped(event[key].as_str().unwrap_or("-"));
    let kind = word("kind");
    let padding = " ".repeat(17_usize.saturating_sub(text::width(&kind)));
    let kind = Colour::of(&kind).paint(&kind, is_coloured);
    format!("  {}  {kind}{padding}  {}", word("time"), word("text"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_its_time_its_kind_and_its_text() {
        let event =
            json!({"time": "2026-11-26T00:50:00.123Z", "kind": "down", "text": "gone\u{9b}2J"});
        let expected = r"  2026-11-26T00:50:00.123Z  down               gone\u{9b}2J";
        assert_eq!(line(&event, false), expected);
        assert!(line(&json!({"kind": 7}), true).contains('-'));
    }
}
