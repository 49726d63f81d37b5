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
        let told_more = sign.application.is_some()
            && self
                .core
                .inventory
                .read_instance(sign.instance, |i| i.application.is_none())
                == Some(true);
        if self.core.renew(sign.instance, sign.signal) && !told_more {
            return Ok(());
        }
        self.register
            .adopt_instance(sign.instance, sign.application)
            .await?;
        self.core.welcome(sign.instance, sign.signal);
        Ok(())
    }
}
