//! Lines of JSON, safe on a terminal.

use std::io;

use tracing_subscriber::fmt::MakeWriter;

use super::queue::Queue;

/// Writes lines of JSON. JSON escapes control characters below U+0020. DEL and the control characters from U+0080 to U+009F, which
/// can also control terminals, are escaped here.
#[derive(Clone, Debug)]
pub(super) struct Json(pub(super) Queue);

impl<'a> MakeWriter<'a> for Json {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl io::Write for Json {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = match std::str::from_utf8(line) {
            Ok(text) if text.contains(is_unescaped) => self.0.write(escaped(text).as_bytes()),
            _ => self.0.write(line),
        };
        written.map(|_all| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether JSON leaves a control character as it is.
fn is_unescaped(letter: char) -> bool {
    matches!(letter, '\u{7f}'..='\u{9f}')
}

fn escaped(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len() + 16);
    for letter in line.chars() {
        if is_unescaped(letter) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_that_json_allows_are_escaped() {
        let line = serde_json::to_string("a\u{9b}2J\u{7f}\u{e9}").unwrap();
        assert!(line.contains(is_unescaped));
        let safe = escaped(&line);
        assert_eq!(
            safe,
            r#""a\u009b2J\u007f\u{e9}""#.replace(r"\u{e9}", "\u{e9}")
        );
        assert_eq!(
            serde_json::from_str::<String>(&safe).unwrap(),
            "a\u{9b}2J\u{7f}\u{e9}"
        );
    }
}
