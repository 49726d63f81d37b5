//! What holds after a random history.

use super::*;

impl World {
    /// Checks what holds after every history.
    pub(super) fn check(&self) {
        let lists: Vec<_> = self.members.iter().map(Member::list).collect();
        assert!(lists.iter().all(|list| *list == lists[0]), "{lists:#?}");
        for ((member, at), claim) in &self.engine.rows {
            let own = self.members[*member].fixture.registry.own_claim(at);
            let own = own.unwrap();
            assert_eq!(own.state, claim.state);
            assert!(own.at >= claim.at);
        }
        for (at, (_, owner)) in &lists[0] {
            let owner = self
                .members
                .iter()
                .position(|it| it.name == *owner)
                .unwrap();
            let publisher = self.members[owner].own(at).unwrap().publisher;
            assert!(
                self.unordered.contains(at) || self.alive[at].contains(&(owner, publisher)),
                "an ended client is shown"
            );
        }
        for (at, alive) in &self.alive {
            let mut alive = alive.iter();
            let has_connection = alive.any(|(_, by)| matches!(by, Publisher::Connection(_)));
            let is_shown = lists[0].contains_key(at);
            assert!(
                is_shown || !has_connection,
                "a connected client is not shown: {at:?}"
            );
        }
        for member in &self.members {
            member.fixture.registry.check_shares();
        }
    }

    /// With clocks that agree, the latest registration owns the instance if its publisher is still there.
    pub(super) fn check_latest(&self) {
        let list = self.members[0].list();
        for (at, latest) in &self.latest {
            match latest {
                Some((member, by)) if self.alive[at].contains(&(*member, by.clone())) => {
                    assert_eq!(list[at].1, self.members[*member].name);
                }
                Some(_) => {}
                None => assert!(!list.contains_key(at), "it was deregistered"),
            }
        }
    }
}
