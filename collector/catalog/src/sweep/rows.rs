//! Removes the rows of overrides whose term has ended. A task of its own waits for the store, so that a slow store delays no
//! judgement of leases.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    rows,
    shared::{Plan, Shared},
    store::Table,
};

/// Removes rows until it is cancelled.
pub(crate) async fn run(shared: Arc<Shared>, cancel: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            () = shared.ended.added() => remove(&shared).await,
        }
    }
}

async fn remove(shared: &Shared) {
    let ended = shared.ended.take();
    if ended.is_empty() {
        return;
    }
    let plan = move |shared: &Shared| {
        let registry = shared.registry.read();
        // An operator may have set one again meanwhile.
        let absent = ended
            .iter()
            .filter(|(key, endpoint)| registry.overridden(key, endpoint).is_none());
        let rows = absent.map(|(key, endpoint)| {
            rows::remove(Table::Override, rows::instance_text(key, endpoint))
        });
        Ok(Plan::new(rows.collect(), |_| Ok(())))
    };
    if let Err(error) = shared.durably("sweep".to_owned(), plan).await {
        tracing::warn!(%error, "catalog: ended overrides stay in the store until the next start");
    }
}
