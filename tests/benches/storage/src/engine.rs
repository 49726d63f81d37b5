//! The trait of all engines, and the data that they store. The test `benches` also compiles this file and [`crate::embedded`],
//! because no other build contains this benchmark.

use std::time::Duration;

use rollcall_domain::{
    ApplicationId, InstanceId, Timestamp,
    inventory::{Generation, Instance, Row},
    liveness::{Signal, State},
};
use rollcall_storage::LastSeen;

/// The result of any engine. An error ends the run.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// One row, both as the collector has it and as the bytes that a bare engine stores.
pub(crate) struct Sample {
    pub(crate) id: i32,
    pub(crate) row: Row,
    pub(crate) value: Vec<u8>,
}

/// One `LastSeen` in the same two forms.
pub(crate) struct SeenSample {
    pub(crate) seen: LastSeen,
    pub(crate) value: [u8; 16],
}

/// A store under measurement. Every write is durable when it returns.
pub(crate) trait Engine {
    fn insert(&mut self, rows: &[Sample]) -> Result<()>;
    fn update(&mut self, seen: &[SeenSample]) -> Result<()>;
    /// Reads everything, and returns how many rows and `LastSeen`s it has read.
    fn load(&mut self) -> Result<usize>;
}

pub(crate) fn samples(next: &mut i32, count: usize) -> Vec<Sample> {
    let mut sample = || {
        *next += 1;
        sample(*next - 1)
    };
    (0..count).map(|_| sample()).collect()
}

/// An instance as a 5.x agent reports it. `value` is about as long as the collector's encoding of `row`.
fn sample(id: i32) -> Sample {
    let noise = u64::from(id.unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let uuid = format!("{noise:016x}{:016x}", noise.rotate_left(17));
    let host = format!("orders-{:08x}-{:04x}", noise >> 32, noise & 0xffff);
    let address = format!(
        "10.{}.{}.{}",
        noise >> 56,
        noise >> 48 & 0xff,
        noise >> 40 & 0xff
    );
    let value = [
        &*uuid,
        &host,
        &address,
        &"os_name Linux host_name process_no 4711 ipv4 ".repeat(2),
    ];
    let properties = [
        ("os_name", "Linux"),
        ("host_name", &*host),
        ("process_no", "4711"),
        ("ipv4", &*address),
    ];
    Sample {
        id,
        value: value.concat().into_bytes(),
        row: Row::Instance(Instance {
            id: InstanceId::new(id).expect("ids start at 1"),
            application: ApplicationId::new(-1),
            uuid: Some(uuid.as_str().into()),
            registered_at: Timestamp::from_millis(1_500_000_000_000),
            generation: Some(Generation::V5),
            adopted: false,
            properties: properties.into_iter().collect(),
        }),
    }
}

pub(crate) fn seen_samples(ids: impl Iterator<Item = i32>) -> Vec<SeenSample> {
    ids.map(|id| SeenSample {
        seen: LastSeen {
            instance: InstanceId::new(id).expect("ids start at 1"),
            last_seen: Timestamp::from_millis(1_500_000_000_000),
            signal: Signal::JvmMetrics,
            state: State::Up,
            usual: Duration::ZERO,
            observer: None,
            forgotten: false,
        },
        value: [7; 16],
    })
    .collect()
}
