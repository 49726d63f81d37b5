//! Ids that agents bring along: recorded as they are, so that no other agent is given them.
//!
//! A sign of life adopts its sender: the instance, and the application that it names. A segment also uses ids that its
//! sender was given when it registered names: the operations and the peers of its spans. These are [`ForeignId`], and have limits
//! of their own (for each segment, for each peer, and half of what may be adopted), so that no number of them can keep a
//! sender from being adopted.
//!
//! What a segment says of other processes (its references: parent and entry instance, operation, address) is a mention and
//! adopts nothing. The process that holds those ids reports them itself.

use std::{collections::HashSet, time::Duration};

use rollcall_domain::{
    AddressId, ApplicationId, InstanceId, OperationId,
    inventory::{Proposal, proposal},
    liveness::{Signal, State},
};
use rollcall_storage::LastSeen;

use super::{Error, Handle, batch::KEYS_PER_JOB, rates::Kind};
use crate::heartbeat::Sign;

/// An id that an agent was given by a registration, and uses in a segment of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForeignId {
    /// A peer of 3.2.6.
    Application(ApplicationId),
    Operation(OperationId),
    /// A peer of 5.x and later.
    Address(AddressId),
}

/// What became of the senders that were to be recorded.
#[derive(Default)]
struct Adopted {
    recorded: Vec<Sign>,
    refused: Vec<(Sign, Error)>,
    /// Why the writer took no more of them.
    failure: Option<Error>,
}

impl Handle {
    /// Records ids that the sender of one message uses and this inventory has never given out. Those beyond a limit are
    /// counted and left out: they come again with later segments.
    ///
    /// # Errors
    /// The writer cannot take them at present.
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
                for held in &unknown {
                    held.adopt(proposal)?;
                }
                Ok(())
            })
            .await;
        match adopted {
            Err(error) if error.retryable() => Err(error),
            Err(error) => {
                tracing::debug!(%error, "ids that a segment uses were not adopted");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Records the senders of signs of life that this inventory does not know, or not in full, and that they were seen: both
    /// in one commit. Answers with those that are recorded, and why others are not.
    ///
    /// A sender gives its ids up when it is refused for what another collector may have written, so that is said only after a
    /// fresh read of the store.
    pub(crate) async fn adopt_instances(&self, mut signs: Vec<Sign>) -> (Vec<Sign>, Option<Error>) {
        let granted = self.allowance(Kind::Adoption, signs.len());
        let limited = (granted < signs.len()).then_some(Error::PeerLimit);
        signs.truncate(granted);
        let Adopted {
            mut recorded,
            refused,
            failure,
        } = self.adopt_all(&signs).await;
        let (mut refused, doubtful) = if self.shared.has_rivals {
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

    /// Has the writer record these senders, as far as it can.
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

    /// What is recorded of an instance that was not seen before. Without it an adopted instance has no lease after a restart.
    pub(super) fn first_sign(&self, instance: InstanceId, signal: Signal) -> LastSeen {
        LastSeen {
            instance,
            last_seen: self.shared.core.clock.wall(),
            signal,
            state: State::Up,
            usual: Duration::ZERO,
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
