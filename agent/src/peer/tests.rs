use super::*;

#[test]
fn host_and_port_are_parsed_and_formatted_unchanged() {
    for text in [
        "127.0.0.1:10800",
        "collector-1.example:11800",
        "[::1]:11800",
    ] {
        assert_eq!(text.parse::<Peer>().unwrap().to_string(), text);
    }
    assert_eq!(" a:1 ".parse::<Peer>().unwrap().to_string(), "a:1");
    assert_eq!("[::1]:1".parse::<Peer>().unwrap().host(), "::1");
}

#[test]
fn a_configured_address_may_have_a_scheme() {
    for (text, is_secure) in [
        ("a:1", false),
        ("http://a:1", false),
        ("https://a:1/", true),
    ] {
        let peer = Peer::configured(text).unwrap();
        assert_eq!(
            (peer.to_string().as_str(), peer.is_secure()),
            ("a:1", is_secure)
        );
    }
    for text in ["https://", "https://a", "https://a:1/path", "ftp://a:1"] {
        assert!(Peer::configured(text).is_err(), "{text}");
    }
}

#[test]
fn a_text_that_is_not_host_and_port_is_refused() {
    for text in [
        "",
        "host",
        "host:",
        ":1",
        "host:0",
        "host:70000",
        "http://host:1",
        "host:1/",
        "::1:1",
        "a b:1",
        "a\n:1",
    ] {
        assert!(text.parse::<Peer>().is_err(), "{text:?}");
    }
}
