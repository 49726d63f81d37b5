use super::*;

#[test]
fn loopback_names_addresses_and_configured_names_are_this_collector() {
    let names = Names::new(["Rollcall.example.", "10.0.0.1", ""]);
    for (authority, included) in [
        ("localhost", true),
        ("LOCALHOST:12800", true),
        ("api.localhost:1", true),
        ("127.0.0.1:12800", true),
        ("192.168.7.9", true),
        ("[::1]:12800", true),
        ("rollcall.example:80", true),
        ("rollcall.EXAMPLE.", true),
        ("evil.example", false),
        ("rollcall.example.evil.example", false),
        ("localhost.evil.example", false),
        ("127.0.0.1.evil.example", false),
        ("0x7f.1", false),
        ("2130706433", false),
    ] {
        let authority: Authority = authority.parse().unwrap();
        assert_eq!(names.include(&authority), included, "{authority}");
    }
    let any: Authority = "evil.example".parse().unwrap();
    assert!(Names::new(["*"]).include(&any));
}

#[test]
fn a_request_has_one_host_if_its_protocol_requires_one() {
    use HostError::{Ambiguous, Invalid, Missing};
    let (v10, v11, v2) = (Version::HTTP_10, Version::HTTP_11, Version::HTTP_2);
    for (version, target, hosts, expected) in [
        (v11, "/", &["a:1"][..], Ok(Some("a:1"))),
        (v11, "/", &[], Err(Missing)),
        (v11, "/", &["a", "a"], Err(Ambiguous)),
        (v11, "/", &["a b"], Err(Invalid)),
        (v11, "/", &["user@a"], Err(Invalid)),
        (v11, "/", &["a/b"], Err(Invalid)),
        (v11, "http://a/", &["A"], Ok(Some("a"))),
        (v11, "http://a/", &["b"], Err(Ambiguous)),
        (v11, "http://a/", &[], Err(Missing)),
        (v10, "/", &[], Ok(None)),
        (v10, "/", &["a"], Ok(Some("a"))),
        (v2, "http://a/", &[], Ok(Some("a"))),
        (v2, "http://a/", &["b"], Err(Ambiguous)),
        (v2, "/", &[], Ok(None)),
    ] {
        let mut request = Request::builder().version(version).uri(target);
        for sent in hosts {
            request = request.header(HOST, *sent);
        }
        let host = host(&request.body(()).unwrap());
        let host = host
            .as_ref()
            .map(|host| host.as_ref().map(Authority::as_str));
        assert_eq!(
            host,
            expected.as_ref().copied(),
            "{version:?} {target} {hosts:?}"
        );
    }
}

#[test]
fn a_plain_host_is_a_host() {
    for (host, expected) in [
        ("a", true),
        ("127.0.0.1:12800", true),
        ("Rollcall-1.example.", true),
        ("", false),
        (":1", false),
        ("a:", false),
        ("a:b", false),
        ("a:123456", false),
        ("a:1:2", false),
        ("a b", false),
        ("a/b", false),
        ("a@b", false),
        ("[::1]:1", false),
    ] {
        assert_eq!(is_plain(host.as_bytes()), expected, "{host:?}");
        let request = Request::builder().header(HOST, host).body(()).unwrap();
        assert!(!expected || super::host(&request).is_ok(), "{host:?}");
    }
}
