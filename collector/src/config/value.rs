//! Text to typed values and back. Each `parse_*` says in its error what is allowed; each `print_*` gives text that parses to the same value.

use std::net::IpAddr;
use std::time::Duration;

const DURATIONS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZES: [(&str, usize); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("", 1),
];

/// A host name, an IPv4 address, or an IPv6 address with or without brackets (kept without).
pub(super) fn parse_host(text: &str) -> Result<String, &'static str> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let is_name = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if is_name || bare.parse::<IpAddr>().is_ok() {
        Ok(bare.to_owned())
    } else {
        Err("a host name or an IP address, without scheme and port")
    }
}

/// 0 to 65535.
pub(super) fn parse_port(text: &str) -> Result<u16, &'static str> {
    text.parse().or(Err("a port, 0 to 65535"))
}

/// 1 to 65535, or nothing.
pub(super) fn parse_advertised_port(text: &str) -> Result<Option<u16>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse() {
        Ok(port) if port != 0 => Ok(Some(port)),
        _ => Err("a port, 1 to 65535, or nothing"),
    }
}

/// A path that starts with a slash; one at its end is dropped.
pub(super) fn parse_context_path(text: &str) -> Result<String, &'static str> {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_' | b'~');
    if !text.starts_with('/') || text.contains("//") || !text.bytes().all(plain) {
        return Err("a path like / or /rollcall, of letters, digits and . - _ ~");
    }
    let path = text.strip_suffix('/').unwrap_or(text);
    Ok(if path.is_empty() { "/" } else { path }.to_owned())
}

/// A whole number with a unit, more than nothing.
pub(super) fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    const ALLOWED: &str = "a duration with a unit, above zero: 500ms, 120s, 5m, 1h";
    let (number, unit) = split(text);
    let factor = DURATIONS
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, factor)| *factor)
        .ok_or(ALLOWED)?;
    let millis = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or(ALLOWED)?;
    // A year is already absurd; the bound keeps deadlines far from the end of every clock.
    if millis == 0 || millis > 366 * 24 * 3_600_000 {
        Err(ALLOWED)
    } else {
        Ok(Duration::from_millis(millis))
    }
}

/// A number of bytes, plain or in KiB, MiB, GiB (upstream's K, M, G mean the same), more than nothing.
pub(super) fn parse_bytes(text: &str) -> Result<usize, &'static str> {
    const ALLOWED: &str =
        "a number of bytes above zero, plain or with a unit: 65536, 64KiB, 50MiB, 1GiB";
    let (number, unit) = split(text);
    let unit = match unit {
        "K" => "KiB",
        "M" => "MiB",
        "G" => "GiB",
        unit => unit,
    };
    let factor = SIZES
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, factor)| *factor)
        .ok_or(ALLOWED)?;
    let bytes = number
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or(ALLOWED)?;
    if bytes == 0 { Err(ALLOWED) } else { Ok(bytes) }
}

/// A whole number above zero.
pub(super) fn parse_count(text: &str) -> Result<usize, &'static str> {
    text.parse()
        .ok()
        .filter(|count| *count > 0)
        .ok_or("a whole number above zero")
}

/// Letters and digits that need no care in a key or a path, or nothing.
pub(super) fn parse_name(text: &str) -> Result<String, &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("letters, digits and . - _")
    }
}

/// One or several names with slashes between them, or nothing; a slash alone is kept, which means no namespace.
pub(super) fn parse_namespace(text: &str) -> Result<String, &'static str> {
    const ALLOWED: &str = "names of letters, digits and . - _, with slashes between them: production, team/production";
    let bare = text.strip_prefix('/').unwrap_or(text);
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    if matches!(text, "" | "/") {
        return Ok(text.to_owned());
    }
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && parse_name(name).is_ok();
    if bare.split('/').all(is_name) {
        Ok(bare.to_owned())
    } else {
        Err(ALLOWED)
    }
}

/// One or several of `host:port`, `http://host:port` and `https://host:port`, separated by commas.
pub(super) fn parse_endpoints(text: &str) -> Result<Vec<String>, &'static str> {
    parse_list(text, |endpoint| {
        let bare = endpoint
            .strip_prefix("http://")
            .or(endpoint.strip_prefix("https://"));
        is_server(bare.unwrap_or(endpoint))
    })
    .ok_or("host:port, or several separated by commas; http:// or https:// may stand in front")
}

/// One or several of `host:port`, separated by commas.
pub(super) fn parse_servers(text: &str) -> Result<Vec<String>, &'static str> {
    parse_list(text, is_server)
        .ok_or("host:port, or several separated by commas, without a path: set the namespace")
}

fn parse_list(text: &str, is_allowed: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    let items = text.split(',').map(str::trim);
    items
        .map(|item| is_allowed(item).then(|| item.to_owned()))
        .collect()
}

/// Whether it is a host and a port that can be connected to; an IPv6 address has to be in brackets.
fn is_server(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_bare_ipv6 = host.contains(':') && !host.starts_with('[');
    !is_bare_ipv6 && parse_host(host).is_ok() && parse_port(port).is_ok_and(|port| port != 0)
}

/// As [`parse_duration`], or upstream's plain number of milliseconds.
pub(super) fn parse_millis(text: &str) -> Result<Duration, &'static str> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return parse_duration(&format!("{text}ms"));
    }
    parse_duration(text)
}

/// What is shown in the place of a secret.
pub(super) const HIDDEN: &str = "***";

/// What an HTTP header can carry, or nothing.
pub(super) fn parse_token(text: &str) -> Result<String, &'static str> {
    if text == HIDDEN {
        return Err("the token itself, not what is shown in its place");
    }
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("letters, digits and signs of ASCII, without spaces")
    }
}

/// In the largest unit that is exact.
pub(super) fn print_duration(value: Duration) -> String {
    let millis = value.as_millis();
    let exact = DURATIONS
        .iter()
        .find(|(_, factor)| millis.is_multiple_of(u128::from(*factor)));
    let (unit, factor) = exact.unwrap_or(&("ms", 1));
    format!("{}{unit}", millis / u128::from(*factor))
}

/// In the largest unit that is exact.
pub(super) fn print_bytes(value: usize) -> String {
    let (unit, factor) = SIZES
        .iter()
        .find(|(_, factor)| value.is_multiple_of(*factor))
        .unwrap_or(&("", 1));
    format!("{}{unit}", value / factor)
}

fn split(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    (number, unit.trim_start())
}

#[cfg(test)]
mod tests {
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
        for text in ["", "http://host", "host:80", "two hosts", "höst", "[host]"] {
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
    fn tokens_are_what_a_header_can_carry() {
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
        assert_eq!(
            parse_servers("a:2181,b:2181").unwrap(),
            ["a:2181", "b:2181"]
        );
        for text in ["", "http://a:1", "a:2181/chroot"] {
            assert!(parse_servers(text).is_err(), "{text}");
        }
    }

    #[test]
    fn upstreams_plain_milliseconds_are_a_duration_where_it_has_them() {
        assert_eq!(parse_millis("100000").unwrap(), Duration::from_secs(100));
        assert_eq!(parse_millis("10s").unwrap(), Duration::from_secs(10));
        assert!(parse_millis("").is_err() && parse_millis("0").is_err());
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
    fn sizes_take_upstreams_letters_too() {
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
        fn what_is_printed_parses_to_the_same(millis in 1_u64..366 * 24 * 3_600_000, bytes in 1_usize..) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&print_duration(duration)), Ok(duration));
            prop_assert_eq!(parse_bytes(&print_bytes(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let texts = [parse_host(&text), parse_context_path(&text)];
            prop_assert!(texts.into_iter().flatten().all(|value| !value.is_empty()));
            prop_assert!(parse_count(&text).is_err() || parse_bytes(&text).is_ok());
            prop_assert!(parse_duration(&text).is_err() || parse_port(&text).is_err());
            let resolved = super::super::placeholder::resolve(&text, &Default::default());
            let untouched = text.contains("${") || resolved == Ok(text);
            prop_assert!(untouched);
        }
    }
}
