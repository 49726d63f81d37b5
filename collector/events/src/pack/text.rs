//! Texts. Most have one of a few values or are addresses, so they take a few bytes.

use std::{
    borrow::Cow,
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
};

use super::{Bytes, put_number};

/// An address: four bytes.
const IP: u64 = 0;
/// An address with a port: six bytes.
const SOCKET: u64 = 1;
/// The publisher of a connection: its number.
const CONNECTION: u64 = 2;
/// One of [`KNOWN`], by its place.
const KNOWN_AT: u64 = 3;
/// One of [`Words`], by its place.
const WORDS_AT: u64 = 40;
/// Any other text: the number is this constant plus the length of the text.
const OTHER_AT: u64 = 100;

/// Frequent texts. Other texts take more bytes.
const KNOWN: [&str; 30] = [
    "public",
    "DEFAULT_GROUP",
    "DEFAULT",
    "registered",
    "updated",
    "taken_over",
    "deregistered",
    "replaced",
    "connection_ended",
    "expired",
    "healthy",
    "unhealthy",
    "overridden",
    "flapping",
    "closed",
    "dropped",
    "reset",
    "timed_out",
    "unread",
    "over_limit",
    "superseded",
    "violation",
    "collector_stops",
    "beat",
    "probe",
    "operator",
    "registration",
    "member",
    "roster of an earlier run",
    "no override is left",
];

const PUBLISHER: &str = "connection ";

/// Texts that clients choose and many clients share: their names and versions. A limited number of them is stored once each; later
/// ones are packed like all other texts, so clients cannot make this grow.
#[derive(Debug, Default)]
pub(crate) struct Words(Vec<Arc<str>>);

const MOST_WORDS: usize = 60;
const LONGEST_WORD: usize = 64;

/// A text that was packed.
#[derive(Debug)]
pub(super) enum Text<'a> {
    Known(&'static str),
    Word(&'a Arc<str>),
    Other(Cow<'a, str>),
}

impl Words {
    /// Appends a text that other events probably have too.
    pub(super) fn put(&mut self, bytes: &mut Vec<u8>, text: &Arc<str>) {
        let mut place = self.0.iter().position(|word| word == text);
        if place.is_none() && self.0.len() < MOST_WORDS && text.len() <= LONGEST_WORD {
            place = Some(self.0.len());
            self.0.push(Arc::clone(text));
        }
        match place.and_then(|place| u64::try_from(place).ok()) {
            Some(place) => put_number(bytes, WORDS_AT + place),
            None => put(bytes, text),
        }
    }
}

/// Appends a text. Equal texts have equal bytes.
pub(super) fn put(bytes: &mut Vec<u8>, text: &str) {
    // An address begins with a digit, and no known text does.
    if text.starts_with(|first: char| first.is_ascii_digit()) && put_address(bytes, text) {
        return;
    }
    let known = KNOWN.iter().position(|known| *known == text);
    if let Some(known) = known.and_then(|place| u64::try_from(place).ok()) {
        put_number(bytes, KNOWN_AT + known);
    } else if let Some(number) = text.strip_prefix(PUBLISHER).and_then(number) {
        put_number(bytes, CONNECTION);
        put_number(bytes, number);
    } else {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        put_number(bytes, OTHER_AT.saturating_add(length));
        bytes.extend_from_slice(text.as_bytes());
    }
}

/// Appends an address, with or without a port. Returns `false` if the text is none.
fn put_address(bytes: &mut Vec<u8>, text: &str) -> bool {
    if let Some((ip, port)) = socket(text) {
        put_number(bytes, SOCKET);
        bytes.extend_from_slice(&ip.octets());
        bytes.extend_from_slice(&port.to_le_bytes());
        return true;
    }
    let Ok(ip) = text.parse::<Ipv4Addr>() else {
        return false;
    };
    put_number(bytes, IP);
    bytes.extend_from_slice(&ip.octets());
    true
}

fn socket(text: &str) -> Option<(Ipv4Addr, u16)> {
    let (ip, port) = text.rsplit_once(':')?;
    Some((ip.parse().ok()?, number(port)?))
}

/// The number in a text, if this is its only spelling: without a sign and without leading zeros.
fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    let is_canonical = text == "0" || text.starts_with(|first| matches!(first, '1'..='9'));
    is_canonical.then(|| text.parse().ok())?
}

/// The bytes of a packed text.
pub(super) fn skip<'a>(from: &mut Bytes<'a>) -> Option<&'a [u8]> {
    let before = from.rest();
    match from.number()? {
        IP => drop(from.array::<4>()?),
        SOCKET => drop(from.array::<6>()?),
        CONNECTION => drop(from.number()?),
        form @ OTHER_AT.. => drop(from.take(usize::try_from(form - OTHER_AT).ok()?)?),
        KNOWN_AT.. => {}
    }
    before.get(..before.len() - from.rest().len())
}

/// Reads a text.
pub(super) fn get<'a>(from: &mut Bytes<'a>, words: &'a Words) -> Option<Text<'a>> {
    let form = from.number()?;
    let place = |at: u64| usize::try_from(form - at).ok();
    Some(match form {
        IP => Text::Other(Ipv4Addr::from(from.array::<4>()?).to_string().into()),
        SOCKET => {
            let ip = Ipv4Addr::from(from.array::<4>()?);
            let port = u16::from_le_bytes(from.array()?);
            Text::Other(SocketAddrV4::new(ip, port).to_string().into())
        }
        CONNECTION => Text::Other(format!("{PUBLISHER}{}", from.number()?).into()),
        OTHER_AT.. => {
            let text = from.take(place(OTHER_AT)?)?;
            Text::Other(std::str::from_utf8(text).ok()?.into())
        }
        WORDS_AT.. => Text::Word(words.0.get(place(WORDS_AT)?)?),
        KNOWN_AT.. => Text::Known(KNOWN.get(place(KNOWN_AT)?)?),
    })
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Known(known) => known,
            Self::Word(word) => word,
            Self::Other(other) => other,
        }
    }
}

impl From<Text<'_>> for Arc<str> {
    fn from(text: Text<'_>) -> Self {
        match text {
            Text::Word(word) => Self::clone(word),
            Text::Known(_) | Text::Other(_) => (*text).into(),
        }
    }
}

impl From<Text<'_>> for Cow<'static, str> {
    fn from(text: Text<'_>) -> Self {
        match text {
            Text::Known(known) => Cow::Borrowed(known),
            Text::Word(_) | Text::Other(_) => Cow::Owned((*text).to_owned()),
        }
    }
}
