//! Lines of a properties file, by the rules of `java.util.Properties.load`.

/// The lines that have an entry, joined with their continuation lines. Each has the number of its first line; lines count from 1.
pub(super) fn logical(bytes: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut logical = Vec::new();
    let mut lines = natural(bytes).into_iter().zip(1..);
    while let Some((line, number)) = lines.next() {
        let line = trim_start(line);
        if line.is_empty() || line.starts_with(b"#") || line.starts_with(b"!") {
            continue;
        }
        let mut whole = line.to_vec();
        while ends_with_continuation(&whole) {
            whole.pop();
            match lines.next() {
                Some((next, _)) => whole.extend_from_slice(trim_start(next)),
                None => break,
            }
        }
        logical.push((number, whole));
    }
    logical
}

/// Splits at line ends: `\n`, `\r` or `\r\n`.
fn natural(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        lines.push(&rest[..end]);
        let ending = if rest[end..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        rest = &rest[end + ending..];
    }
    lines.push(rest);
    lines
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\x0c')
}

fn trim_start(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|byte| !is_blank(*byte));
    &line[start.unwrap_or(line.len())..]
}

/// Whether the line ends with an odd number of backslashes, so that the last one is not itself escaped.
fn ends_with_continuation(line: &[u8]) -> bool {
    line.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// The key, and the value or its error. An unreadable key matches no known key.
pub(super) fn entry(line: &[u8]) -> (String, Result<String, String>) {
    let (key, value) = split(line);
    let key = String::from_utf8_lossy(key);
    let key = unescape(&key).unwrap_or_else(|_wrong| key.into_owned());
    let value = match std::str::from_utf8(value) {
        Ok(value) => unescape(value),
        Err(_) => Err("is not UTF-8; save the file as UTF-8".to_owned()),
    };
    (key, value)
}

/// Key and value, still escaped, split at the first unescaped `=`, `:` or blank.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let mut escaped = false;
    let end = line.iter().position(|&byte| {
        let here = !escaped && (matches!(byte, b'=' | b':') || is_blank(byte));
        escaped = !escaped && byte == b'\\';
        here
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = trim_start(rest);
    let separated = rest.strip_prefix(b"=").or_else(|| rest.strip_prefix(b":"));
    (key, trim_start(separated.unwrap_or(rest)))
}

fn unescape(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('\\') {
        plain.push_str(before);
        let mut chars = from.chars();
        match chars.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\x0c'),
            Some('u') => {
                let (c, after) = code_point(from)?;
                plain.push(c);
                rest = after;
                continue;
            }
            Some(other) => plain.push(other),
            None => {}
        }
        rest = chars.as_str();
    }
    plain.push_str(rest);
    Ok(plain)
}

/// The character of `uXXXX`, or of `uXXXX\uXXXX` if the character takes two UTF-16 units, and the rest of the text.
fn code_point(text: &str) -> Result<(char, &str), String> {
    let wrong = || {
        let shown: String = text.chars().take(5).collect();
        format!("\\{shown} is not a character: \\u takes four hexadecimal digits")
    };
    let (first, rest) = unit(text).ok_or_else(wrong)?;
    if let Some(c) = char::from_u32(u32::from(first)) {
        return Ok((c, rest));
    }
    let (second, rest) = rest.strip_prefix('\\').and_then(unit).ok_or_else(wrong)?;
    match char::decode_utf16([first, second]).next() {
        Some(Ok(c)) => Ok((c, rest)),
        Some(Err(_)) | None => Err(wrong()),
    }
}

fn unit(text: &str) -> Option<(u16, &str)> {
    let digits = text.strip_prefix('u')?.get(..4)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((u16::from_str_radix(digits, 16).ok()?, &text[5..]))
}
