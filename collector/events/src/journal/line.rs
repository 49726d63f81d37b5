//! A line of a journal: the checksum of the rest in 8 hexadecimal digits, a space, and JSON.
//!
//! Names are JSON strings, in which a line break is escaped, so it does not end a line of the file. A reader ignores unknown
//! fields, and skips events of an unknown kind.

use std::io;

use rollcall_domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{CollectorEvent, Event, Recorded};

mod instance;
mod service;

use instance::InstanceLine;
use service::ServiceLine;

/// The format of the lines. A release skips lines of a later format that it cannot read.
const FORMAT: u32 = 1;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A readable line.
#[derive(Debug)]
pub(super) enum Item {
    /// The first line of a file.
    Header {
        series: i64,
    },
    Event(Recorded),
    /// A run began: its events have numbers above this one.
    Run {
        after: u64,
    },
    /// An event of a later release.
    Later {
        number: u64,
    },
}

/// A line. An event has one of the fields `i`, `s` and `c`.
#[derive(Serialize, Deserialize)]
struct Line {
    /// Number.
    n: u64,
    /// Time in milliseconds.
    t: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    i: Option<InstanceLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    s: Option<ServiceLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    c: Option<CollectorEvent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    h: Option<Header>,
    /// Whether the line records the beginning of a run.
    #[serde(default, skip_serializing_if = "is_false")]
    r: bool,
}

const EMPTY: Line = Line {
    n: 0,
    t: 0,
    i: None,
    s: None,
    c: None,
    h: None,
    r: false,
};

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    series: i64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// The first line of a file.
pub(super) fn header(series: i64) -> Vec<u8> {
    let line = Line {
        h: Some(Header {
            format: FORMAT,
            series,
        }),
        ..EMPTY
    };
    let mut bytes = Vec::new();
    // Writing numbers to memory does not fail. If it did, the file would be readable without a header.
    if seal(&line, &mut bytes).is_err() {
        bytes.clear();
    }
    bytes
}

/// The line of a run whose events have numbers above this one.
pub(super) fn run(after: u64) -> io::Result<Vec<u8>> {
    let line = Line {
        n: after,
        r: true,
        ..EMPTY
    };
    let mut bytes = Vec::new();
    seal(&line, &mut bytes)?;
    Ok(bytes)
}

/// Appends the line of an event.
pub(super) fn encode(recorded: &Recorded, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut line = Line {
        n: recorded.number,
        t: recorded.at.millis(),
        ..EMPTY
    };
    match &recorded.event {
        Event::Instance(event) => line.i = Some(InstanceLine::of(event)),
        Event::Service(event) => line.s = Some(ServiceLine::of(event)),
        Event::Collector(event) => line.c = Some((**event).clone()),
    }
    seal(&line, bytes)
}

fn seal(line: &Line, bytes: &mut Vec<u8>) -> io::Result<()> {
    let start = bytes.len();
    bytes.extend_from_slice(b"00000000 ");
    let text = bytes.len();
    if let Err(error) = serde_json::to_writer(&mut *bytes, line) {
        bytes.truncate(start);
        return Err(error.into());
    }
    let checksum = crc32fast::hash(&bytes[text..]);
    for (digit, shift) in bytes[start..].iter_mut().zip((0..8).rev()) {
        *digit = HEX[(checksum >> (4 * shift)) as usize & 0xf];
    }
    bytes.push(b'\n');
    Ok(())
}

/// The item of a line without its end; `None` if the line is damaged.
pub(super) fn decode(line: &[u8]) -> Option<Item> {
    let (checksum, text) = line.split_first_chunk::<8>()?;
    let checksum = u32::from_str_radix(str::from_utf8(checksum).ok()?, 16).ok()?;
    let text = text.strip_prefix(b" ")?;
    if crc32fast::hash(text) != checksum {
        return None;
    }
    let line: Line = serde_json::from_slice(text).ok()?;
    if let Some(header) = line.h {
        let series = header.series;
        return Some(Item::Header { series });
    }
    if line.r {
        return Some(Item::Run { after: line.n });
    }
    let event = match (line.i, line.s, line.c) {
        (Some(instance), None, None) => instance.event().map(Event::Instance),
        (None, Some(service), None) => service.event().map(|it| Event::Service(Box::new(it))),
        (None, None, Some(CollectorEvent::Unknown)) => None,
        (None, None, Some(event)) => Some(Event::Collector(Box::new(event))),
        _ => None,
    };
    Some(match event {
        Some(event) => Item::Event(Recorded {
            number: line.n,
            at: Timestamp::from_millis(line.t),
            event,
        }),
        None => Item::Later { number: line.n },
    })
}
