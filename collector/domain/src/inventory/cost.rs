//! The memory that an entry takes, in bytes: its own strings and its share of every structure that holds it.
//!
//! The figures follow the data structures (a node and a slot of each map, the listing, the lease) and an allocator that rounds to
//! 16 bytes with a header of 8. For the instance of `benches/footprint` the model gives 191 bytes beyond its strings. The bench
//! measures 191 right after a restore and 199 after five minutes of renewals, so the model is up to 4 % low.

use super::{Address, Application, Operation, Properties, packed::PackedInstance};
use crate::{AddressId, ApplicationId, InstanceId, OperationId};

/// A slot of a map: a pointer and a byte of its hash, at the usual load of one half.
const SLOT: usize = 2 * (size_of::<usize>() + 1);

/// An entry of the listing: an ordered set of ids that were added in order has seven ids for each node of 64 bytes, and an inner
/// node of 160 bytes for each seven of those.
const LISTED: usize = 12;

/// A lease: its part of a page, and its entry in the timing wheel. The entry has 8 bytes in a list, which
/// holds up to twice as much as it needs and left a smaller unused block when it grew.
const LEASE: usize = PAGE / 8 + 24;

/// A page of eight leases. An adopted id may be far from all others, so it is charged a page of its own.
const PAGE: usize = allocation(8 * 32 + 8) + SLOT;

/// An entry of the index by key: 8 bytes at the usual load of one half.
const KEY: usize = 16;

/// The counters in front of a shared string.
const COUNTERS: usize = 2 * size_of::<usize>();

/// The bytes that the allocator uses for `bytes`.
const fn allocation(bytes: usize) -> usize {
    let padded = (bytes + 8).next_multiple_of(16);
    if padded < 32 { 32 } else { padded }
}

/// An entry of a map.
const fn node<K, V>() -> usize {
    SLOT + allocation(size_of::<(K, V)>())
}

const fn text(text: &str) -> usize {
    allocation(COUNTERS + text.len())
}

pub(super) fn application(code: Option<&str>) -> usize {
    let key = code.map_or(0, |code| KEY + text(code));
    node::<ApplicationId, Application>() + LISTED + key
}

/// An instance is keyed if its application and UUID are known.
pub(super) fn instance(is_keyed: bool, uuid: Option<&str>, properties: &Properties) -> usize {
    let key = if is_keyed { KEY } else { 0 };
    let texts = PackedInstance::texts_len(uuid, properties);
    node::<InstanceId, PackedInstance>() + LISTED + LEASE + key + allocation(texts)
}

/// What an adopted id costs beyond [`instance`].
pub(super) const ADOPTED: usize = PAGE;

pub(super) fn operation(name: Option<&str>) -> usize {
    let key = name.map_or(0, |name| KEY + text(name));
    node::<OperationId, Operation>() + key
}

pub(super) fn address(address: Option<&str>) -> usize {
    let key = address.map_or(0, |address| KEY + text(address));
    node::<AddressId, Address>() + key
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The instance of `benches/footprint`, without its strings.
    #[test]
    fn an_instance_costs_what_the_bench_measures() {
        let properties: Properties = [
            ("os_name", "Linux"),
            ("host_name", "host-500000.example.org"),
            ("process_no", "500000"),
            ("ipv4", "10.7.161.32"),
        ]
        .into_iter()
        .collect();
        let uuid = "0".repeat(32);
        let strings = properties
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>()
            + uuid.len();
        let beyond = instance(true, Some(&uuid), &properties) - strings;
        let measured = 191..=199;
        let (least, most) = (measured.start() * 95 / 100, measured.end() * 105 / 100);
        assert!((least..=most).contains(&beyond), "{beyond} bytes");
    }
}
