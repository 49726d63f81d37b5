//! Receives signs of life: renews leases and adopts unknown instances.

use std::collections::{HashMap, HashSet};

use rollcall_domain::{
    ApplicationId, InstanceId, Timestamp, inventory::Properties, liveness::Signal,
};
use rollcall_limits::Peer;
use tokio::task::yield_now;

use super::register::{self, InstanceName};

mod leave;

pub use leave::Goodbye;

/// A sign of life of an instance.
#[derive(Clone, Copy, Debug)]
pub struct Sign {
    /// The instance that is alive.
    pub instance: InstanceId,
    /// The application that the instance reports, if the call carries one.
    pub application: Option<ApplicationId>,
    /// The kind of call or message that shows that the instance is alive.
    pub signal: Signal,
}

/// The time of an agent's clock in a call, from milliseconds. Zero and negative numbers mean that the call carries no time.
#[must_use]
pub fn agent_time(millis: i64) -> Option<Timestamp> {
    (millis > 0).then(|| Timestamp::from_millis(millis))
}

/// The ping that a 6.x agent sends every 3 s.
#[derive(Clone, Copy, Debug)]
pub struct Ping<'a> {
    /// The id that the agent holds.
    pub instance: InstanceId,
    /// The UUID that the agent registered with; empty if the ping carries none.
    pub uuid: &'a str,
    /// Whether the agent is certain to register again when the answer requests it.
    pub resettable: bool,
}

impl Ping<'_> {
    /// Whether the instance of the ping is up after this answer.
    #[must_use]
    pub const fn renews(&self, pong: Pong) -> bool {
        match pong {
            Pong::Same => true,
            Pong::Unknown => !self.resettable,
            Pong::Another => false,
        }
    }
}

/// The holder of the id in a 6.x agent's ping. If it is not the agent itself, the agent must register again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pong {
    /// The agent itself. Its instance is up.
    Same,
    /// No process: the id is not assigned in this inventory.
    Unknown,
    /// Another process.
    Another,
}

/// Receives signs of life on behalf of one peer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    register: register::Handle,
}

/// Signs that are processed before other tasks get a turn.
const SIGNS_PER_TURN: usize = 1024;

impl Handle {
    pub(super) fn new(register: register::Handle) -> Self {
        Self { register }
    }

    /// A handle for the calls of `peer`, whose unknown instances count against its own limits.
    #[must_use]
    pub fn for_peer(&self, peer: Option<Peer>) -> Self {
        Self::new(self.register.for_peer(peer))
    }

    /// Records the time of the agent's clock that a call carries, before the call is processed. If the clock was compared, returns
    /// how far it is ahead, in milliseconds. The caller reports that once it knows the instance.
    #[must_use]
    pub fn read_clock(&self, sent_at: Option<Timestamp>) -> Option<i32> {
        self.register.core().read_clock(sent_at)
    }

    /// Records a clock of an instance that differs much from this collector's, and warns if it differs very much.
    pub fn report_clock(&self, instance: InstanceId, skew: Option<i32>) {
        self.register.core().report_clock(instance, skew);
    }

    /// As [`Handle::report_clock`], for an instance that its agent names.
    pub fn report_clock_of(&self, name: InstanceName<'_>, skew: Option<i32>) {
        let core = self.register.core();
        if let Some(instance) = core.instance_named(name) {
            core.report_clock(instance, skew);
        }
    }

    /// Renews the lease of an instance, which is then up. Adopts an instance that the collector does not know.
    ///
    /// Costs one look-up and one atomic store for a known instance.
    ///
    /// # Errors
    /// [`register::Error::NotAnnounced`] and [`register::Error::NotAnInstance`] for an id that the sender cannot have received;
    /// [`register::Error::OtherApplication`] if the sign names an application that the instance does not belong to; for an
    /// unknown instance as [`register::Handle::recover`].
    pub async fn renew(&self, sign: Sign) -> Result<(), register::Error> {
        if self.renew_recorded(sign)? {
            return Ok(());
        }
        Box::pin(self.adopt(vec![sign])).await // rare, so outside of the caller's future
    }

    /// As [`Handle::renew`] for many signs. Unknown instances are adopted together, with few commits.
    ///
    /// # Errors
    /// As [`Handle::renew`], if at least one instance is refused. All other instances are then up.
    pub async fn renew_all(
        &self,
        signs: impl IntoIterator<Item = Sign>,
    ) -> Result<(), register::Error> {
        let mut unknown = HashMap::new();
        let mut refusal = None;
        for (at, sign) in signs.into_iter().enumerate() {
            if at % SIGNS_PER_TURN == SIGNS_PER_TURN - 1 {
                yield_now().await;
            }
            match self.renew_recorded(sign) {
                Ok(true) => {}
                Ok(false) => {
                    unknown.insert(sign.instance, sign);
                }
                Err(error) => refusal = Some(error),
            }
        }
        if !unknown.is_empty() {
            self.adopt(unknown.into_values().collect()).await?;
        }
        refusal.map_or(Ok(()), Err)
    }

    /// Renews the lease of a recorded instance; `false` if it is unknown, or if the sign names an application and the record has
    /// none.
    fn renew_recorded(&self, sign: Sign) -> Result<bool, register::Error> {
        let Sign {
            instance,
            application,
            signal,
        } = sign;
        let core = self.register.core();
        core.admit(instance)?;
        if application.is_none() && core.renew(instance, signal) {
            return Ok(true);
        }
        let recorded = core
            .inventory
            .read_instance(instance, |known| known.application);
        match (recorded, application) {
            (None, _) | (Some(None), Some(_)) => return Ok(false),
            (Some(Some(recorded)), Some(named)) if recorded != named => {
                core.admit_application(instance, named, recorded)?;
            }
            (Some(_), _) => {}
        }
        if core.is_unseen(instance) {
            return Ok(false);
        }
        core.renew_or_grant(instance, signal);
        Ok(true)
    }

    async fn adopt(&self, signs: Vec<Sign>) -> Result<(), register::Error> {
        let (recorded, refusal) = self.register.adopt_instances(signs).await;
        for sign in recorded {
            self.register
                .core()
                .renew_or_grant(sign.instance, sign.signal);
        }
        refusal.map_or(Ok(()), Err)
    }

    /// Renews the lease of a recorded instance. A sign of an unknown instance, or of another process, has no effect and returns
    /// `false`.
    pub fn renew_known(&self, sign: Sign) -> bool {
        let core = self.register.core();
        let Sign {
            instance,
            application,
            signal,
        } = sign;
        if core.admit(instance).is_err() {
            return false;
        }
        let recorded = core
            .inventory
            .read_instance(instance, |known| known.application);
        let is_known = match (recorded, application) {
            (Some(Some(recorded)), Some(named)) if recorded != named => {
                core.admit_application(instance, named, recorded).is_ok()
            }
            (recorded, _) => recorded.is_some(),
        };
        if is_known {
            core.renew_or_grant(instance, signal);
        }
        is_known
    }

    /// Renews the lease of an instance by its names. A keepAlive or a segment, which an agent sends only about itself, registers
    /// an unknown instance. Other telemetry may merely mention an instance, so it has no effect on an unknown one.
    ///
    /// # Errors
    /// If it registers the instance: as [`register::Handle::named`].
    pub async fn renew_named(
        &self,
        name: InstanceName<'_>,
        signal: Signal,
    ) -> Result<(), register::Error> {
        match self.register.core().instance_named(name) {
            Some(instance) => self.register.core().renew_or_grant(instance, signal),
            None if registers(signal) => self.register.named(name, Properties::default()).await?,
            None => {}
        }
        Ok(())
    }

    /// As [`Handle::renew_named`] for many instances. Unknown instances are registered together, with few commits.
    ///
    /// # Errors
    /// As [`register::Handle::named`], if none of the unknown instances could be registered.
    pub async fn renew_all_named(
        &self,
        names: &[InstanceName<'_>],
        signal: Signal,
    ) -> Result<(), register::Error> {
        let mut unknown = HashSet::new();
        for (at, &name) in names.iter().enumerate() {
            if at % SIGNS_PER_TURN == SIGNS_PER_TURN - 1 {
                yield_now().await;
            }
            match self.register.core().instance_named(name) {
                Some(instance) => self.register.core().renew_or_grant(instance, signal),
                None if registers(signal) => {
                    unknown.insert(name);
                }
                None => {}
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let unknown: Vec<_> = unknown.into_iter().collect();
        self.register.all_named(&unknown).await
    }

    /// Processes a ping. An id that was not assigned to this process indicates a lost store, and the agent must register again.
    /// An agent that may not understand that answer keeps the id: the id is adopted, and its instance is up.
    ///
    /// Another collector may have assigned the id since this one last read the store. So an id is reported as unknown only
    /// after a read that began after the ping arrived.
    ///
    /// # Errors
    /// Only for an id that this collector does not know: the store could not be read, or one of the errors of
    /// [`register::Handle::recover`].
    pub async fn ping(&self, ping: Ping<'_>) -> Result<Pong, register::Error> {
        let core = self.register.core();
        if core.admit(ping.instance).is_err() {
            return Ok(Pong::Another);
        }
        let mut pong = self.holder(ping);
        if pong != Pong::Same {
            self.register.read_latest().await?;
            pong = self.holder(ping);
        }
        if pong == Pong::Unknown
            && core
                .inventory
                .read_instance(ping.instance, |_| ())
                .is_none()
        {
            core.listening.observe_unknown_id();
        }
        if ping.renews(pong) {
            let sign = Sign {
                instance: ping.instance,
                application: None,
                signal: Signal::Heartbeat,
            };
            self.renew(sign).await?;
        }
        Ok(pong)
    }

    /// The holder of the id in this collector's inventory.
    fn holder(&self, ping: Ping<'_>) -> Pong {
        let inventory = &self.register.core().inventory;
        let pong = inventory.read_instance(ping.instance, |known| match known.uuid {
            _ if ping.uuid.is_empty() => Pong::Same,
            Some(known) if known == ping.uuid => Pong::Same,
            Some(_) => Pong::Another,
            None => Pong::Unknown,
        });
        pong.unwrap_or(Pong::Unknown)
    }
}

/// Whether an agent sends this signal only about itself, so that an unknown name is registered.
fn registers(signal: Signal) -> bool {
    matches!(signal, Signal::Heartbeat | Signal::TraceSegment)
}
