use super::*;

fn file(bytes: &[u8]) -> File {
    let environment = BTreeMap::from([
        ("NAME".to_owned(), "orders".to_owned()),
        ("EMPTY".to_owned(), String::new()),
        ("KEY".to_owned(), "NAME".to_owned()),
    ]);
    parse(Path::new("agent.config"), bytes, &environment).unwrap()
}

/// The only entry of a file.
fn one(text: &str) -> (String, Result<String, String>) {
    let mut values = file(text.as_bytes()).values;
    assert_eq!(values.len(), 1, "{text:?}");
    let (key, value) = values.pop_first().unwrap();
    (key, value.text)
}

fn value(text: &str) -> String {
    one(text).1.unwrap()
}

#[track_caller]
fn reads(text: &str, key: &str, value: &str) {
    assert_eq!(
        one(text),
        (key.to_owned(), Ok(value.to_owned())),
        "{text:?}"
    );
}

// The expected values of the next five tests are the results of OpenJDK 17.

#[test]
fn the_first_separator_ends_the_key() {
    for text in [
        "a=b=c",
        "a = b=c",
        "a:b=c",
        "a b=c",
        "  a\t=  b=c",
        "a\x0c: b=c",
        "a   b=c",
    ] {
        reads(text, "a", "b=c");
    }
    reads("a", "a", "");
    reads("a=", "a", "");
    reads("a = = b", "a", "= b");
    reads("a : = b", "a", "= b");
    reads("a\\=b=c", "a=b", "c");
    reads("a\\:b:c", "a:b", "c");
    reads("a\\ b c", "a b", "c");
    reads("=b", "", "b");
}

#[test]
fn only_leading_blanks_are_trimmed_from_a_value() {
    reads("a=  b  ", "a", "b  ");
    reads("a=\\  b", "a", "  b");
    // Java does not treat these as blanks: a no-break space, an ideographic space, a vertical tab.
    for other in ["\u{a0}", "\u{3000}", "\x0b"] {
        reads(&format!("a={other}b"), "a", &format!("{other}b"));
        reads(&format!("a{other}=b"), &format!("a{other}"), "b");
    }
}

#[test]
fn comments_and_blank_lines_are_skipped_but_counted() {
    let values = file(b"# a=1\n\n! b=2 \\\nc=3\r\n  # d\re=4\n\t\x0c\n").values;
    let lines: Vec<_> = values
        .iter()
        .map(|(key, value)| (key.as_str(), value.text.as_deref().unwrap(), value.line))
        .collect();
    assert_eq!(lines, [("c", "3", 4), ("e", "4", 6)]);
}

#[test]
fn a_backslash_continues_a_line() {
    reads("a=1,\\\n   2", "a", "1,2");
    reads("a=1,\\\r\n\t2", "a", "1,2");
    reads("a=1,\\\r2", "a", "1,2");
    reads("a\\\n=1", "a", "1");
    reads("a\\\n  b=1", "ab", "1");
    reads("a=1\\\n#2", "a", "1#2");
    reads("a=1\\\n", "a", "1");
    reads("a=1\\", "a", "1");
    reads("a=1\\\\", "a", "1\\");
    reads("a=1\\\\\\\n2", "a", "1\\2");
    let two = file(b"a=1\\\n\nb=2").values;
    assert_eq!(two["a"].text.as_deref(), Ok("1"));
    assert_eq!(two["b"].line, 3);
}

#[test]
fn a_backslash_escapes() {
    reads("a=\\u0041\\t\\:\\n\\r\\f\\q\\\"", "a", "A\t:\n\r\x0cq\"");
    reads("\\u0061=\\u8ba2\\u5355", "a", "\u{8ba2}\u{5355}");
    reads("a=\\uD83D\\uDE00!", "a", "\u{1f600}!");
    reads("a=\\\\u0041", "a", "\\u0041");
    reads("a=\u{8ba2}", "a", "\u{8ba2}");
}

#[test]
fn an_escape_that_is_not_a_character_is_a_mistake() {
    for text in [
        "a=\\u00zz",
        "a=\\u12",
        "a=\\u",
        "a=\\u+123",
        "a=\\uD83D",
        "a=\\uD83D\\u0041",
        "a=\\uDE00",
    ] {
        let message = one(text).1.unwrap_err();
        assert!(
            message.contains("is not a character"),
            "{text:?}: {message}"
        );
    }
}

#[test]
fn a_byte_order_mark_is_skipped_and_utf_16_is_refused() {
    assert_eq!(
        file(b"\xef\xbb\xbfa=1").values["a"].text.as_deref(),
        Ok("1")
    );
    assert_eq!(file(b"\xef\xbb\xbf# c\na=1").values.len(), 1);
    for bytes in [b"\xff\xfea\0=\0b\0".as_slice(), b"\xfe\xff\0a\0=\0b"] {
        let problem = parse(Path::new("agent.config"), bytes, &BTreeMap::new()).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "agent.config:1: config_file: is UTF-16; save the file as UTF-8"
        );
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_a_mistake_in_a_value_but_not_in_a_comment() {
    let read = file(b"# \xb6\xa9\na=\xb6\xa9\nb=1\nc\xb6=1");
    assert_eq!(read.values.len(), 3);
    let wrong = read.values["a"].text.as_deref().unwrap_err();
    assert_eq!(wrong, "is not UTF-8; save the file as UTF-8");
    assert_eq!(read.values["b"].text.as_deref(), Ok("1"));
}

#[test]
fn placeholders_take_the_environment_or_their_default() {
    assert_eq!(value("a=${NAME:x}-1"), "orders-1");
    assert_eq!(value("a=${NAME}${NAME}"), "ordersorders");
    assert_eq!(value("a=${OTHER:127.0.0.1:11800}"), "127.0.0.1:11800");
    assert_eq!(value("a=${OTHER:}"), "");
    assert_eq!(value("a=${EMPTY:x}"), "");
    assert_eq!(value("a=$NAME {NAME} }"), "$NAME {NAME} }");
}

#[test]
fn placeholders_nest_in_defaults_and_names() {
    assert_eq!(value("a=${A:${B:127.0.0.1}:11800}"), "127.0.0.1:11800");
    assert_eq!(value("a=${A:${NAME:x}:1}"), "orders:1");
    assert_eq!(value("a=${A:${B:${C:${NAME}}}}!"), "orders!");
    assert_eq!(value("a=${${KEY}:x}"), "orders");
    assert_eq!(value("a=${${KEY}}"), "orders");
    assert_eq!(value("a=${A:{\"b\":{}}}"), "{\"b\":{}}");
    // A placeholder in an unused default may lack a value.
    assert_eq!(value("a=${NAME:${OTHER}}"), "orders");
}

#[test]
fn a_placeholder_is_looked_up_in_the_environment_and_then_in_the_file() {
    let values = file(b"a=${b}-${NAME}\nb=${c:x}\nc=1\nNAME=never").values;
    assert_eq!(values["a"].text.as_deref(), Ok("1-orders"));
}

#[test]
fn the_value_of_a_variable_is_not_a_placeholder() {
    let environment = BTreeMap::from([("A".to_owned(), "${B}".to_owned())]);
    let read = parse(Path::new("f"), b"a=${A}", &environment).unwrap();
    assert_eq!(read.values["a"].text.as_deref(), Ok("${B}"));
}

#[test]
fn a_placeholder_without_a_value_or_without_a_closing_brace_is_a_mistake() {
    let message = one("a=${OTHER}").1.unwrap_err();
    assert_eq!(
        message,
        "the environment has no OTHER, and ${OTHER} has no default"
    );
    let message = one("a=${A:${OTHER}}").1.unwrap_err();
    assert_eq!(
        message,
        "the environment has no OTHER, and ${OTHER} has no default"
    );
    for text in ["a=${NAME", "a=${A:${B}", "a=${A:{}"] {
        assert_eq!(one(text).1.unwrap_err(), "a ${ without its }", "{text:?}");
    }
}

#[test]
fn placeholders_that_refer_to_each_other_are_a_mistake() {
    for text in ["a=${a}", "a=${b}\nb=${a}", "a=${b}${b}\nb=${a}${a}"] {
        let message = file(text.as_bytes()).values["a"].text.clone().unwrap_err();
        assert!(message.contains("refer to each other"), "{message}");
    }
    let deep = format!("a={}1{}", "${A:".repeat(50), "}".repeat(50));
    assert!(one(&deep).1.unwrap_err().contains("16 deep"));
}
