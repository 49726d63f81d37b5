//! Signs of life.

use rollcall_domain::{ApplicationId, InstanceId, liveness::Signal};

use super::{Core, register};

/// A sign of life of an instance.
#[derive(Clone, Copy, Debug)]
pub struct Sign {
    pub instance: InstanceId,
    /// The application that the instance says it belongs to, where the call tells.
    pub application: Option<ApplicationId>,
    pub signal: Signal,
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
}
