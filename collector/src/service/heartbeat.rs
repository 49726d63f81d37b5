//! Signs of life.

use rollcall_domain::{ApplicationId, InstanceId, liveness::Signal};

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
    pub instance: InstanceId,
    /// What it registered with; empty where it does not tell.
    pub uuid: &'a str,
    /// Whether its agent surely registers again when it is told to.
    pub resettable: bool,
}

/// What a 6.x agent is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pong {
    /// It is known, and up from now on.
    Heard,
    /// The id was not assigned to this process: it is to register again.
    Reset,
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
        if tells_something {
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

    /// Renews the lease of an instance that is on record under these names; `false` if there is none.
    pub fn renew_named(&self, name: InstanceName<'_>, signal: Signal) -> bool {
        self.core
            .instance_named(name)
            .is_some_and(|instance| self.renew_known(instance, signal))
    }

    /// Takes a ping. An id that is not known, or is another process's, is a sign of a lost store: its agent is to register
    /// again. One that may not understand that goes on with the id that it has, so nobody else must be given it: it is
    /// adopted, and the next ping finds it known.
    ///
    /// # Errors
    /// Only for an unknown instance that is adopted: as [`register::Handle::recover`].
    pub async fn ping(&self, ping: Ping<'_>) -> Result<Pong, register::Error> {
        let Ping {
            instance,
            uuid,
            resettable,
        } = ping;
        let is_its_own = self.core.inventory.read_instance(instance, |known| {
            let known = known.uuid.as_deref();
            uuid.is_empty() || known.is_none_or(|known| known == uuid)
        });
        let sign = Sign {
            instance,
            application: None,
            signal: Signal::Heartbeat,
        };
        match is_its_own {
            Some(true) => self.renew(sign).await.map(|()| Pong::Heard),
            None if !resettable => self.renew(sign).await.map(|()| Pong::Reset),
            Some(false) | None => Ok(Pong::Reset),
        }
    }
}
