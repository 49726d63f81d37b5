//! Resolves `${NAME:default}` in a value after the file is parsed, so that the value of a variable never becomes YAML.
//!
//! The name ends at the first colon. The default may contain placeholders, and may be empty. A variable that is set but empty
//! counts as not set. Placeholders in the value of a variable are not resolved. `$${` is a literal `${`.

use std::collections::BTreeMap;

/// The greatest nesting depth of defaults.
const MAX_DEPTH: u8 = 8;

/// A text whose placeholders are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) text: String,
    /// The first variable whose value is part of the text.
    pub(super) variable: Option<String>,
}

/// `text` with every placeholder replaced.
///
/// # Errors
/// A placeholder without its `}`, a variable that is not set and has no default, or defaults nested deeper than [`MAX_DEPTH`].
pub(super) fn resolve(text: &str, env: &BTreeMap<String, String>) -> Result<Resolved, String> {
    let mut variable = None;
    let text = resolve_to(MAX_DEPTH, text, env, &mut variable)?;
    Ok(Resolved { text, variable })
}

fn resolve_to(
    depth: u8,
    text: &str,
    env: &BTreeMap<String, String>,
    variable: &mut Option<String>,
) -> Result<String, String> {
    let deeper = depth
        .checked_sub(1)
        .ok_or("the placeholders are nested too deeply")?;
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            resolved.push_str(before);
            resolved.push_str("${");
            rest = &from[2..];
            continue;
        }
        resolved.push_str(before);
        let end = end(from).ok_or("a `${` has no closing brace; `$${` stands for the text `${`")?;
        resolved.push_str(&value(deeper, &from[2..end], env, variable)?);
        rest = &from[end + 1..];
    }
    resolved.push_str(rest);
    Ok(resolved)
}

/// `text` escaped, so that `resolve` returns it unchanged.
pub(super) fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

/// The variable and the default of a value that consists of one placeholder.
pub(super) fn parts(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("${")?.strip_suffix('}')?.split_once(':')
}

fn value(
    depth: u8,
    inner: &str,
    env: &BTreeMap<String, String>,
    variable: &mut Option<String>,
) -> Result<String, String> {
    let (name, default) = match inner.split_once(':') {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    match (env.get(name).filter(|value| !value.is_empty()), default) {
        (Some(value), _) => {
            variable.get_or_insert_with(|| name.to_owned());
            Ok(value.clone())
        }
        (None, Some(default)) => resolve_to(depth, default, env, variable),
        (None, None) => Err(format!(
            "the variable {name} is not set, and ${{{name}}} has no default"
        )),
    }
}

/// The position of the brace that closes the placeholder at the start of `text`.
fn end(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(at),
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
