//! Adopts ids that agents already hold: records them unchanged, so that they are never assigned to another agent.
//!
//! A sign of life adopts its sender: the instance, and the application that it names. A segment also uses ids that its
//! sender got by registering names: the operations and the peers of its spans. These are [`ForeignId`], with separate limits
//! (per segment, per peer, and half of the adoptable ids), so that no number of them can prevent the adoption of a sender.
//!
//! The references of a segment to other processes (parent and entry instance, operation, address) are mentions and
//! adopt nothing. The process that holds those ids reports them itself.

use std::{collections::HashSet, time::Duration};

use rollcall_domain::{
    AddressId, ApplicationId, InstanceId, OperationId,
    inventory::{Proposal, proposal},
    liveness::{Signal, State},
};
use rollcall_storage::LastSeen;

use super::{Error, Handle, batch::KEYS_PER_JOB, rates::Kind};
use crate::heartbeat::Sign;

/// An id that an agent got by a registration, and uses in its own segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForeignId {
    /// A peer of 3.2.6.
    Application(ApplicationId),
    /// An operation: an entry, exit or local span.
    Operation(OperationId),
    /// A peer of 5.x and later.
    Address(AddressId),
}

/// The outcome of recording the senders of signs of life.
#[derive(Default)]
struct Adopted {
    recorded: Vec<Sign>,
    refused: Vec<(Sign, Error)>,
    /// The failure that stopped the recording before the last sender.
    failure: Option<Error>,
}

impl Handle {
    /// Records ids that the sender of one message uses and this inventory has never assigned. Ids beyond a limit are counted and
    /// dropped; later segments repeat them.
    ///
    /// # Errors
    /// The writer cannot record them at present.
    pub async fn adopt(&self, held: impl Iterator<Item = ForeignId>) -> Result<(), Error> {
        let mut unknown = HashSet::new();
        for held in held {
            if !self.has(held) {
                unknown.insert(held);
                if unknown.len() >= self.shared.max_held_per_message {
                    break;
                }
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let granted = self.allowance(Kind::ForeignId, unknown.len());
        let unknown: Vec<_> = unknown.into_iter().take(granted).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let adopted = self
            .shared
            .queue
            .propose(self.due(), move |proposal| {
                // Each kind has its own limit, so an id that is refused does not affect the others.
                let refused = unknown.iter().filter_map(|held| held.adopt(proposal).err());
                refused.last().map_or(Ok(()), |refused| Err(refused.into()))
            })
            .await;
        match adopted {
            Err(error) if error.retryable() => Err(error),
            Err(error) => {
                tracing::debug!(%error, "ids used by a segment were not adopted");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Records the senders of signs of life that are unknown or incomplete in this inventory, with their last signs in the same
    /// commit. Returns the recorded signs, and the reason for a refusal.
    ///
    /// A refused sender drops its ids. If a write of another collector may have removed the reason for a refusal, the refusal is
    /// returned only after a fresh read of the store.
    pub(crate) async fn adopt_instances(&self, mut signs: Vec<Sign>) -> (Vec<Sign>, Option<Error>) {
        let granted = self.allowance(Kind::Adoption, signs.len());
        let limited = (granted < signs.len()).then_some(Error::PeerLimit);
        signs.truncate(granted);
        let Adopted {
            mut recorded,
            refused,
            failure,
        } = self.adopt_all(&signs).await;
        let (mut refused, doubtful) = if self.shared.is_store_shared {
            refused
                .into_iter()
                .partition(|(_, error)| !error.is_doubtful())
        } else {
            (refused, Vec::new())
        };
        let mut failure = limited.or(failure);
        if !doubtful.is_empty() {
            match self.read_latest().await {
                Ok(()) => {
                    let signs: Vec<_> = doubtful.into_iter().map(|(sign, _)| sign).collect();
                    let again = self.adopt_all(&signs).await;
                    recorded.extend(again.recorded);
                    refused.extend(again.refused);
                    failure = failure.or(again.failure);
                }
                Err(error) => failure = Some(error),
            }
        }
        let refusal = refused.into_iter().map(|(_, error)| error).next();
        (recorded, failure.or(refusal))
    }

    /// Records as many of these senders as the writer accepts.
    async fn adopt_all(&self, signs: &[Sign]) -> Adopted {
        let due = self.due();
        let mut adopted = Adopted::default();
        for chunk in signs.chunks(KEYS_PER_JOB) {
            let chunk: Vec<_> = chunk
                .iter()
                .map(|sign| (*sign, self.first_sign(sign.instance, sign.signal)))
                .collect();
            let written = self.shared.queue.write(due, move |proposal, seen| {
                let outcomes = chunk.iter().map(|(sign, first)| {
                    let adopted = proposal.adopt_instance(sign.instance, sign.application);
                    seen.extend(adopted.is_ok().then_some(*first));
                    (*sign, adopted)
                });
                Ok(outcomes.collect::<Vec<_>>())
            });
            match written.await {
                Ok(outcomes) => {
                    for (sign, outcome) in outcomes {
                        match outcome {
                            Ok(()) => adopted.recorded.push(sign),
                            Err(error) => adopted.refused.push((sign, error.into())),
                        }
                    }
                }
                Err(error) => {
                    adopted.failure = Some(error);
                    break;
                }
            }
        }
        adopted
    }

    /// The last-seen record of an instance's first sign. Without it an adopted instance has no lease after a restart.
    pub(super) fn first_sign(&self, instance: InstanceId, signal: Signal) -> LastSeen {
        LastSeen {
            instance,
            last_seen: self.shared.core.clock.wall(),
            signal,
            state: State::Up,
            usual: Duration::ZERO,
            forgotten: false,
            observer: None,
        }
    }

    fn has(&self, held: ForeignId) -> bool {
        let inventory = &self.shared.core.inventory;
        match held {
            ForeignId::Application(id) => inventory.application(id).is_some(),
            ForeignId::Operation(id) => inventory.operation(id).is_some(),
            ForeignId::Address(id) => inventory.address(id).is_some(),
        }
    }
}

impl ForeignId {
    fn adopt(self, proposal: &mut Proposal<'_>) -> Result<(), proposal::Error> {
        match self {
            Self::Application(id) => proposal.adopt_peer_application(id),
            Self::Operation(id) => proposal.adopt_operation(id),
            Self::Address(id) => proposal.adopt_address(id),
        }
    }
}
