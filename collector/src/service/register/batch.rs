//! Many keys in one call.

use rollcall_domain::inventory::Proposal;

use super::{Error, Handle, Registration};

/// Keys in one job: few enough that the writer turns to others in between.
const KEYS_PER_JOB: usize = 1024;

impl Handle {
    /// Looks each key up, and has the writer give ids to those that have none: [`KEYS_PER_JOB`] at a time until the
    /// deadline.
    pub(super) async fn each<R: Copy, K: Clone + Send + 'static, I: Copy + Send + 'static>(
        &self,
        keys: impl Iterator<Item = R>,
        lookup: impl Fn(R) -> Result<Option<I>, Error>,
        own: impl Fn(R) -> K,
        registration: impl Fn(K) -> Registration,
        propose: impl Fn(&mut Proposal<'_>, &K) -> Result<I, Error> + Copy + Send + 'static,
    ) -> Result<Vec<Option<I>>, Error> {
        let due = self.due();
        let mut refusal = None;
        let mut ids = Vec::new();
        let mut missing = Vec::new();
        for (at, key) in keys.enumerate() {
            let id = match lookup(key) {
                Ok(Some(id)) => Some(id),
                Ok(None) => {
                    missing.push((at, own(key)));
                    None
                }
                Err(error) => {
                    refusal = Some(error);
                    None
                }
            };
            ids.push(id);
        }
        if !missing.is_empty() {
            let keys = missing.iter().map(|(_, key)| registration(key.clone()));
            self.ask_owner(due, || keys.collect()).await;
        }
        let mut missing = missing.into_iter();
        loop {
            let chunk: Vec<_> = missing.by_ref().take(KEYS_PER_JOB).collect();
            if chunk.is_empty() {
                break;
            }
            let assigned = self.queue.propose(due, move |proposal| {
                let assign = |(at, key): &(usize, K)| Ok((*at, propose(proposal, key)?));
                Ok(chunk.iter().map(assign).collect::<Vec<Result<_, Error>>>())
            });
            match assigned.await {
                Ok(assigned) => {
                    for outcome in assigned {
                        match outcome {
                            Ok((at, id)) => ids[at] = Some(id),
                            Err(error) => refusal = Some(error),
                        }
                    }
                }
                Err(error) => {
                    refusal = Some(error);
                    break;
                }
            }
        }
        match refusal {
            Some(error) if ids.iter().all(Option::is_none) => Err(error),
            _ => Ok(ids),
        }
    }
}
