use super::*;

fn resolved(text: &str) -> Result<String, String> {
    let env = [("HOST", "10.0.0.1"), ("EMPTY", ""), ("ODD", "${HOST}: {x}")];
    let env = env
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    resolve(text, &env).map(|resolved| resolved.text)
}

#[test]
fn a_variable_wins_over_the_default() {
    assert_eq!(resolved("${HOST:localhost}").unwrap(), "10.0.0.1");
    assert_eq!(resolved("${NONE:localhost}").unwrap(), "localhost");
    assert_eq!(resolved("${NONE:}").unwrap(), "");
    assert_eq!(resolved("${EMPTY:localhost}").unwrap(), "localhost");
    assert_eq!(resolved("${NONE:http://h:1/}").unwrap(), "http://h:1/");
}

#[test]
fn placeholders_are_resolved_inside_text_and_inside_defaults() {
    assert_eq!(resolved("a${HOST}b${NONE:c}d").unwrap(), "a10.0.0.1bcd");
    assert_eq!(
        resolved("${NONE:${NEITHER:x${HOST}}y}").unwrap(),
        "x10.0.0.1y"
    );
}

#[test]
fn the_value_of_a_variable_is_not_resolved_again() {
    assert_eq!(resolved("${ODD:}").unwrap(), "${HOST}: {x}");
}

#[test]
fn an_escaped_placeholder_is_text() {
    assert_eq!(
        resolved("./$${HOST}/${HOST}").unwrap(),
        "./${HOST}/10.0.0.1"
    );
    assert_eq!(resolved(&escape("${HOST:é}$${")).unwrap(), "${HOST:é}$${");
}

#[test]
fn a_placeholder_that_cannot_be_resolved_is_an_error() {
    assert!(resolved("${NONE}").unwrap_err().contains("NONE"));
    assert!(resolved("x${HOST:a").unwrap_err().contains("closing brace"));
    assert!(resolved("${").is_err());
    assert!(
        resolved(&("${A:".repeat(100_000) + &"}".repeat(100_000)))
            .unwrap_err()
            .contains("deep")
    );
}
