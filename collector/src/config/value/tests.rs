use proptest::prelude::*;

use super::*;

#[test]
fn hosts_are_names_or_addresses() {
    for (text, host) in [
        ("localhost", "localhost"),
        ("10.0.0.1", "10.0.0.1"),
        ("[::1]", "::1"),
        ("::", "::"),
    ] {
        assert_eq!(parse_host(text).unwrap(), host);
    }
    for text in [
        "",
        "http://host",
        "host:80",
        "two hosts",
        "höst",
        "[host]",
        "0",
        "127.1",
        "11800",
        "10.0.0.256",
    ] {
        assert!(parse_host(text).is_err(), "{text}");
    }
}

#[test]
fn context_paths_are_clean() {
    for (text, path) in [("/", "/"), ("/a/", "/a"), ("/a/b", "/a/b")] {
        assert_eq!(parse_context_path(text).unwrap(), path);
    }
    for text in ["", "a", "//", "/a b", "/{id}", "/*x", "/a?b"] {
        assert!(parse_context_path(text).is_err(), "{text}");
    }
}

#[test]
fn namespaces_are_names_on_one_or_several_levels() {
    for (text, namespace) in [
        ("", ""),
        ("/", "/"),
        ("staging", "staging"),
        ("/staging/", "staging"),
        ("team/prod-1.2_x", "team/prod-1.2_x"),
    ] {
        assert_eq!(parse_namespace(text).unwrap(), namespace);
    }
    for text in ["//", "a//b", "a/../b", ".", "two words", "a:b", "/a//"] {
        assert!(parse_namespace(text).is_err(), "{text}");
    }
}

#[test]
fn connect_strings_have_the_syntax_of_zookeepers_client() {
    for (text, servers, chroot) in [
        ("a:2181,b:2182", "a:2181,b:2182", ""),
        ("zk1,zk2:2181,", "zk1:2181,zk2:2181", ""),
        (" a , b:1 ,,", "a:2181,b:1", ""),
        (
            "127.0.0.1:2181/apps/skywalking",
            "127.0.0.1:2181",
            "/apps/skywalking",
        ),
        ("a,b/", "a:2181,b:2181", ""),
        ("a,/b", "a:2181", "/b"),
        (
            "a/b c:d@e/\u{8ba2}\u{5355}",
            "a:2181",
            "/b c:d@e/\u{8ba2}\u{5355}",
        ),
        (
            "[::1]:2182,[::1],::1",
            "[::1]:2182,[::1]:2181,[::1]:2181",
            "",
        ),
    ] {
        let parsed = parse_connect_string(text).unwrap();
        assert_eq!(
            (parsed.servers.join(","), &*parsed.chroot),
            (servers.to_owned(), chroot)
        );
        assert_eq!(parse_connect_string(&parsed.to_string()), Ok(parsed));
    }
    for text in [
        "",
        ",",
        "/chroot",
        "http://a:1",
        "a:0",
        "a:b",
        "a/b/",
        "a/..",
        "a/ b",
        "a/b\n",
        "a/b\u{7f}c",
        "[::1",
        "a;b",
        "a/x,b/x",
        "a:1:2",
    ] {
        assert!(parse_connect_string(text).is_err(), "{text}");
    }
}

#[test]
fn numbers_that_versions_of_yaml_read_differently_are_refused() {
    for text in [
        "010", "0x1F", "0o17", "1_000", "+5", "1e3", "12:30", "1.0", "00",
    ] {
        assert!(
            parse_port(text).is_err() && parse_count(text).is_err(),
            "{text}"
        );
        assert!(parse_bytes(text).is_err(), "{text}");
        assert!(parse_duration(&format!("{text}s")).is_err(), "{text}");
    }
    assert_eq!(parse_port("0"), Ok(0));
}

#[test]
fn tokens_are_valid_header_values() {
    for token in ["", "s3cret-/+=", "$2y$10"] {
        assert_eq!(parse_token(token).unwrap(), token);
    }
    for text in [HIDDEN, "two words", "tab\t", "pässword", "line\n"] {
        assert!(parse_token(text).is_err(), "{text}");
    }
}

#[test]
fn endpoints_are_hosts_with_ports() {
    let many = "a:2379, http://10.0.0.1:1,https://[::1]:65535";
    let parsed = ["a:2379", "http://10.0.0.1:1", "https://[::1]:65535"];
    assert_eq!(parse_endpoints(many).unwrap(), parsed);
    for text in [
        "",
        "a",
        "a:0",
        ":1",
        "a:1,",
        "::1:2379",
        "ftp://a:1",
        "http://a:1/",
        "a:1;b:2",
    ] {
        assert!(parse_endpoints(text).is_err(), "{text}");
    }
}

#[test]
fn upstreams_plain_milliseconds_are_a_duration_for_its_keys() {
    assert_eq!(parse_millis("100000").unwrap(), Duration::from_secs(100));
    assert_eq!(parse_millis("10s").unwrap(), Duration::from_secs(10));
    assert!(parse_millis("").is_err() && parse_millis("0").is_err());
}

#[test]
fn names_have_no_port() {
    assert_eq!(parse_names("a, b.example").unwrap(), ["a", "b.example"]);
    assert_eq!(parse_names("*").unwrap(), ["*"]);
    for text in ["", "a:1", "*.example", "a,,b", "http://a"] {
        assert!(parse_names(text).is_err(), "{text}");
    }
}

#[test]
fn durations_need_a_unit() {
    assert_eq!(parse_duration("120s").unwrap(), Duration::from_secs(120));
    assert_eq!(parse_duration("2 m").unwrap(), Duration::from_secs(120));
    for text in [
        "",
        "120",
        "s",
        "0s",
        "-1s",
        "1.5s",
        "1d",
        "99999999999999999999s",
        "18446744073709551615h",
        "9000h",
    ] {
        assert!(parse_duration(text).is_err(), "{text}");
    }
}

#[test]
fn sizes_accept_upstreams_letters() {
    for (text, bytes) in [
        ("65536", 65536),
        ("64KiB", 65536),
        ("10M", 10 << 20),
        ("1GiB", 1 << 30),
    ] {
        assert_eq!(parse_bytes(text).unwrap(), bytes);
    }
    for text in ["", "0", "1KB", "-1", "1.5MiB", "99999999999GiB"] {
        assert!(parse_bytes(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn the_printed_value_parses_to_the_same(millis in 1_u64..366 * 24 * 3_600_000, bytes in 1_usize..) {
        let duration = Duration::from_millis(millis);
        prop_assert_eq!(parse_duration(&print_duration(duration)), Ok(duration));
        prop_assert_eq!(parse_bytes(&print_bytes(bytes)), Ok(bytes));
    }

    #[test]
    fn no_text_panics(text in ".*") {
        let texts = [parse_host(&text), parse_context_path(&text)];
        prop_assert!(texts.into_iter().flatten().all(|value| !value.is_empty()));
        prop_assert!(matches!(parse_count(&text), Err(_) | Ok(0)) || parse_bytes(&text).is_ok());
        prop_assert!(parse_duration(&text).is_err() || parse_port(&text).is_err());
        let resolved = super::super::placeholder::resolve(&text, &Default::default());
        let untouched = text.contains("${") || resolved.map(|it| it.text) == Ok(text);
        prop_assert!(untouched);
    }
}
