//! The spelling of names in the table of keys, and messages about unknown names.

/// `contextPath` -> `context_path`, `enableACL` -> `enable_acl`.
pub(super) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut previous = ' ';
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !previous.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
        previous = letter;
    }
    snake
}

/// The message about an unknown name, with the most similar known name, or with all of them.
pub(super) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let distance = |other: &&&str| {
        strsim::damerau_levenshtein(&name.to_ascii_lowercase(), &other.to_ascii_lowercase())
    };
    let nearest = known
        .iter()
        .min_by_key(distance)
        .filter(|other| distance(other) <= 1 + name.len() / 4);
    match nearest {
        Some(nearest) => format!("unknown {what}; did you mean {nearest}?"),
        None if known.is_empty() => format!("unknown {what}; none is allowed here"),
        None => format!("unknown {what}; allowed: {}", known.join(", ")),
    }
}
