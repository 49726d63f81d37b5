//! The order in which the agent tries collectors.

use crate::{peer::Peer, random};

/// Returns all members in random order before it repeats any of them. So after a lost connection, another member comes first.
#[derive(Debug, Default)]
pub(crate) struct Rotation {
    /// The members that remain in this round; the last entry is tried next.
    round: Vec<Peer>,
    last: Option<Peer>,
}

impl Rotation {
    /// The next member of the current list to try; `None` if the list is empty.
    pub(crate) fn next(&mut self, members: &[Peer]) -> Option<Peer> {
        self.round.retain(|member| members.contains(member));
        if self.round.is_empty() {
            self.round = random::shuffled(members.to_vec());
            // The member that was tried last is tried at the end of the new round: it moves to the front of the list.
            self.round
                .sort_by_key(|member| self.last.as_ref() != Some(member));
        }
        self.last = self.round.pop();
        self.last.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn members(n: u16) -> Vec<Peer> {
        (1..=n)
            .map(|port| format!("c:{port}").parse().unwrap())
            .collect()
    }

    #[test]
    fn an_empty_list_has_no_next_member() {
        assert_eq!(Rotation::default().next(&[]), None);
    }

    #[test]
    fn the_only_member_is_tried_again_and_again() {
        let (mut rotation, only) = (Rotation::default(), members(1));
        assert_eq!(
            [rotation.next(&only), rotation.next(&only)],
            [Some(only[0].clone()), Some(only[0].clone())]
        );
    }

    #[test]
    fn a_round_tries_every_member_once_and_no_member_twice_in_a_row() {
        let (mut rotation, members) = (Rotation::default(), members(5));
        let mut last = None;
        for _ in 0..50 {
            let round: Vec<_> = (0..5).map(|_| rotation.next(&members).unwrap()).collect();
            assert_eq!(round.iter().collect::<HashSet<_>>().len(), 5);
            assert_ne!(last.as_ref(), round.first());
            last = round.last().cloned();
        }
    }

    #[test]
    fn a_member_that_left_the_list_is_not_tried() {
        let (mut rotation, all) = (Rotation::default(), members(5));
        rotation.next(&all);
        let left = &all[..2];
        assert!((0..20).all(|_| left.contains(&rotation.next(left).unwrap())));
    }

    #[test]
    fn a_fleet_spreads_across_the_members() {
        let members = members(3);
        let first: HashSet<_> = (0..200)
            .map(|_| Rotation::default().next(&members))
            .collect();
        assert_eq!(first.len(), 3);
    }
}
