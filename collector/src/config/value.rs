//! Parses text to typed values, and prints them. The error of each `parse_*` function describes the allowed values. The text of
//! each `print_*` function parses to the same value.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use rollcall_catalog::Range;
use rollcall_service::listening::Mode;

use super::{ConnectString, PRIVATE};

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
    let is_plain = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    // The system reads `0` as 0.0.0.0 and `127.1` as 127.0.0.1. A lone number is often a port.
    let is_number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if (is_plain && !is_number) || bare.parse::<IpAddr>().is_ok() {
        Ok(bare.to_owned())
    } else {
        Err("a host name or an IP address, without scheme and port")
    }
}

/// Parses a number in plain digits. Forms that the versions of YAML read differently (`010`, `1_000`, `+5`) are refused.
fn parse_number<N: FromStr>(text: &str) -> Option<N> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let has_leading_zero = text.len() > 1 && text.starts_with('0');
    let number = || text.parse().ok();
    (is_plain && !has_leading_zero).then(number).flatten()
}

/// 0 to 65535.
pub(super) fn parse_port(text: &str) -> Result<u16, &'static str> {
    parse_number(text).ok_or("a port, 0 to 65535, in plain digits")
}

/// 1 to 65535, or nothing.
pub(super) fn parse_advertised_port(text: &str) -> Result<Option<u16>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    match parse_number(text) {
        Some(port) if port != 0 => Ok(Some(port)),
        _ => Err("a port, 1 to 65535, in plain digits, or nothing"),
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

/// A whole number with a unit, above zero.
pub(super) fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    const ALLOWED: &str =
        "a duration with a unit, above zero and at most 8784h: 500ms, 120s, 5m, 1h";
    let (number, unit) = split(text);
    let factor = DURATIONS
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, factor)| *factor)
        .ok_or(ALLOWED)?;
    let millis = parse_number::<u64>(number)
        .and_then(|number| number.checked_mul(factor))
        .ok_or(ALLOWED)?;
    // The limit of about a year keeps deadlines far from the end of the range of every clock.
    if millis == 0 || millis > 366 * 24 * 3_600_000 {
        Err(ALLOWED)
    } else {
        Ok(Duration::from_millis(millis))
    }
}

/// A number of bytes above zero, plain or in KiB, MiB, GiB (upstream's K, M, G mean the same).
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
    let bytes = parse_number::<usize>(number)
        .and_then(|number| number.checked_mul(factor))
        .ok_or(ALLOWED)?;
    if bytes == 0 { Err(ALLOWED) } else { Ok(bytes) }
}

/// A whole number. The range of the key decides whether it may be zero.
pub(super) fn parse_count(text: &str) -> Result<usize, &'static str> {
    parse_number(text).ok_or("a whole number, in plain digits")
}

/// Any text on one line, or nothing.
pub(super) fn parse_text(text: &str) -> Result<String, &'static str> {
    if text.contains(char::is_control) {
        return Err("text in one line");
    }
    Ok(text.to_owned())
}

/// A password without interpretation, or nothing.
pub(super) fn parse_password(text: &str) -> Result<String, &'static str> {
    if text == HIDDEN {
        return Err("the password itself, not the *** that is shown instead");
    }
    parse_text(text)
}

/// `user:password`, or nothing.
pub(super) fn parse_credentials(text: &str) -> Result<String, &'static str> {
    let is_pair = text
        .split_once(':')
        .is_some_and(|(user, _)| !user.is_empty());
    if !text.is_empty() && !is_pair {
        return Err("user:password, not the *** that is shown instead");
    }
    parse_password(text)
}

/// `true` or `false`, in the spellings of YAML.
pub(super) fn parse_flag(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" => Ok(false),
        _ => Err("true or false"),
    }
}

/// One of `auto`, `always` and `never`.
pub(super) fn parse_listening(text: &str) -> Result<Mode, &'static str> {
    let modes = [Mode::Auto, Mode::Always, Mode::Never];
    modes
        .into_iter()
        .find(|mode| print_listening(*mode) == text)
        .ok_or("auto, always or never")
}

pub(super) const fn print_listening(mode: Mode) -> &'static str {
    match mode {
        Mode::Auto => "auto",
        Mode::Always => "always",
        Mode::Never => "never",
    }
}

/// Letters and digits that need no escaping in a key or a path, or nothing.
fn parse_name(text: &str) -> Result<String, &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("letters, digits and . - _")
    }
}

/// One or several names with slashes between them, or nothing. A single slash is kept and means no namespace.
pub(super) fn parse_namespace(text: &str) -> Result<String, &'static str> {
    const ALLOWED: &str = "names of letters, digits and . - _, with slashes between them: production, team/production";
    let bare = text.strip_prefix('/').unwrap_or(text);
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    if matches!(text, "" | "/") {
        return Ok(text.to_owned());
    }
    if bare.split('/').all(is_namespace_level) {
        Ok(bare.to_owned())
    } else {
        Err(ALLOWED)
    }
}

/// Whether `name` is a valid level of a namespace.
fn is_namespace_level(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && parse_name(name).is_ok()
}

/// One or several of `host:port`, `http://host:port` and `https://host:port`, separated by commas.
pub(super) fn parse_endpoints(text: &str) -> Result<Vec<String>, &'static str> {
    parse_list(text, |endpoint| {
        let bare = endpoint
            .strip_prefix("http://")
            .or(endpoint.strip_prefix("https://"));
        is_server(bare.unwrap_or(endpoint))
    })
    .ok_or("host:port, or several separated by commas; http:// or https:// may come before it")
}

/// Servers of a ZooKeeper ensemble in the syntax of its own client: separated by commas, empty ones ignored, each with port
/// 2181 by default; from the first slash on, a chroot.
pub(super) fn parse_connect_string(text: &str) -> Result<ConnectString, &'static str> {
    const ALLOWED: &str = "host:port, or several separated by commas, the port being 2181 if it is left out; a chroot, /path, \
         may follow the last one";
    let (servers, chroot) = text.split_at(text.find('/').unwrap_or(text.len()));
    let servers = servers
        .split(',')
        .map(str::trim)
        .filter(|it| !it.is_empty());
    let with_port = |server: &str| {
        let bare_ipv6 = server.parse::<Ipv6Addr>();
        let is_complete = server.contains(':') && !server.ends_with(']') && bare_ipv6.is_err();
        let complete = match (is_complete, bare_ipv6) {
            (true, _) => server.to_owned(),
            (false, Ok(address)) => format!("[{address}]:{ZOOKEEPER}"),
            (false, Err(_)) => format!("{server}:{ZOOKEEPER}"),
        };
        is_server(&complete).then_some(complete)
    };
    let servers: Vec<String> = servers
        .map(with_port)
        .collect::<Option<_>>()
        .ok_or(ALLOWED)?;
    let is_path = matches!(chroot, "" | "/")
        || chroot
            .get(1..)
            .is_some_and(|path| path.split('/').all(is_node));
    if servers.is_empty() || !is_path {
        return Err(ALLOWED);
    }
    let chroot = if chroot == "/" { "" } else { chroot }.to_owned();
    Ok(ConnectString { servers, chroot })
}

/// Whether `name` is a valid name of a ZooKeeper node. A comma is refused although ZooKeeper allows it: the author of `a/x,b/x`
/// meant two servers.
fn is_node(name: &str) -> bool {
    let is_allowed = |c: char| {
        !(c.is_control()
            || c == ','
            || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}'))
    };
    !matches!(name, "" | "." | "..") && name.trim() == name && name.chars().all(is_allowed)
}

/// The default port of ZooKeeper.
const ZOOKEEPER: u16 = 2181;

/// Host names separated by commas; `*` means any.
pub(super) fn parse_names(text: &str) -> Result<Vec<String>, &'static str> {
    parse_list(text, |name| name == "*" || parse_host(name).is_ok())
        .ok_or("host names without ports, separated by commas, or * for any")
}

/// Ranges of addresses separated by commas; `private` means the private ones and loopback.
pub(super) fn parse_ranges(text: &str) -> Result<Vec<String>, &'static str> {
    parse_list(text, |range| {
        range == PRIVATE || range.parse::<Range>().is_ok()
    })
    .ok_or("ranges of addresses separated by commas, such as 10.0.0.0/8, or private")
}

fn parse_list(text: &str, is_allowed: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    let items = text.split(',').map(str::trim);
    items
        .map(|item| is_allowed(item).then(|| item.to_owned()))
        .collect()
}

/// Whether `text` is a host and a port to connect to. An IPv6 address must be in brackets.
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

/// The text shown in place of a secret.
pub(super) const HIDDEN: &str = "***";

/// A value that an HTTP header can carry, or nothing.
pub(super) fn parse_token(text: &str) -> Result<String, &'static str> {
    if text == HIDDEN {
        return Err("the token itself, not the *** that is shown instead");
    }
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("ASCII letters, digits and punctuation, without spaces")
    }
}

/// The duration in the largest unit that divides it.
pub(super) fn print_duration(value: Duration) -> String {
    let millis = value.as_millis();
    let exact = DURATIONS
        .iter()
        .find(|(_, factor)| millis.is_multiple_of(u128::from(*factor)));
    let (unit, factor) = exact.unwrap_or(&("ms", 1));
    format!("{}{unit}", millis / u128::from(*factor))
}

/// The size in the largest unit that divides it.
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
