//! Assigns ids to the many keys of one call.

use rollcall_domain::inventory::Proposal;
use tokio::{task::yield_now, time::Instant};

use super::{Error, Handle, Registration, rates::Kind};

/// Keys in one job; the limit lets the writer serve other callers in between.
pub(super) const KEYS_PER_JOB: usize = 1024;
/// Keys that are looked up before other tasks get a turn.
const KEYS_PER_TURN: usize = 1024;

/// Keys with the ids found so far.
struct Found<I, K> {
    /// In the order of the keys.
    ids: Vec<Option<I>>,
    /// Keys without an id, with their position.
    missing: Vec<(usize, K)>,
    /// The last reason why a key has no id.
    refusal: Option<Error>,
}

impl Handle {
    /// Looks each key up, and requests ids from the writer for keys without one, [`KEYS_PER_JOB`] at a time until the deadline.
    /// Keys beyond the peer's current allowance get no id; the caller requests them again.
    pub(super) async fn each<R: Copy, K: Clone + Send + 'static, I: Copy + Send + 'static>(
        &self,
        keys: impl Iterator<Item = R>,
        lookup: impl Fn(R) -> Result<Option<I>, Error>,
        own: impl Fn(R) -> K,
        registration: impl Fn(K) -> Registration,
        propose: impl Fn(&mut Proposal<'_>, &K) -> Result<I, Error> + Copy + Send + 'static,
    ) -> Result<Vec<Option<I>>, Error> {
        let due = self.due();
        let mut found = Found::look_up(keys, lookup, own).await;
        if let Some((_, key)) = found.missing.first()
            && registration(key.clone()).returns_id()
            && self.shared.core.listening.refuses(found.missing.len())
        {
            found.missing.clear();
            found.refusal = Some(Error::Listening);
        }
        if !found.missing.is_empty() {
            let granted = self.allowance(Kind::Registration, found.missing.len());
            found.limit(granted);
        }
        if !found.missing.is_empty() {
            let keys = found
                .missing
                .iter()
                .map(|(_, key)| registration(key.clone()));
            self.forward_to_owner(due, || keys.collect()).await;
            self.assign(&mut found, due, propose).await;
        }
        match found.refusal {
            Some(error) if found.ids.iter().all(Option::is_none) => Err(error),
            _ => Ok(found.ids),
        }
    }

    async fn assign<K: Send + 'static, I: Send + 'static>(
        &self,
        found: &mut Found<I, K>,
        due: Instant,
        propose: impl Fn(&mut Proposal<'_>, &K) -> Result<I, Error> + Copy + Send + 'static,
    ) {
        let mut missing = std::mem::take(&mut found.missing).into_iter();
        loop {
            let chunk: Vec<_> = missing.by_ref().take(KEYS_PER_JOB).collect();
            if chunk.is_empty() {
                return;
            }
            let assigned = self.shared.queue.propose(due, move |proposal| {
                let assign = |(at, key): &(usize, K)| Ok((*at, propose(proposal, key)?));
                Ok(chunk.iter().map(assign).collect::<Vec<Result<_, Error>>>())
            });
            match assigned.await {
                Ok(assigned) => {
                    for outcome in assigned {
                        match outcome {
                            Ok((at, id)) => found.ids[at] = Some(id),
                            Err(error) => found.refusal = Some(error),
                        }
                    }
                }
                Err(error) => {
                    found.refusal = Some(error);
                    return;
                }
            }
        }
    }
}

impl<I, K> Found<I, K> {
    async fn look_up<R: Copy>(
        keys: impl Iterator<Item = R>,
        lookup: impl Fn(R) -> Result<Option<I>, Error>,
        own: impl Fn(R) -> K,
    ) -> Self {
        let mut found = Self {
            ids: Vec::new(),
            missing: Vec::new(),
            refusal: None,
        };
        for (at, key) in keys.enumerate() {
            if at % KEYS_PER_TURN == KEYS_PER_TURN - 1 {
                yield_now().await;
            }
            let id = match lookup(key) {
                Ok(Some(id)) => Some(id),
                Ok(None) => {
                    found.missing.push((at, own(key)));
                    None
                }
                Err(error) => {
                    found.refusal = Some(error);
                    None
                }
            };
            found.ids.push(id);
        }
        found
    }

    /// Keeps only the first `granted` keys without an id.
    fn limit(&mut self, granted: usize) {
        if granted < self.missing.len() {
            self.missing.truncate(granted);
            self.refusal = Some(Error::PeerLimit);
        }
    }
}
