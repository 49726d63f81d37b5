//! The encoded form of names and values.
//!
//! A name of [`NAMES`] takes one byte, because a fleet repeats it for each instance. Any other text follows its length, which takes
//! one byte if the text is short. Equal texts have equal bytes, so encoded properties are compared without decoding.
//!
//! The form exists in memory only. Stores and messages have the names themselves, so a release may change the list.

/// The names that agents report, most of them in every instance: first those of 3.x to 6.x, then those of later ones.
const NAMES: [&str; 16] = [
    "os_name",
    "host_name",
    "process_no",
    "ipv4",
    "language",
    "OS Name",
    "hostname",
    "Process No.",
    "agent_version",
    "version",
    "Start Time",
    "JVM Arguments",
    "Jar Dependencies",
    "namespace",
    "cluster",
    "ipv4s",
];

/// The byte in front of the text of a name that is not in the list. Others are the place in the list, from 1 on.
const UNLISTED: u8 = 0;

/// The byte in front of the length of a text for which one byte is too few.
const LONG: u8 = u8::MAX;

/// Appends a name.
pub(super) fn put_name(bytes: &mut Vec<u8>, name: &str) {
    let listed = (1_u8..).zip(&NAMES).find(|(_, known)| **known == name);
    match listed {
        Some((place, _)) => bytes.push(place),
        None => {
            bytes.push(UNLISTED);
            put(bytes, name);
        }
    }
}

/// Appends a text. A text that exceeds its length field is cut at a character boundary. The protocol faces limit texts to far less.
pub(super) fn put(bytes: &mut Vec<u8>, text: &str) {
    let mut end = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    match u8::try_from(end) {
        Ok(length) if length != LONG => bytes.push(length),
        _ => {
            let length = u16::try_from(end).unwrap_or(u16::MAX);
            bytes.push(LONG);
            bytes.extend_from_slice(&length.to_le_bytes());
        }
    }
    bytes.extend_from_slice(&text.as_bytes()[..end]);
}

/// Splits off the name at the front.
pub(super) fn take_name<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    match byte(rest)? {
        UNLISTED => take(rest),
        place => NAMES.get(usize::from(place) - 1).copied(),
    }
}

/// Splits off the text at the front.
pub(super) fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = match byte(rest)? {
        LONG => {
            let (length, tail) = rest.split_first_chunk()?;
            *rest = tail;
            usize::from(u16::from_le_bytes(*length))
        }
        length => usize::from(length),
    };
    let (text, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    std::str::from_utf8(text).ok()
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (byte, tail) = rest.split_first()?;
    *rest = tail;
    Some(*byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_field_come_back() {
        for length in [0, 1, 253, 254, 255, 256, 65_534, 65_535] {
            let text = "x".repeat(length);
            let mut bytes = Vec::new();
            put(&mut bytes, &text);
            put_name(&mut bytes, &text);
            put(&mut bytes, "end");
            let mut rest = &*bytes;
            assert_eq!(take(&mut rest), Some(&*text), "{length}");
            assert_eq!(take_name(&mut rest), Some(&*text), "{length}");
            assert_eq!(take(&mut rest), Some("end"));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn a_text_beyond_the_length_field_is_cut_at_a_character() {
        let mut bytes = Vec::new();
        put(&mut bytes, &"é".repeat(40_000));
        assert_eq!(take(&mut &*bytes).map(str::len), Some(65_534));
    }

    #[test]
    fn each_listed_name_takes_one_byte_of_its_own() {
        let mut all = Vec::new();
        for name in NAMES {
            let before = all.len();
            put_name(&mut all, name);
            assert_eq!(all.len(), before + 1, "{name}");
            assert!(!all[..before].contains(&all[before]), "{name} is twice");
            assert_eq!(take_name(&mut &all[before..]), Some(name));
        }
        assert!(!all.contains(&UNLISTED));
    }

    #[test]
    fn what_was_not_encoded_here_is_no_text() {
        for bytes in [
            &[][..],
            &[1],
            &[LONG],
            &[LONG, 1],
            &[LONG, 1, 0],
            &[1, 0xff],
        ] {
            assert_eq!(take(&mut &*bytes), None, "{bytes:?}");
        }
        for bytes in [&[][..], &[UNLISTED], &[u8::MAX]] {
            assert_eq!(take_name(&mut &*bytes), None, "{bytes:?}");
        }
    }
}
