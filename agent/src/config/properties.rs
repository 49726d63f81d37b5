//! Files in the format of Java's properties, with upstream's `${NAME:default}` placeholders.
//!
//! Files are read as `java.util.Properties` reads them. Comments begin with `#` or `!`. Entries are `key=value`, `key:value` or
//! `key value`. A `\` at the end of a line continues the line. The escapes are `\t`, `\n`, `\r`, `\f` and `\uXXXX`; a `\` before
//! any other character stands for that character. Unlike Java, this parser skips a byte order mark.
//!
//! An error in a value is stored in place of the value. It is reported only if the value is used, because this library uses few
//! keys of an `agent.config`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{Problem, problem::Origin};

mod line;
mod placeholder;

use placeholder::Placeholders;

/// A value or its error, and its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) text: Result<String, String>,
    pub(crate) line: usize,
}

/// The entries of a file. If a key has several entries, the last one applies.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) values: BTreeMap<String, Value>,
}

/// Parses a file, and replaces placeholders with the values of `environment` and of the file itself.
///
/// # Errors
///
/// If the file is not of this format.
pub(crate) fn parse(
    path: &Path,
    bytes: &[u8],
    environment: &BTreeMap<String, String>,
) -> Result<File, Problem> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(Problem {
            origin: Origin::File {
                path: path.to_owned(),
                line: 1,
            },
            key: "config_file".to_owned(),
            message: "is UTF-16; save the file as UTF-8".to_owned(),
        });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut raw = BTreeMap::new();
    for (number, line) in line::logical(bytes) {
        let (key, text) = line::entry(&line);
        raw.insert(key, Value { text, line: number });
    }
    let placeholders = Placeholders::new(environment, &raw);
    let values = raw.iter().map(|(key, value)| {
        let text = value.text.clone();
        let text = text.and_then(|text| placeholders.replace(&text));
        let line = value.line;
        (key.clone(), Value { text, line })
    });
    Ok(File {
        path: path.to_owned(),
        values: values.collect(),
    })
}

#[cfg(test)]
mod tests;
