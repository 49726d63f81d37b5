//! Marks the subscriptions of services whose push is due.

pub(crate) mod schedule;

use std::sync::Arc;

use rollcall_domain::catalog::ServiceKey;
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;

/// Subscriptions that are marked under one lock.
const CHUNK: usize = 512;

/// Marks the subscriptions of changed services until it is cancelled.
pub(crate) async fn run(shared: Arc<Shared>, cancel: CancellationToken) {
    loop {
        let added = shared.schedule.added();
        let wait = match shared.schedule.take(shared.clock.now()) {
            Ok(service) => {
                fan_out(&shared, &service).await;
                if cancel.is_cancelled() {
                    return;
                }
                continue;
            }
            Err(wait) => wait,
        };
        let timer = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            () = added => {}
            () = timer => {}
        }
    }
}

/// Marks the subscriptions of a service, a bounded number at a time.
async fn fan_out(shared: &Shared, service: &ServiceKey) {
    let mut after = None;
    loop {
        let mut marked = 0;
        {
            let subscriptions = shared.subscriptions.read();
            let mut last = None;
            for (key, subscription) in subscriptions
                .of_service(service, after.as_ref())
                .take(CHUNK)
            {
                subscription.mark();
                marked += 1;
                last = Some(key);
            }
            after = last.cloned();
        }
        if marked < CHUNK {
            return;
        }
        tokio::task::yield_now().await;
    }
}
