//! Files in the format of Java's properties, with upstream's `${NAME:default}` placeholders.
//!
//! Read are: comments with `#` and `!`; `key=value`, `key:value` and `key value`; a `\` at the end that continues the
//! line; `\t`, `\n`, `\r`, `\uXXXX` and `\` before any other character, which stands for that character.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{Problem, builder::Origin};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// What a file says. Of a key given twice, the last one counts.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) values: BTreeMap<String, Value>,
}

/// Reads a file's text, and replaces the placeholders by what `environment` says.
pub(crate) fn parse(
    path: &Path,
    text: &str,
    environment: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) -> File {
    let mut values = BTreeMap::new();
    for (line, logical) in logical_lines(text) {
        let (key, value) = split(&logical);
        let read = unescape(key).and_then(|key| {
            let text = replace_placeholders(&unescape(value)?, environment)?;
            Ok((key, text))
        });
        match read {
            Ok((key, text)) => {
                values.insert(key, Value { text, line });
            }
            Err(message) => problems.push(Problem {
                origin: Origin::File {
                    path: path.to_owned(),
                    line,
                },
                key: key.to_owned(),
                message,
            }),
        }
    }
    File {
        path: path.to_owned(),
        values,
    }
}

/// The lines that say something, continued ones put together, each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut logical = Vec::new();
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut whole = line.to_owned();
        while ends_with_continuation(&whole) {
            whole.pop();
            match lines.next() {
                Some((next, _)) => whole.push_str(next.trim_start()),
                None => break,
            }
        }
        logical.push((number, whole));
    }
    logical
}

/// An odd number of backslashes at the end: the last one is not escaped itself.
fn ends_with_continuation(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Key and value, still escaped: apart at the first `=`, `:` or blank that is not escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let here = !escaped && (c == '=' || c == ':' || c.is_whitespace());
        escaped = !escaped && c == '\\';
        here
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim())
}

fn unescape(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let number = u32::from_str_radix(&digits, 16)
                    .ok()
                    .filter(|_| digits.len() == 4);
                let c = number.and_then(char::from_u32);
                plain.push(c.ok_or_else(|| format!("\\u{digits} is not a character"))?);
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Ok(plain)
}

/// Replaces every `${NAME}` and `${NAME:default}`; a default may hold colons but no placeholder.
fn replace_placeholders(
    text: &str,
    environment: &BTreeMap<String, String>,
) -> Result<String, String> {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("${") {
        let (inside, after) = from.split_once('}').ok_or("a ${ without its }")?;
        let (name, default) = match inside.split_once(':') {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let value = environment.get(name).map(String::as_str).or(default);
        replaced.push_str(before);
        replaced.push_str(value.ok_or_else(|| {
            format!("the environment has no {name}, and ${{{name}}} has no default")
        })?);
        rest = after;
    }
    replaced.push_str(rest);
    Ok(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(String, String, usize)>, Vec<String>) {
        let environment = BTreeMap::from([("NAME".to_owned(), "orders".to_owned())]);
        let mut problems = Vec::new();
        let file = parse(Path::new("agent.config"), text, &environment, &mut problems);
        let values = file
            .values
            .into_iter()
            .map(|(key, value)| (key, value.text, value.line));
        (
            values.collect(),
            problems.iter().map(ToString::to_string).collect(),
        )
    }

    fn one(text: &str) -> (String, String) {
        let (values, problems) = read(text);
        assert_eq!((values.len(), problems), (1, vec![]));
        (values[0].0.clone(), values[0].1.clone())
    }

    #[test]
    fn keys_and_values_are_apart_at_the_first_separator() {
        for text in ["a=b=c", "a = b=c", "a:b=c", "a b=c", "  a\t=  b=c  "] {
            assert_eq!(one(text), ("a".to_owned(), "b=c".to_owned()), "{text:?}");
        }
        assert_eq!(one("a"), ("a".to_owned(), String::new()));
        assert_eq!(one("a\\=b=c"), ("a=b".to_owned(), "c".to_owned()));
    }

    #[test]
    fn comments_and_blank_lines_say_nothing_and_lines_are_counted() {
        let (values, _) = read("# a=1\n\n! b=2\nc=3\r\n  # d\ne=4");
        assert_eq!(
            values,
            [("c".into(), "3".into(), 4), ("e".into(), "4".into(), 6)]
        );
    }

    #[test]
    fn a_backslash_continues_and_escapes() {
        assert_eq!(one("a=1,\\\n   2").1, "1,2");
        assert_eq!(one("a=1\\\\").1, "1\\");
        assert_eq!(one("a=\\u0041\\t\\:").1, "A\t:");
    }

    #[test]
    fn placeholders_take_the_environment_or_their_default() {
        assert_eq!(one("a=${NAME:x}-1").1, "orders-1");
        assert_eq!(one("a=${OTHER:127.0.0.1:11800}").1, "127.0.0.1:11800");
        assert_eq!(one("a=${OTHER:}").1, "");
    }

    #[test]
    fn every_mistake_is_reported_with_its_line() {
        let (values, problems) = read("a=${OTHER}\nb=${NAME\nc=\\u00zz\nd=1");
        assert_eq!(values.len(), 1);
        assert_eq!(problems.len(), 3);
        assert!(
            problems[0].starts_with("agent.config:1: a: the environment has no OTHER"),
            "{problems:?}"
        );
        assert!(
            problems[1].starts_with("agent.config:2: b:")
                && problems[2].starts_with("agent.config:3: c:")
        );
    }
}
