//! The register loop: executes the phase machine's commands on one connection.

use std::{future::Future, sync::Arc};

use tokio::{
    sync::watch,
    time::{self, Instant, MissedTickBehavior},
};

use crate::{
    Activity, ApplicationId,
    collector::{CallError, Collector},
    dictionary::{self, Dictionary, Key, Operation},
    hold::Hold,
    patience::Patience,
    peer::Peer,
    phase::{Command, Event, Failure, KnownIds, Machine, Reply},
    process::Process,
    shared::Shared,
};

/// The largest dictionary request, as [`dictionary::chunks`] estimates its size: well below the 4 MiB that gRPC servers accept by
/// default, and small enough to be answered within a call's deadline.
const MAX_CHUNK_BYTES: usize = 256 * 1024;

/// The number of consecutive calls without an answer after which the connection counts as lost.
const MAX_SILENT_CALLS: u32 = 3;

/// How long a collector may refuse names before the agent first tries another one, in register intervals. With the default
/// interval this is three minutes.
const PATIENCE: u32 = 60;

/// The longest pause after a refused request, in register intervals. With the default interval this is a minute.
const LONGEST_HOLD: u32 = 20;

/// Makes all calls to collectors, one at a time. The same value serves all connections of a run of the background loop.
#[derive(Debug)]
pub(crate) struct Register {
    shared: Arc<Shared>,
    /// The list of collectors.
    members: watch::Receiver<Vec<Peer>>,
    machine: Machine,
    process: Process,
    silent_calls: u32,
    has_succeeded: bool,
    /// Delays requests for the ids of addresses after a refusal.
    addresses: Hold,
    /// Delays requests for the ids of operations after a refusal.
    operations: Hold,
    /// When the agent leaves a collector that refuses names.
    patience: Patience,
    /// Delays registration after a collector lacked the calls for it.
    registration: Hold,
    has_reported_lack: bool,
}

/// The reason why the loop gave up a connection.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Lost(String);

impl Register {
    /// Continues with the ids of an earlier run of the background loop.
    pub(crate) fn new(shared: Arc<Shared>, members: watch::Receiver<Vec<Peer>>) -> Self {
        let status = shared.status();
        let after = shared.config.heartbeat_after;
        let hold = || Hold::at_most(shared.config.register_interval * LONGEST_HOLD);
        Self {
            machine: Machine::new(after, status.application_id, status.instance_id),
            process: Process::describe(),
            silent_calls: 0,
            has_succeeded: false,
            addresses: hold(),
            operations: hold(),
            registration: hold(),
            patience: Patience::of(shared.config.register_interval * PATIENCE),
            has_reported_lack: false,
            members,
            shared,
        }
    }

    /// Whether a call on the current connection has succeeded.
    pub(crate) fn has_succeeded(&self) -> bool {
        self.has_succeeded
    }

    /// Makes calls on a new connection until the connection fails.
    pub(crate) async fn run(&mut self, collector: &Collector) -> Lost {
        self.silent_calls = 0;
        self.has_succeeded = false;
        self.addresses.end();
        self.operations.end();
        self.registration.end();
        self.on(Event::Connected);
        let period = self.shared.config.register_interval;
        let mut ticks = time::interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let until = ticks.tick().await + period;
            if !self.registration.is_over() {
                continue;
            }
            let segment_finished = self.shared.take_segment_finished();
            let mut command = self.on(Event::Tick { segment_finished });
            while let Some(current) = command {
                command = match self.execute(current, collector, until).await {
                    Ok(answer) => self.on(Event::Done(answer)),
                    Err(error) => match self.judge(current, error) {
                        Ok(failure) => self.on(Event::Failed(failure)),
                        Err(lost) => return lost,
                    },
                };
            }
        }
    }

    /// Announces the planned stop of this process, if the process has its ids. Gives up after the time that the stop allows for the
    /// goodbye.
    pub(crate) async fn goodbye(&self, collector: &Collector) {
        let (Some(application), Some(instance)) =
            (self.machine.application(), self.machine.instance())
        else {
            return;
        };
        let uuid = &self.shared.config.instance_uuid;
        let call = collector.leave(application, instance, uuid, "shut down by the application");
        match time::timeout(self.shared.stop.goodbye(), call).await {
            Ok(Ok(())) => self.shared.counters.goodbyes.increment(),
            Ok(Err(error)) => tracing::debug!(%error, "the collector refused the goodbye"),
            Err(_elapsed) => tracing::debug!("the collector did not answer the goodbye in time"),
        }
    }

    /// Records that the connection ended.
    pub(crate) fn disconnected(&mut self) {
        self.on(Event::Disconnected);
        self.shared.disconnected();
    }

    fn on(&mut self, event: Event) -> Option<Command> {
        let command = self.machine.on(event, self.shared.clock.now());
        self.shared.progressed(&self.machine);
        command
    }

    async fn execute(
        &mut self,
        command: Command,
        collector: &Collector,
        until: Instant,
    ) -> Result<Reply, CallError> {
        let shared = Arc::clone(&self.shared);
        let process = self.process.clone();
        Ok(match command {
            Command::RegisterApplication => {
                let code = &shared.config.application_code;
                Reply::Application(self.call(collector.register_application(code)).await?)
            }
            Command::RegisterInstance { application } => {
                let uuid = &shared.config.instance_uuid;
                let call = collector.register_instance(application, uuid, &process);
                let instance = self.call(call).await?;
                if instance.is_some() {
                    shared.counters.registrations.increment();
                    self.registration.answered();
                    self.has_reported_lack = false;
                }
                Reply::Instance(instance)
            }
            Command::Recover {
                application,
                instance,
            } => {
                self.call(collector.recover(application, instance, &process))
                    .await?;
                shared.counters.recoveries.increment();
                Reply::Recovered
            }
            Command::Heartbeat { instance } => {
                self.call(collector.heartbeat(instance)).await?;
                shared.heartbeat_acknowledged();
                Reply::Heartbeat
            }
            Command::Synchronise { application, known } => {
                self.synchronise(collector, application, known, until)
                    .await?;
                Reply::Synchronised
            }
        })
    }

    /// Awaits a call, and counts the call and its result.
    async fn call<T>(
        &mut self,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        self.shared.counters.calls.increment();
        let result = call.await;
        match &result {
            Ok(_) => self.has_succeeded = true,
            Err(_) => self.shared.counters.call_failures.increment(),
        }
        match &result {
            Err(CallError::Silent(_)) => self.silent_calls += 1,
            Ok(_) | Err(_) => self.silent_calls = 0,
        }
        result
    }

    /// Classifies an error: it ends the connection, or is a failure for the machine.
    fn judge(&mut self, command: Command, error: CallError) -> Result<Failure, Lost> {
        let activity = Activity::of(command);
        if command.is_registration() && matches!(error, CallError::Unsupported(_)) {
            self.lacks_registration(&error);
        } else {
            self.shared.report_error(activity, &error);
        }
        match error {
            // A collector that assigns no ids to new names still accepts heartbeats, and this state may last long.
            CallError::Refused(reason) if activity == Activity::Dictionary => {
                let connected = self.shared.status().collector;
                let is_other = |member: &Peer| Some(member.to_string()) != connected;
                let has_others = self.members.borrow().iter().any(is_other);
                let time = self
                    .addresses
                    .refused_for()
                    .max(self.operations.refused_for());
                if !has_others || !self.patience.is_over(time) {
                    return Ok(Failure::Other);
                }
                self.patience.left();
                Err(Lost(format!("names refused for {time:.0?}: {reason}")))
            }
            CallError::Lost(reason) | CallError::Refused(reason) => Err(Lost(reason)),
            CallError::Silent(_) if self.silent_calls >= MAX_SILENT_CALLS => Err(Lost(format!(
                "{MAX_SILENT_CALLS} calls in a row without an answer"
            ))),
            CallError::NotFound(_) => Ok(Failure::NotFound),
            CallError::Unsupported(_) => Ok(Failure::Unsupported),
            CallError::Silent(_) | CallError::Other(_) => Ok(Failure::Other),
        }
    }

    /// Handles a collector that does not implement the calls that register 5.x agents. The collector may be upgraded later, so the
    /// agent tries again, but it logs the error only once.
    fn lacks_registration(&mut self, error: &CallError) {
        let reason = format!(
            "{error} (the collector is not Rollcall's and not of SkyWalking 5.x or 6.x: it lacks the calls for registration)"
        );
        if std::mem::replace(&mut self.has_reported_lack, true) {
            self.shared.record_error(Activity::Registration, reason);
        } else {
            self.shared.report_error(Activity::Registration, &reason);
        }
        self.registration.refused();
    }

    /// Requests the ids of the queued keys: first addresses, then operations, as upstream's agents do. The requests for a
    /// dictionary end at a failed call or at the next tick; the remaining keys stay queued. If a collector refuses the requests for
    /// a dictionary, a [`Hold`] delays the next ones. After a failed address call, operations are requested only if the connection
    /// can still be used.
    async fn synchronise(
        &mut self,
        collector: &Collector,
        application: ApplicationId,
        known: KnownIds,
        until: Instant,
    ) -> Result<(), CallError> {
        let shared = Arc::clone(&self.shared);
        match known {
            KnownIds::Keep => {}
            KnownIds::Request => {
                shared.addresses.request_again();
                shared.operations.request_again();
            }
            KnownIds::Forget => {
                // Address ids do not depend on the application id, so they stay in use.
                shared.addresses.request_again();
                shared.operations.forget();
            }
        }
        let mut addresses = Ok(());
        if self.addresses.is_over() {
            let request = async |chunk: &[Arc<str>]| collector.addresses(chunk).await;
            addresses = self.request(&shared.addresses, until, request).await;
            update(&mut self.addresses, &addresses);
        }
        // A collector whose address call is missing (3.2.6) or fails with another error may still return operation ids.
        if !matches!(
            addresses,
            Ok(()) | Err(CallError::Unsupported(_) | CallError::Refused(_) | CallError::Other(_))
        ) {
            return addresses;
        }
        if !self.operations.is_over() {
            return addresses;
        }
        let request = async |chunk: &[Operation]| collector.operations(application, chunk).await;
        let operations = self.request(&shared.operations, until, request).await;
        update(&mut self.operations, &operations);
        if operations.is_ok() && addresses.is_ok() {
            self.patience.answered();
        }
        operations.and(addresses)
    }

    /// Requests the ids of the queued keys of one dictionary, chunk by chunk.
    async fn request<K: Key, I: Copy + PartialEq>(
        &mut self,
        dictionary: &Dictionary<K, I>,
        until: Instant,
        request: impl AsyncFn(&[K]) -> Result<Vec<(K, I)>, CallError>,
    ) -> Result<(), CallError> {
        let mut result = Ok(());
        for chunk in dictionary::chunks(dictionary.take_queue(), MAX_CHUNK_BYTES) {
            if result.is_err() || Instant::now() >= until {
                dictionary.give_back(chunk);
                continue;
            }
            match self.call(request(&chunk)).await {
                Ok(answers) => {
                    let changed = dictionary.store(chunk, answers);
                    self.shared.counters.ids_changed.add(changed);
                }
                Err(error) => {
                    dictionary.give_back(chunk);
                    result = Err(error);
                }
            }
        }
        result
    }
}

/// Delays the next requests for a dictionary if these requests were refused.
fn update(hold: &mut Hold, requests: &Result<(), CallError>) {
    match requests {
        Ok(()) => hold.answered(),
        Err(CallError::Refused(_)) => hold.refused(),
        Err(_) => {}
    }
}
