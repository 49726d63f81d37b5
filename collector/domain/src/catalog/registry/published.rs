//! The instances of one publisher. Most have one, which needs no allocation.

use std::collections::BTreeSet;

/// The slots of a service and of its instance.
pub(super) type Item = (u32, u32);

#[derive(Debug)]
#[expect(
    clippy::box_collection,
    reason = "there is one of these for each instance that beats keep alive, and it is nearly always One"
)]
pub(super) enum InstanceSet {
    One(Item),
    Many(Box<BTreeSet<Item>>),
}

impl InstanceSet {
    pub(super) fn add(&mut self, item: Item) {
        match self {
            Self::One(one) if *one == item => {}
            Self::One(one) => *self = Self::Many(Box::new(BTreeSet::from([*one, item]))),
            Self::Many(many) => {
                many.insert(item);
            }
        }
    }

    /// Whether none is left.
    pub(super) fn remove(&mut self, item: Item) -> bool {
        match self {
            Self::One(one) => *one == item,
            Self::Many(many) => {
                many.remove(&item);
                many.is_empty()
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(many) => many.len(),
        }
    }

    /// The instances of one service.
    pub(super) fn of(&self, service: u32) -> Vec<u32> {
        match self {
            Self::One((of, index)) if *of == service => vec![*index],
            Self::One(_) => Vec::new(),
            Self::Many(many) => many
                .range((service, 0)..=(service, u32::MAX))
                .map(|(_, index)| *index)
                .collect(),
        }
    }

    /// Up to `limit` instances.
    pub(super) fn first(&self, limit: usize) -> Vec<Item> {
        match self {
            Self::One(one) => vec![*one],
            Self::Many(many) => many.iter().take(limit).copied().collect(),
        }
    }
}
