//! Text for a terminal: escaped, cut, and ages instead of times.

use std::time::Duration;

use jiff::Timestamp;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The text with an escape for each character that could control a terminal or change the order in which the text is shown.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_harmful(letter) {
            escaped.extend(letter.escape_default());
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

/// A JSON text with escapes for characters that JSON leaves unescaped in strings but that terminals interpret.
pub(super) fn escaped_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_harmful(letter) {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

/// Whether the letter is a control character, a line or paragraph separator, a mark that changes the direction of text, or an
/// invisible character, which would make two different names look the same.
fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' |
            '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// The columns that a text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text cut to at most `columns`, with an ellipsis if it was cut.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut taken = 0;
    let fits = |letter: &char| {
        taken += letter.width().unwrap_or(0);
        taken < columns
    };
    let kept: String = text.chars().take_while(fits).collect();
    kept + "…"
}

/// How long ago a time was: `3 m ago`.
pub(super) fn age(time: Option<Timestamp>, now: Timestamp) -> String {
    let Some(time) = time else {
        return "?".to_owned();
    };
    let passed = now.duration_since(time);
    match Duration::try_from(passed) {
        Ok(passed) if passed >= Duration::from_secs(1) => format!("{} ago", rough(passed)),
        // The time may be slightly later than `now`, because times have milliseconds and the collector's clock is read in whole
        // seconds.
        _ => "now".to_owned(),
    }
}

/// The largest unit of a duration, in whole numbers.
fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} m", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests;
