//! Writes events to the journals.

use std::{io, sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};

use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    event::Lane,
    inner::Inner,
    journal::Journal,
    state::{BACKLOG, SKIPPED},
};

/// Events in one write.
const BATCH: usize = 4096;
/// Events are gathered for this time and written together.
const GATHER: Duration = Duration::from_millis(20);
/// The time between a write and its synchronisation with the disk.
const SYNC: Duration = Duration::from_secs(1);
/// So many events are synchronised at once. When a large fleet falls silent, a second has more events than a run may assign numbers
/// to before one of them is durable.
const SYNC_AFTER: usize = 1 << 16;

const _: () = assert!(BACKLOG as u64 + (SYNC_AFTER + BATCH) as u64 * 2 < SKIPPED);
/// The pause between two log lines about a disk that refuses writes.
const REPORT: Duration = Duration::from_secs(60);

/// Writes the events of a feed to its journals, until it is cancelled.
///
/// If a write fails, its events are counted as lost, and the next batch is tried. The collector never waits.
#[derive(Debug)]
pub struct Recorder {
    inner: Arc<Inner>,
    /// When the bytes that are not synchronised yet are due; `None` if there are none.
    due: Option<Instant>,
    /// The number of events in those bytes.
    unsynchronised: usize,
    reported: Option<Instant>,
    /// The number of the last event that was appended to the journal of each lane.
    appended: [Option<u64>; Lane::ALL.len()],
    /// By lane.
    conditions: [Condition; Lane::ALL.len()],
    /// Whether a failure was reported whose end has not been reported yet.
    is_failing: bool,
}

/// The condition of the disk for the journal of a lane.
#[derive(Clone, Copy, Debug, Default)]
struct Condition {
    /// Whether it refused the last write.
    refuses: bool,
    /// Whether the last synchronisation failed.
    fails: bool,
}

impl Recorder {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self {
            inner,
            due: None,
            unsynchronised: 0,
            reported: None,
            appended: Default::default(),
            conditions: Default::default(),
            is_failing: false,
        }
    }

    /// Writes until cancelled, and then writes the events that were recorded before.
    pub async fn run(mut self, cancel: CancellationToken) {
        let inner = Arc::clone(&self.inner);
        loop {
            while self.write().await {
                self.sync_if_due().await;
            }
            self.sync_if_due().await;
            let due = self.due;
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                () = inner.wake.notified() => {
                    // Events often come in groups.
                    let _cancelled = timeout(GATHER, cancel.cancelled()).await;
                }
                () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {}
            }
        }
        while self.write().await {}
        self.sync().await;
    }

    /// Writes one batch of each lane. Returns whether there may be more.
    async fn write(&mut self) -> bool {
        let mut has_more = false;
        for lane in Lane::ALL {
            let events = self.inner.to_write(lane, BATCH);
            let Some(last) = events.last().map(|event| event.number) else {
                continue;
            };
            has_more |= events.len() == BATCH;
            let count = events.len();
            let append = move |journal: &Journal| {
                let (appended, result) = journal.append(&events);
                let last = events[..appended].last().map(|event| event.number);
                (appended, last, result)
            };
            let appended = self.blocking(lane, append).await;
            let (appended, end, result) = appended.unwrap_or_else(|error| (0, None, Err(error)));
            let ends = &mut self.appended[lane.index()];
            *ends = end.or(*ends);
            self.inner.wrote(lane, last);
            self.finish_write(lane, (count, appended), result);
        }
        has_more
    }

    async fn sync_if_due(&mut self) {
        if self.due.is_some_and(|due| due <= Instant::now()) {
            self.sync().await;
        }
    }

    async fn sync(&mut self) {
        self.due = None;
        self.unsynchronised = 0;
        for lane in Lane::ALL {
            let synced = self.blocking(lane, Journal::sync).await.flatten();
            self.conditions[lane.index()].fails = synced.is_err();
            match synced {
                Ok(()) => {
                    let appended = self.appended[lane.index()].take();
                    appended
                        .into_iter()
                        .for_each(|it| self.inner.synchronised(it));
                }
                Err(error) => self.report(&error),
            }
        }
        let is_faulty = |it: &Condition| it.refuses || it.fails;
        if self.is_failing && !self.conditions.iter().any(is_faulty) {
            self.is_failing = false;
            tracing::info!("the journal of events can be written again");
        }
    }

    async fn blocking<R: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&Journal) -> R + Send + 'static,
    ) -> io::Result<R> {
        let inner = Arc::clone(&self.inner);
        let work = move || match &inner.journals {
            Some(journals) => Ok(work(&journals.lanes[lane.index()])),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// Counts the events that a journal refused, and reports the reason. The arguments are the number of events in the batch, the
    /// number of those that were appended, and the error at the next one.
    fn finish_write(
        &mut self,
        lane: Lane,
        (events, appended): (usize, usize),
        result: io::Result<()>,
    ) {
        if appended > 0 {
            self.unsynchronised += appended;
            let now = Instant::now();
            let due = self.due.get_or_insert(now + SYNC);
            if self.unsynchronised >= SYNC_AFTER {
                *due = now;
            }
        }
        self.conditions[lane.index()].refuses = result.is_err();
        if let Err(error) = result {
            let missing = u64::try_from(events - appended).unwrap_or(u64::MAX);
            self.inner.failed.fetch_add(missing, Relaxed);
            self.report(&error);
        }
    }

    fn report(&mut self, error: &io::Error) {
        self.is_failing = true;
        if self.reported.is_none_or(|last| last.elapsed() >= REPORT) {
            self.reported = Some(Instant::now());
            tracing::warn!(
                %error,
                "the journal of events cannot be written, events are missing after a restart; ids and states are not affected"
            );
        }
    }
}

#[cfg(test)]
mod tests;
