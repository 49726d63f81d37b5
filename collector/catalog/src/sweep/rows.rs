//! Removes the rows of overrides whose term has ended. A separate task does this, so that a slow store does not delay the judging
//! of leases.

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

/// Removes the rows one after the other. A removal and a change of the same override do not share a commit, so whichever comes
/// second is planned after the first was applied.
pub(super) async fn remove(shared: &Shared) {
    let ended = shared.ended.take();
    let count = ended.len();
    for (removed, (key, endpoint)) in ended.into_iter().enumerate() {
        let text = rows::instance_text(&key, &endpoint);
        let touches = text.clone();
        let plan = move |shared: &Shared| {
            let registry = shared.registry.read();
            // An operator may have set it again meanwhile.
            let rows = match registry.overridden(&key, &endpoint) {
                Some(_) => Vec::new(),
                None => vec![rows::remove(Table::Override, text)],
            };
            Ok(Plan::new(rows, |_| Ok(())))
        };
        if let Err(error) = shared.durably(touches, plan).await {
            let left = count - removed;
            tracing::warn!(%error, left, "catalog: ended overrides stay in the store until the next start");
            return;
        }
    }
}
