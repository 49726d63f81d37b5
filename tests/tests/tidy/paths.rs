//! Extracts the paths in Rust source, with a parser that is just sufficient to check dependencies between modules.
//!
//! It works in four steps: remove the comments, split the code into tokens, remove the items that are only compiled for tests, and
//! read the paths. For example, `use crate::{api::{http, grpc}, storage}` gives `crate::api::http`, `crate::api::grpc` and
//! `crate::storage`.
//!
//! The parser knows neither strings nor macros nor renamed imports. `//` inside a string begins a comment, and a path in a string
//! is a path. Both would only hide or add a dependency in unusual code.

/// Every path with at least two segments in `text`, the source of `module`. Paths that begin with `self` or `super` begin with
/// `crate` in the result. A path that begins with a child of `module` stays as it is.
pub(crate) fn named_by(text: &str, module: &[&str]) -> Vec<String> {
    let code = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let tokens = without_tests(&tokens(&code));
    let mut paths = Vec::new();
    let mut position = 0;
    while position < tokens.len() {
        position = read_path(&tokens, position, &[], &mut paths);
    }
    paths
        .into_iter()
        .filter(|path| path.len() > 1)
        .map(|path| resolve(&path, module).join("::"))
        .collect()
}

/// Reads one path or one other token, and returns the position after it. Adds the path to `paths`, or each of its paths if it ends
/// with a group in braces. `prefix` has the segments before a group.
fn read_path<'a>(
    tokens: &[&'a str],
    mut position: usize,
    prefix: &[&'a str],
    paths: &mut Vec<Vec<&'a str>>,
) -> usize {
    let mut segments = prefix.to_vec();
    while let Some(&token) = tokens.get(position) {
        let begins_group = token == "{" && !segments.is_empty() && tokens[position - 1] == "::";
        if begins_group {
            position += 1;
            while tokens.get(position).is_some_and(|&token| token != "}") {
                position = read_path(tokens, position, &segments, paths);
            }
            return position + 1;
        }
        position += 1;
        let is_segment = token.starts_with(|first: char| first.is_alphabetic() || first == '_');
        if is_segment {
            segments.push(token);
            if tokens.get(position) == Some(&"::") {
                position += 1;
                continue;
            }
        }
        break;
    }
    if segments.len() > prefix.len() {
        paths.push(segments);
    }
    position
}

/// The tokens without the items marked `#[cfg(test)]`.
fn without_tests<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut rest = tokens;
    while !rest.is_empty() {
        if rest.starts_with(&MARK) {
            rest = &rest[MARK.len()..];
            rest = &rest[item_length(rest)..];
        } else {
            kept.push(rest[0]);
            rest = &rest[1..];
        }
    }
    kept
}

/// The number of tokens of the first item, up to its semicolon or the end of its braces.
fn item_length(tokens: &[&str]) -> usize {
    let mut depth = 0;
    for (position, &token) in tokens.iter().enumerate() {
        match token {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 && [";", "}"].contains(&token) {
            return position + 1;
        }
    }
    tokens.len()
}

/// Splits code into identifiers, `::`, and other single characters.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if rest.starts_with("::") => 2,
            _ if first.is_alphanumeric() || first == '_' => rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

/// The path with `self` and `super`, as they are meant in `module`, replaced by the path from the root of the crate.
fn resolve<'a>(path: &[&'a str], module: &[&'a str]) -> Vec<&'a str> {
    let is_super = |segment: &&&str| **segment == "super";
    let levels = path.iter().take_while(is_super).count();
    match path[0] {
        "self" => [&["crate"], module, &path[1..]].concat(),
        "super" => {
            let ancestor = &module[..module.len().saturating_sub(levels)];
            [&["crate"], ancestor, &path[levels..]].concat()
        }
        _ => path.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_every_spelling() {
        let text = "
        use crate::{api::{http, status::Table}, storage};
        use super::super::storage::Storage; // crate::ignored::comment
        fn f() { crate::cluster::join(rollcall_agent::Agent { a: 1 }) }
        #[cfg(test)] mod tests { use crate::tests::only; fn g() {} }
        #[cfg(test)] mod more;
        use crate::server::Limits;";
        let found = named_by(text, &["api", "grpc", "v5"]);
        for wanted in [
            "crate::api::http",
            "crate::api::status::Table",
            "crate::storage",
            "crate::api::storage::Storage",
            "crate::cluster::join",
            "rollcall_agent::Agent",
            "crate::server::Limits",
        ] {
            assert!(found.contains(&wanted.to_owned()), "{wanted} in {found:?}");
        }
        assert_eq!(found.len(), 7, "{found:?}");
    }
}
