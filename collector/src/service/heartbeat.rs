//! Signs of life.

use rollcall_domain::{ApplicationId, InstanceId, inventory::Properties, liveness::Signal};

use super::{
    Core,
    register::{self, InstanceName},
};

/// A sign of life of an instance.
#[derive(Clone, Copy, Debug)]
pub struct Sign {
    pub instance: InstanceId,
    /// The application that the instance says it belongs to, where the call tells.
    pub application: Option<ApplicationId>,
    pub signal: Signal,
}

/// What a 6.x agent says every 3 s.
#[derive(Clone, Copy, Debug)]
pub struct Ping<'a> {
    /// The id that it holds.
    pub instance: InstanceId,
    /// What it registered with; empty where it does not tell.
    pub uuid: &'a str,
    /// Whether its agent surely registers again when it is told to.
    pub resettable: bool,
}

/// Whose id a 6.x agent pinged with. Unless it is its own, it is to register again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pong {
    /// Its own. It is up from now on.
    Heard,
    /// One that nobody was given here, as far as is known.
    Unknown,
    /// One that another process was given.
    Another,
}

/// Takes signs of life. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    core: Core,
    register: register::Handle,
}

impl Handle {
    pub(super) fn new(core: Core, register: register::Handle) -> Self {
        Self { core, register }
    }

    /// Renews the lease of an instance: it is up from now on. One that the collector does not know is adopted.
    ///
    /// Costs a look-up and an atomic store, unless the instance is unknown.
    ///
    /// # Errors
    /// Only for an unknown instance: as [`register::Handle::recover`].
    pub async fn renew(&self, sign: Sign) -> Result<(), register::Error> {
        let Sign {
            instance,
            application,
            signal,
        } = sign;
        if application.is_none() && self.core.renew(instance, signal) {
            return Ok(());
        }
        let known = self
            .core
            .inventory
            .read_instance(instance, |known| known.application);
        let tells_something = match known {
            None => true,
            Some(known) => known.is_none() && application.is_some(),
        };
        if tells_something || self.core.is_unheard(instance) {
            self.register.adopt_instance(sign).await?;
        }
        self.core.welcome(instance, signal);
        Ok(())
    }

    /// Renews the lease of an instance that is on record; `false` if it is not.
    pub fn renew_known(&self, instance: InstanceId, signal: Signal) -> bool {
        if self.core.renew(instance, signal) {
            return true;
        }
        let is_known = self
            .core
            .inventory
            .read_instance(instance, |_| ())
            .is_some();
        if is_known {
            self.core.welcome(instance, signal);
        }
        is_known
    }

    /// Renews the lease of an instance by its names. One that is not known is registered by what an agent sends of itself
    /// alone, a keepAlive or a segment; other telemetry may only mention it, and does nothing then.
    ///
    /// # Errors
    /// Only where it registers: as [`register::Handle::named`].
    pub async fn renew_named(
        &self,
        name: InstanceName<'_>,
        signal: Signal,
    ) -> Result<(), register::Error> {
        let registers = matches!(signal, Signal::Heartbeat | Signal::TraceSegment);
        match self.core.instance_named(name) {
            Some(instance) => self.core.welcome(instance, signal),
            None if registers => self.register.named(name, Properties::default()).await?,
            None => {}
        }
        Ok(())
    }

    /// Takes a ping. An id that was not assigned to this process is a sign of a lost store, and its agent is to register
    /// again. One that may not understand that goes on with the id: it is kept from others, and up.
    ///
    /// # Errors
    /// Only for an unknown instance that is adopted: as [`register::Handle::recover`].
    pub async fn ping(&self, ping: Ping<'_>) -> Result<Pong, register::Error> {
        let Ping {
            instance,
            uuid,
            resettable,
        } = ping;
        let pong =
            self.core
                .inventory
                .read_instance(instance, |known| match known.uuid.as_deref() {
                    _ if uuid.is_empty() => Pong::Heard,
                    Some(known) if known == uuid => Pong::Heard,
                    Some(_) => Pong::Another,
                    None => Pong::Unknown,
                });
        let pong = pong.unwrap_or(Pong::Unknown);
        if pong == Pong::Heard || (pong == Pong::Unknown && !resettable) {
            let sign = Sign {
                instance,
                application: None,
                signal: Signal::Heartbeat,
            };
            self.renew(sign).await?;
        }
        Ok(pong)
    }
}
