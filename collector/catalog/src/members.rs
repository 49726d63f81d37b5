//! The ephemeral instances of all collectors that share an engine: each lists those of all.
//!
//! A collector publishes what it claims ([`rollcall_domain::catalog::Claim`]) through an [`Exchange`] and applies the claims of the
//! others. Changed claims are written in batches, the first at once and then one batch in a window ([`publish`]). Beats are not
//! written: a member that receives beats for instances of others names these instances in one entry, a few times in a beat term
//! ([`relay`]). While the exchange cannot be reached, clients of this collector are served as before, the instances of the others
//! stay listed, and afterwards all entries are read and compared ([`apply`]). The claims of a member that has left the cluster end
//! after a grace, in which its clients register elsewhere ([`presence`]).
//!
//! Invariants:
//! * An entry belongs to the member whose name its key begins with. Other members never change it. They remove it only when the
//!   member has been out of the cluster for longer than the grace.
//! * An entry that was there before is never evidence: only beats that arrive while this collector follows the exchange renew a
//!   lease.
//! * With an exchange the catalog is complete only when all entries were read.

mod apply;
mod entries;
mod presence;
mod publish;
mod relay;
mod roaming;
pub(crate) mod state;
#[cfg(test)]
mod tests;
mod unpublished;

use std::{sync::Arc, time::Duration};

use rollcall_domain::membership::View;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;
pub use state::Exchanged;
use state::Members;

/// The pause before the next attempt when the exchange cannot be reached.
const PAUSE: Duration = Duration::from_millis(500);

/// Exchanges until it is cancelled. `view` has the members of the cluster.
pub(crate) async fn run(
    shared: Arc<Shared>,
    view: Option<watch::Receiver<Arc<View>>>,
    cancel: CancellationToken,
) {
    let (Some(members), Some(view)) = (&shared.members, view) else {
        return;
    };
    tokio::join!(
        publish::run(&shared, members, &cancel),
        apply::run(&shared, members, &cancel),
        presence::run(&shared, members, view, &cancel),
    );
}
