//! Extracts the paths in Rust source, with a parser that is just sufficient to check dependencies between modules.

/// Every path with at least two segments in `text`, without its tests and with groups in braces expanded. Paths into the same crate
/// begin with `crate`, except paths that begin with a child of `module`.
pub(crate) fn named_by(text: &str, module: &[&str]) -> Vec<String> {
    let code = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let tokens = without_tests(&tokens(&code));
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        at = path(&tokens, at, &[], &mut paths);
    }
    paths
        .into_iter()
        .filter(|path| path.len() > 1)
        .map(|path| resolve(&path, module).join("::"))
        .collect()
}

/// Reads one path or one other token, adds the path to `paths`, and returns the position after it.
fn path<'a>(
    tokens: &[&'a str],
    mut at: usize,
    prefix: &[&'a str],
    paths: &mut Vec<Vec<&'a str>>,
) -> usize {
    let mut segments = prefix.to_vec();
    while let Some(&token) = tokens.get(at) {
        if token == "{" && !segments.is_empty() && tokens[at - 1] == "::" {
            at += 1;
            while tokens.get(at).is_some_and(|&token| token != "}") {
                at = path(tokens, at, &segments, paths);
            }
            return at + 1;
        }
        at += 1;
        if token.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            segments.push(token);
            if tokens.get(at) == Some(&"::") {
                at += 1;
                continue;
            }
        }
        break;
    }
    if segments.len() > prefix.len() {
        paths.push(segments);
    }
    at
}

/// The tokens without items that are marked `#[cfg(test)]`.
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

/// The number of tokens of an item, up to its semicolon or the end of its braces.
fn item_length(tokens: &[&str]) -> usize {
    let mut depth = 0;
    for (at, &token) in tokens.iter().enumerate() {
        match token {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 && [";", "}"].contains(&token) {
            return at + 1;
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

fn resolve<'a>(path: &[&'a str], module: &[&'a str]) -> Vec<&'a str> {
    let ups = path
        .iter()
        .take_while(|&&segment| segment == "super")
        .count();
    match path[0] {
        "self" => [&["crate"], module, &path[1..]].concat(),
        "super" => [
            &["crate"],
            &module[..module.len().saturating_sub(ups)],
            &path[ups..],
        ]
        .concat(),
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
