//! Lookups of names. The resolver of the system cannot be interrupted: it holds a thread until it returns, however long its caller
//! waits. So a lookup keeps its permit until it returns.

use std::{fmt, future::Future, io, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

type Found = io::Result<Vec<IpAddr>>;

/// The result of a lookup.
#[derive(Debug)]
pub(super) enum Lookup {
    /// The addresses.
    Found(Vec<IpAddr>),
    /// No addresses: the lookup failed, is pending, or did not begin because too many other lookups are pending.
    Nothing(Option<Pending>),
}

/// A lookup that takes longer than its caller waits.
pub(super) struct Pending {
    lookup: Pin<Box<dyn Future<Output = Found> + Send>>,
    _permit: OwnedSemaphorePermit,
}

impl Pending {
    /// Waits until the lookup returns, and releases its permit.
    pub(super) async fn returned(self) {
        if let Err(error) = self.lookup.await {
            tracing::debug!(%error, "catalog: a late lookup failed");
        }
    }
}

/// Looks up a name. Waits at most `patience` for a permit, and then at most `patience` for the result.
pub(super) async fn start(
    permits: &Arc<Semaphore>,
    lookup: impl Future<Output = Found> + Send + 'static,
    patience: Duration,
) -> Lookup {
    let permit = timeout(patience, Arc::clone(permits).acquire_owned()).await;
    let Ok(Ok(permit)) = permit else {
        return Lookup::Nothing(None);
    };
    let mut pending = Pending {
        lookup: Box::pin(lookup),
        _permit: permit,
    };
    match timeout(patience, &mut pending.lookup).await {
        Ok(Ok(found)) => Lookup::Found(found),
        Ok(Err(_unknown)) => Lookup::Nothing(None),
        Err(_late) => Lookup::Nothing(Some(pending)),
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;
    use tokio::{sync::oneshot, time::sleep};

    const PATIENCE: Duration = Duration::from_millis(500);

    /// A regression test: a name whose server does not answer held a thread for blocking work, while its permit was already free
    /// for the next lookup.
    #[tokio::test(start_paused = true)]
    async fn a_late_lookup_keeps_its_permit_until_it_returns() {
        let permits = Arc::new(Semaphore::new(1));
        let (answer, answered) = oneshot::channel();
        let lookup = async move { answered.await.map_err(io::Error::other) };
        let Lookup::Nothing(Some(late)) = start(&permits, lookup, PATIENCE).await else {
            panic!("the lookup is late");
        };
        let next = start(&permits, pending(), PATIENCE).await;
        assert!(matches!(next, Lookup::Nothing(None)), "{next:?}");
        answer.send(Vec::new()).unwrap();
        late.returned().await;
        let address = IpAddr::from([127, 0, 0, 1]);
        let next = start(&permits, ready(Ok(vec![address])), PATIENCE).await;
        assert!(matches!(next, Lookup::Found(found) if found == [address]));
        assert_eq!(permits.available_permits(), 1);
    }

    /// A regression test: a lookup without a free permit did not begin, so a few slow names stopped the probes of all other names.
    #[tokio::test(start_paused = true)]
    async fn a_lookup_waits_for_a_permit() {
        let permits = Arc::new(Semaphore::new(1));
        let held = Arc::clone(&permits).try_acquire_owned().unwrap();
        let release = async {
            sleep(PATIENCE / 2).await;
            drop(held);
        };
        let lookup = start(&permits, ready(Ok(Vec::new())), PATIENCE);
        let (found, ()) = tokio::join!(lookup, release);
        assert!(matches!(found, Lookup::Found(_)), "{found:?}");
    }
}
