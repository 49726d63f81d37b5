//! `${NAME}` and `${NAME:default}` in a value. A name is looked up in the environment, then among the keys of the file.

use std::{cell::Cell, collections::BTreeMap};

use super::Value;

/// The deepest nesting of placeholders. References to keys whose values have placeholders count as nesting.
const MAX_DEPTH: u32 = 16;

/// The largest number of replacements in one file.
const MAX_REPLACEMENTS: u32 = 10_000;

/// Looks up the values of placeholders, and counts the replacements.
pub(super) struct Placeholders<'a> {
    environment: &'a BTreeMap<String, String>,
    file: &'a BTreeMap<String, Value>,
    left: Cell<u32>,
}

impl<'a> Placeholders<'a> {
    pub(super) fn new(
        environment: &'a BTreeMap<String, String>,
        file: &'a BTreeMap<String, Value>,
    ) -> Self {
        Self {
            environment,
            file,
            left: Cell::new(MAX_REPLACEMENTS),
        }
    }

    /// Replaces the placeholders in the text. Names and defaults may have placeholders, too.
    pub(super) fn replace(&self, text: &str) -> Result<String, String> {
        self.within(text, 0)
    }

    fn within(&self, text: &str, depth: u32) -> Result<String, String> {
        let mut replaced = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, from)) = rest.split_once("${") {
            let (inside, after) = up_to_its_brace(from).ok_or("a ${ without its }")?;
            replaced.push_str(before);
            replaced.push_str(&self.value_of(inside, depth)?);
            rest = after;
        }
        replaced.push_str(rest);
        Ok(replaced)
    }

    fn value_of(&self, inside: &str, depth: u32) -> Result<String, String> {
        let left = self.left.get().checked_sub(1);
        let (Some(left), true) = (left, depth < MAX_DEPTH) else {
            return Err(format!(
                "its placeholders refer to each other, or are more than {MAX_DEPTH} deep"
            ));
        };
        self.left.set(left);
        let (name, default) = name_and_default(inside);
        let name = self.within(name, depth + 1)?;
        if let Some(value) = self.environment.get(&name) {
            return Ok(value.clone());
        }
        if let Some(Value { text, .. }) = self.file.get(&name) {
            return self.within(text.as_deref().map_err(Clone::clone)?, depth + 1);
        }
        match default {
            Some(default) => self.within(default, depth + 1),
            None => Err(format!(
                "the environment has no {name}, and ${{{name}}} has no default"
            )),
        }
    }
}

/// Splits at the `}` that closes the placeholder: the text before it and the text after it.
fn up_to_its_brace(text: &str) -> Option<(&str, &str)> {
    let mut open = 1_u32;
    let end = text.find(|c| {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        open == 0
    })?;
    Some((&text[..end], &text[end + 1..]))
}

/// Splits at the first colon outside of inner placeholders.
fn name_and_default(inside: &str) -> (&str, Option<&str>) {
    let mut open = 0_u32;
    let colon = inside.find(|c| {
        match c {
            '{' => open += 1,
            '}' => open = open.saturating_sub(1),
            _ => {}
        }
        c == ':' && open == 0
    });
    match colon {
        Some(colon) => (&inside[..colon], Some(&inside[colon + 1..])),
        None => (inside, None),
    }
}
