//! Reads the validity of a certificate (RFC 5280 section 4.1.2.5).

use jiff::{Timestamp, civil};

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The time in which a certificate is valid, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The start; the earliest possible time if the certificate has no start that RFC 5280 allows.
    pub begins: i64,
    /// The end.
    pub expires: i64,
}

/// The validity of a DER certificate; `None` if it has no end that RFC 5280 allows.
#[must_use]
pub fn validity(certificate: &[u8]) -> Option<Validity> {
    let (tag, certificate, _) = element(certificate)?;
    let (inner, body, _) = element(certificate)?;
    if (tag, inner) != (SEQUENCE, SEQUENCE) {
        return None;
    }
    let (first, _, after_version) = element(body)?;
    let mut rest = if first == VERSION {
        after_version
    } else {
        body
    };
    // Skips the serial number, the algorithm and the issuer.
    for _ in 0..3 {
        (_, _, rest) = element(rest)?;
    }
    let (tag, validity, _) = element(rest)?;
    if tag != SEQUENCE {
        return None;
    }
    let (begin, begin_time, rest) = element(validity)?;
    let (end, end_time, _) = element(rest)?;
    Some(Validity {
        begins: seconds(begin, begin_time).unwrap_or(i64::MIN),
        expires: seconds(end, end_time)?,
    })
}

/// A time for people: RFC 3339 in UTC.
#[must_use]
pub fn print(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(time) => time.to_string(),
        Err(_out_of_range) => format!("second {seconds}"),
    }
}

/// The tag and the content of the first element, and the bytes after it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, bytes) = bytes.split_first()?;
    let (&length, bytes) = bytes.split_first()?;
    let (length, bytes) = match length {
        0..=0x7f => (usize::from(length), bytes),
        0x81..=0x83 => {
            let (digits, bytes) = bytes.split_at_checked(usize::from(length & 0x7f))?;
            let add = |sum, digit: &u8| sum << 8 | usize::from(*digit);
            (digits.iter().fold(0, add), bytes)
        }
        _ => return None,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn seconds(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 } else { 1900 } + year, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let digits = rest.strip_suffix('Z')?;
    let part = |at: usize| digits.get(at..at + 2)?.parse::<i8>().ok();
    if digits.len() != 10 {
        return None;
    }
    let time = civil::DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0);
    let time = time.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(time.timestamp().as_second())
}
