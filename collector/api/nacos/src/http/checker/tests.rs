use super::*;

#[test]
fn a_console_that_sends_back_what_it_was_shown_does_not_lose_the_password() {
    let set = r#"{"type":"MYSQL","user":"u","pwd":"secret","cmd":"select 1"}"#;
    let cluster = Cluster {
        checker: parse(set).unwrap(),
        ..Cluster::new("c".into())
    };
    let shown = shown(&cluster.checker).to_string();
    let again = keep_password(parse(&shown).unwrap(), Some(&cluster));
    assert_eq!(again, cluster.checker);
    let other = parse(r#"{"type":"MYSQL","user":"other","pwd":""}"#).unwrap();
    assert_eq!(keep_password(other.clone(), Some(&cluster)), other);
}

#[test]
fn each_type_is_read_and_shown_and_a_password_is_not() {
    for (text, expected) in [
        (r#"{"type":"TCP"}"#, json!({"type": "TCP"})),
        (
            r#"{"type":"HTTP","path":"/health","headers":"k:v"}"#,
            json!({"type": "HTTP", "path": "/health", "headers": "k:v", "expectedResponseCode": 200}),
        ),
        (
            r#"{"type":"MYSQL","user":"u","pwd":"secret","cmd":"select 1"}"#,
            json!({"type": "MYSQL", "user": "u", "pwd": "", "cmd": "select 1"}),
        ),
        (r#"{"type":"WAT"}"#, json!({"type": "NONE"})),
        ("{}", json!({"type": "NONE"})),
    ] {
        assert_eq!(shown(&parse(text).unwrap()), expected, "{text}");
    }
    assert!(parse("TCP").is_err());
}
