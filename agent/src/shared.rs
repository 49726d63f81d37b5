//! The state that the background thread and the callers share.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, ThreadId},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    Activity, ApplicationId, InstanceId, LastError, Phase, Status,
    clock::{self, Clock},
    config::Config,
    counters::{self, Counters, Labels},
    dictionary::{Addresses, Operations},
    home::Home,
    peer::Peer,
    phase::Machine,
    pulse::Pulse,
    stop::Stop,
    throttle::Throttle,
};

/// The interval in which at most one error of each activity is logged.
const LOG_PERIOD: Duration = Duration::from_secs(60);

/// The shared state of one agent. Callers read it, set flags and queue keys; the background thread writes the rest.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) home: Home,
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) stop: Stop,
    pub(crate) pulse: Pulse,
    pub(crate) counters: Counters,
    labels: Labels,
    pub(crate) operations: Operations,
    pub(crate) addresses: Addresses,
    thread: OnceLock<ThreadId>,
    segment_finished: AtomicBool,
    status: watch::Sender<Status>,
    /// Dropping the last receiver takes a lock. This receiver lives as long as the agent, so a caller never drops the last one.
    _receiver: watch::Receiver<Status>,
    throttles: Mutex<[Throttle; 6]>,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        let (status, receiver) = watch::channel(Status::new(&config));
        // The loop runs once per register period. With at least one second per turn, a stall is reported after two seconds at the
        // earliest, so that a loaded machine does not count as a stall.
        let turn = config.register_interval.max(Duration::from_secs(1));
        Arc::new(Self {
            home: Home::here(),
            clock: Clock::start(),
            stop: Stop::default(),
            pulse: Pulse::every(turn),
            counters: Counters::default(),
            labels: counters::labels(&config.application_code),
            operations: Operations::new(config.operation_limit),
            addresses: Addresses::new(config.address_limit),
            thread: OnceLock::new(),
            segment_finished: AtomicBool::new(false),
            status,
            _receiver: receiver,
            throttles: Mutex::new([(); 6].map(|()| Throttle::every(LOG_PERIOD))),
            config,
        })
    }

    /// For any thread. Stores only if the flag changes, so that busy threads do not contend for the cache line.
    pub(crate) fn segment_finished(&self) {
        if !self.segment_finished.load(Ordering::Relaxed) {
            self.segment_finished.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a segment was finished since the last call.
    pub(crate) fn take_segment_finished(&self) -> bool {
        self.segment_finished.swap(false, Ordering::Relaxed)
    }

    /// For any thread. Does nothing in a forked child, which has no agent thread to stop.
    pub(crate) fn request_stop(&self, goodbye: Duration) {
        if !self.home.is_in_child() {
            self.stop.request(goodbye);
        }
    }

    pub(crate) fn status(&self) -> Status {
        if self.home.is_in_child() {
            return self.status_of_child();
        }
        let status = self.status.borrow().clone();
        self.complete(status)
    }

    /// The status in a forked child, which has no agent thread.
    fn status_of_child(&self) -> Status {
        let mut status = Status::new(&self.config);
        status.phase = Phase::Stopped;
        status.counts = self.counters.snapshot();
        status.last_error = Some(LastError {
            at: clock::wall(),
            activity: Activity::Loop,
            message: format!(
                "this process was forked from process {}, where the agent runs; start another agent in this process",
                self.home.process()
            ),
        });
        status
    }

    /// Adds the fields that are not stored in the watch: the counts and the stall.
    pub(crate) fn complete(&self, mut status: Status) -> Status {
        if status.phase != Phase::Stopped {
            self.notice_stall();
            status.stalled_for = self.pulse.late(self.clock.now());
        }
        status.counts = self.counters.snapshot();
        status
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Runs the watchdog's check on a caller's thread.
    pub(crate) fn notice_stall(&self) {
        if let Some(late) = self.pulse.first_to_notice(self.clock.now()) {
            self.report_stall(late);
        }
    }

    pub(crate) fn report_stall(&self, late: Duration) {
        self.counters.stalls.increment();
        tracing::warn!(
            ?late,
            "the agent's loop is stalled: the loop is stuck, or the process is not scheduled"
        );
    }

    // Reports from the background thread.

    pub(crate) fn thread_is(&self, thread: ThreadId) {
        self.thread.get_or_init(|| thread);
    }

    /// Whether the caller is this agent's own thread.
    pub(crate) fn is_own_thread(&self) -> bool {
        self.thread.get() == Some(&thread::current().id())
    }

    /// Publishes to the recorder that the host installed, if any.
    pub(crate) fn publish_metrics(&self) {
        self.counters.publish(&self.labels);
        for (dictionary, entries) in [
            ("operation", self.operations.len()),
            ("address", self.addresses.len()),
        ] {
            let entries = u32::try_from(entries).unwrap_or(u32::MAX);
            let mut labels = self.labels.clone();
            labels.push(metrics::Label::new("dictionary", dictionary));
            metrics::gauge!("rollcall_agent_dictionary_entries", labels).set(entries);
        }
    }

    pub(crate) fn members_are(&self, members: &[Peer]) {
        let mut members: Vec<_> = members.iter().map(ToString::to_string).collect();
        tracing::info!(?members, "collectors");
        // The previous list is dropped after the lock is released.
        self.status
            .send_modify(|status| std::mem::swap(&mut status.members, &mut members));
    }

    pub(crate) fn connected(&self, collector: &Peer) {
        self.counters.connections.increment();
        tracing::info!(%collector, "connected");
        self.status
            .send_modify(|status| status.collector = Some(collector.to_string()));
    }

    pub(crate) fn disconnected(&self) {
        self.status
            .send_if_modified(|status| status.collector.take().is_some());
    }

    /// Publishes the state of the phase machine; notifies and logs if it changed.
    pub(crate) fn progressed(&self, machine: &Machine) {
        let (phase, application, instance) =
            (machine.phase(), machine.application(), machine.instance());
        let news = self.status.send_if_modified(|status| {
            let before = (status.phase, status.application_id, status.instance_id);
            (status.phase, status.application_id, status.instance_id) =
                (phase, application, instance);
            before != (phase, application, instance)
        });
        // Logs outside of the closure, because the host's subscriber must not run under the lock of the watch.
        if news {
            tracing::info!(
                ?phase,
                application.id = application.map(ApplicationId::get),
                instance.id = instance.map(InstanceId::get),
                "registration",
            );
        }
    }

    pub(crate) fn heartbeat_acknowledged(&self) {
        self.counters.heartbeats.increment();
        self.status
            .send_modify(|status| status.last_heartbeat = Some(clock::wall()));
    }

    /// Records that the background thread ended.
    pub(crate) fn stopped(&self) {
        self.status.send_modify(|status| {
            status.phase = Phase::Stopped;
            status.collector = None;
        });
    }

    /// Publishes an error, and logs it at most once a minute for each activity.
    pub(crate) fn report_error(&self, activity: Activity, error: &dyn fmt::Display) {
        let message = error.to_string();
        let passed = self.throttles.lock()[index(activity)].pass(self.clock.now());
        if let Some(held_back) = passed {
            tracing::warn!(?activity, error = %message, held_back, "the agent failed and will retry");
        }
        self.record_error(activity, message);
    }

    /// Publishes an error without logging it.
    pub(crate) fn record_error(&self, activity: Activity, message: String) {
        self.status.send_modify(|status| {
            status.last_error = Some(LastError {
                at: clock::wall(),
                activity,
                message,
            });
        });
    }
}

fn index(activity: Activity) -> usize {
    match activity {
        Activity::Discovery => 0,
        Activity::Connection => 1,
        Activity::Registration => 2,
        Activity::Heartbeat => 3,
        Activity::Dictionary => 4,
        Activity::Loop => 5,
    }
}
