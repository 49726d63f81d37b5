//! The memory that an entry takes, in bytes: its own strings and its part of the structures that hold it. The blocks of entries and
//! the pages of leases are not in it: they are charged when they are created, because an adopted id may be far from all others.
//!
//! The figures follow the data structures (blocks of entries, a slot of each map, the listing, the lease) and an allocator that
//! rounds to 16 bytes with a header of 8. For the instance of `benches/footprint` the model gives 159 bytes beyond its strings.
//! The bench measures 153 right after a restore and 158 after five minutes of renewals, so the model is 1 to 4 % high.

use super::{PropertiesView, blocks::Block, packed::PackedInstance};

/// A slot of a map: a pointer and a byte of its hash, at the usual load of one half.
const SLOT: usize = 2 * (size_of::<usize>() + 1);

/// An entry of the listing: an ordered set of ids that were added in order has seven ids for each node of 64 bytes, and an inner
/// node of 160 bytes for each seven of those.
const LISTED: usize = 12;

/// The entry of a lease in the timing wheel. It takes 8 bytes of a list. A list has up to twice the capacity that it needs, half as
/// much again on average, and leaves smaller blocks behind when it grows.
const FILED: usize = 16;

/// A page of eight leases.
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

/// A block of entries. It is charged when it is created, so an id far from all others costs a whole one.
pub(super) const fn block<T>() -> usize {
    SLOT + allocation(size_of::<(u32, Block<T>)>())
}

/// A block of instances, and the page of their leases.
pub(super) const fn block_of_instances() -> usize {
    block::<PackedInstance>() + PAGE
}

const fn text(text: &str) -> usize {
    allocation(COUNTERS + text.len())
}

pub(super) fn application(code: Option<&str>) -> usize {
    let key = code.map_or(0, |code| KEY + text(code));
    LISTED + key
}

/// An instance is keyed if its application and UUID are known.
pub(super) fn instance(
    is_keyed: bool,
    uuid: Option<&str>,
    properties: PropertiesView<'_>,
) -> usize {
    let key = if is_keyed { KEY } else { 0 };
    let texts = PackedInstance::texts_len(uuid, properties);
    LISTED + FILED + key + allocation(texts)
}

pub(super) fn operation(name: Option<&str>) -> usize {
    name.map_or(0, |name| KEY + text(name))
}

pub(super) fn address(address: Option<&str>) -> usize {
    address.map_or(0, |address| KEY + text(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Properties, blocks::BLOCK};

    /// The instance of `benches/footprint`, without its strings. The names of its properties take a byte each.
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
            .map(|(_, value)| value.len())
            .sum::<usize>()
            + uuid.len();
        let place = block_of_instances() / BLOCK as usize;
        let beyond = place + instance(true, Some(&uuid), properties.view()) - strings;
        let measured = 153..=158;
        let (least, most) = (measured.start() * 95 / 100, measured.end() * 105 / 100);
        assert!((least..=most).contains(&beyond), "{beyond} bytes");
    }
}
