//! Encoded lists, built once for each revision and shared by all consumers with the same request.

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::Mutex;
use rollcall_domain::catalog::Selection;

/// The face that encoded a list, and the variant: clients of different generations get different encodings of a view. A face
/// chooses its numbers: HTTP from 0, UDP from 64, gRPC from 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Form(pub u8);

/// An encoded list in two parts, which many answers share. The fields that differ in every answer (the time, an id) are written
/// before, between or after the parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// The first part.
    pub head: Bytes,
    /// The second part.
    pub tail: Bytes,
}

/// Encoded lists of the latest revisions, in two generations. When the younger generation has taken half of the memory, the older
/// one is dropped. A list that is requested moves to the younger generation.
#[derive(Debug)]
pub(crate) struct Bodies {
    half: usize,
    generations: Mutex<Generations>,
}

/// Revisions are unique across services, so a key needs no service, and an old revision is never requested again.
type Key = (u64, Form, Selection);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Key, Encoded>,
    old: HashMap<Key, Encoded>,
    bytes: usize,
}

/// Bytes charged for an entry beyond its text.
const ENTRY: usize = 160;

impl Bodies {
    pub(crate) fn new(room: usize) -> Self {
        Self {
            half: room / 2,
            generations: Mutex::default(),
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Encoded> {
        let mut generations = self.generations.lock();
        if let Some(found) = generations.young.get(key) {
            return Some(found.clone());
        }
        let (key, found) = generations.old.remove_entry(key)?;
        self.add(&mut generations, key, found.clone());
        Some(found)
    }

    pub(crate) fn put(&self, key: Key, encoded: Encoded) {
        self.add(&mut self.generations.lock(), key, encoded);
    }

    fn add(&self, generations: &mut Generations, key: Key, encoded: Encoded) {
        let (_, _, selection) = &key;
        let clusters = selection.clusters.as_str().len();
        let bytes = ENTRY + clusters + encoded.head.len() + encoded.tail.len();
        if bytes > self.half {
            return;
        }
        if generations.bytes + bytes > self.half {
            generations.old = std::mem::take(&mut generations.young);
            generations.bytes = 0;
        }
        if generations.young.insert(key, encoded).is_none() {
            generations.bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use rollcall_domain::catalog::Clusters;

    use super::*;

    /// A regression test: a list of 3.x does not echo the clusters, so its key may be much larger than the list, and was not
    /// charged.
    #[test]
    fn the_clusters_of_a_request_are_charged() {
        let bodies = Bodies::new(64 << 10);
        for revision in 0..1_000 {
            let selection = Selection {
                clusters: Clusters::new(&"x".repeat(1_000)),
                ..Selection::default()
            };
            bodies.put((revision, Form(0), selection), Encoded::default());
        }
        let generations = bodies.generations.lock();
        let held = generations.young.len() + generations.old.len();
        assert!((28..=56).contains(&held), "{held} entries");
    }
}
