//! Standard output: lines of text, in colour on a terminal, or of JSON.

use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};

use serde_json::Value;

use super::text;

/// The colour of a text on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    None,
    Title,
    Good,
    Doubtful,
    Bad,
    Dim,
}

/// Standard output of one command.
#[derive(Debug)]
pub(super) struct Output {
    is_json: bool,
    is_coloured: bool,
    out: BufWriter<Stdout>,
}

impl Colour {
    /// The colour of a state.
    pub(super) fn of(word: &str) -> Self {
        match word {
            "up" | "serving" => Self::Good,
            "silent" | "starting" | "draining" => Self::Doubtful,
            "down" => Self::Bad,
            "left" => Self::Dim,
            _ => Self::None,
        }
    }

    /// The text in this colour.
    pub(super) fn paint(self, text: &str, is_coloured: bool) -> String {
        let code = match self {
            Self::None => 0,
            Self::Title => 1,
            Self::Good => 32,
            Self::Doubtful => 33,
            Self::Bad => 31,
            Self::Dim => 2,
        };
        if is_coloured && code != 0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

impl Output {
    /// `is_plain` leaves out colours on a terminal too.
    pub(super) fn new(is_json: bool, is_plain: bool) -> Self {
        let out = io::stdout();
        Self {
            is_json,
            is_coloured: out.is_terminal() && !is_plain && !is_json,
            out: BufWriter::new(out),
        }
    }

    pub(super) fn is_json(&self) -> bool {
        self.is_json
    }

    pub(super) fn is_coloured(&self) -> bool {
        self.is_coloured
    }

    /// Prints a line. Its text has been escaped.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    /// Prints an object in one line.
    pub(super) fn json(&mut self, value: &Value) -> io::Result<()> {
        writeln!(self.out, "{}", text::escaped_json(&value.to_string()))
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
