//! The memory that an entry takes, in bytes: its own strings and its share of every structure that holds it.
//!
//! The figures follow the data structures (blocks of entries, a slot of each map, the listing, the lease) and an allocator that
//! rounds to 16 bytes with a header of 8. For the instance of `benches/footprint` the model gives 169 bytes beyond its strings.
//! The bench measures 158 right after a restore and 165 after five minutes of renewals, so the model is 2 to 7 % high.

use super::{
    Address, Application, Operation, PropertiesView,
    blocks::{BLOCK, Block},
    packed::PackedInstance,
};

/// A slot of a map: a pointer and a byte of its hash, at the usual load of one half.
const SLOT: usize = 2 * (size_of::<usize>() + 1);

/// An entry of the listing: an ordered set of ids that were added in order has seven ids for each node of 64 bytes, and an inner
/// node of 160 bytes for each seven of those.
const LISTED: usize = 12;

/// A lease: its part of a page, and its entry in the timing wheel. The entry takes 8 bytes of a list. The list may have twice the
/// capacity that it needs, and it leaves a smaller unused block behind when it grows.
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

/// A block of entries.
const fn block<T>() -> usize {
    SLOT + allocation(size_of::<(u32, Block<T>)>())
}

/// A place in a block.
const fn place<T>() -> usize {
    block::<T>() / BLOCK as usize
}

/// What an entry without a key costs beyond others: it is an adopted id, which may be far from all others, so it is charged a block
/// of its own.
const fn far<T>(is_adopted: bool) -> usize {
    if is_adopted { block::<T>() } else { 0 }
}

const fn text(text: &str) -> usize {
    allocation(COUNTERS + text.len())
}

pub(super) fn application(code: Option<&str>) -> usize {
    let key = code.map_or(0, |code| KEY + text(code));
    place::<Application>() + LISTED + key + far::<Application>(code.is_none())
}

/// An instance is keyed if its application and UUID are known.
pub(super) fn instance(
    is_keyed: bool,
    uuid: Option<&str>,
    properties: PropertiesView<'_>,
) -> usize {
    let key = if is_keyed { KEY } else { 0 };
    let texts = PackedInstance::texts_len(uuid, properties);
    place::<PackedInstance>() + LISTED + LEASE + key + allocation(texts)
}

/// The bytes that an adopted id costs beyond [`instance`].
pub(super) const ADOPTED: usize = PAGE + block::<PackedInstance>();

pub(super) fn operation(name: Option<&str>) -> usize {
    let key = name.map_or(0, |name| KEY + text(name));
    place::<Operation>() + key + far::<Operation>(name.is_none())
}

pub(super) fn address(address: Option<&str>) -> usize {
    let key = address.map_or(0, |address| KEY + text(address));
    place::<Address>() + key + far::<Address>(address.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Properties;

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
        let beyond = instance(true, Some(&uuid), properties.view()) - strings;
        let measured = 158..=165;
        let (least, most) = (measured.start() * 95 / 100, measured.end() * 105 / 100);
        assert!((least..=most).contains(&beyond), "{beyond} bytes");
    }
}
