//! Prints the events of an instance.

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
    for line in omitted(timeline["lost"].as_u64().unwrap_or(0), skipped) {
        output.line(&line)?;
    }
    for event in &events[skipped..] {
        output.line(&line(event, output.is_coloured()))?;
    }
    Ok(())
}

/// The lines about the events that are not printed: those that the collector no longer has, and those beyond [`MAX_SHOWN`].
fn omitted(lost: u64, skipped: usize) -> impl Iterator<Item = String> {
    let lost = (lost > 0).then(|| format!("  ({lost} older events are not kept)"));
    let skipped = (skipped > 0).then(|| format!("  ({skipped} older events: --json)"));
    lost.into_iter().chain(skipped)
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
    fn events_that_are_not_kept_and_events_that_are_not_printed_are_both_counted() {
        let lines = |lost, skipped| omitted(lost, skipped).collect::<Vec<_>>();
        assert!(lines(0, 0).is_empty());
        assert_eq!(lines(3, 0), ["  (3 older events are not kept)"]);
        assert_eq!(lines(0, 5), ["  (5 older events: --json)"]);
        assert_eq!(
            lines(3, 5),
            [
                "  (3 older events are not kept)",
                "  (5 older events: --json)"
            ]
        );
    }

    #[test]
    fn an_event_is_its_time_its_kind_and_its_text() {
        let event =
            json!({"time": "2026-11-26T00:50:00.123Z", "kind": "down", "text": "gone\u{9b}2J"});
        let expected = r"  2026-11-26T00:50:00.123Z  down               gone\u{9b}2J";
        assert_eq!(line(&event, false), expected);
        assert!(line(&json!({"kind": 7}), true).contains('-'));
    }
}
