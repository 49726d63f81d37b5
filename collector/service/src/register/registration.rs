//! Commits registrations that another collector forwards.

use std::{sync::Arc, time::Duration};

use rollcall_domain::{
    InstanceId,
    inventory::{NewInstance, OperationKey, Properties, Proposal, proposal},
    liveness::{Signal, State},
};
use rollcall_storage::LastSeen;

use super::{Error, Handle, SERVICE, named, rates::Kind};

/// A key whose id is not known yet, with the values that its agent reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// The code of an application.
    Application(Arc<str>),
    /// An instance with an agent up to 7.0.
    Instance(NewInstance),
    /// An instance with an agent of 8.0 or later. Its registration includes its application.
    Named {
        /// The name of the service, which is the code of its application.
        service: Arc<str>,
        /// The name of the instance within the service.
        instance: Arc<str>,
        /// The properties of the process; empty if the agent sent none.
        properties: Properties,
    },
    /// An operation of an application.
    Operation(OperationKey),
    /// A network address.
    Address(Arc<str>),
}

/// Registrations of another collector that this one refuses.
#[derive(Debug)]
pub struct Rejected {
    /// The number of refused registrations.
    pub count: usize,
    /// The reason for the first of them.
    pub reason: Error,
}

impl Handle {
    /// Assigns ids to registrations that another collector forwards. Returns those that this collector refuses.
    ///
    /// This collector commits them itself and never forwards them. The agents are connected to other collectors, so an instance
    /// is up with a relayed lease, not with this collector's own evidence.
    ///
    /// # Errors
    /// As [`Handle::application`]. Some of the registrations may still have got an id.
    pub async fn commit(
        &self,
        registrations: Vec<Registration>,
    ) -> Result<Option<Rejected>, Error> {
        let requested = registrations.len();
        let mut usable = registrations;
        let mut invalid = None;
        usable.retain(|registration| {
            let fault = self.check_keys(registration).err();
            let is_valid = fault.is_none();
            invalid = invalid.take().or(fault);
            is_valid
        });
        for registration in &mut usable {
            if let Registration::Instance(NewInstance { properties, .. })
            | Registration::Named { properties, .. } = registration
            {
                self.fit(properties);
            }
        }
        let new = usable.len();
        usable.retain(|registration| {
            !registration.returns_id() || !self.shared.core.listening.refuses(1)
        });
        let is_listening = usable.len() < new;
        let granted = self.allowance(Kind::Relayed, usable.len());
        let is_limited = granted < usable.len();
        usable.truncate(granted);
        let assigned = self.shared.queue.propose(self.due(), move |proposal| {
            let (mut assigned, mut refusal) = (Vec::new(), None);
            for registration in &usable {
                match registration.propose(proposal) {
                    Ok(instance) => assigned.push(instance),
                    Err(error) => refusal = refusal.or(Some(error)),
                }
            }
            Ok((assigned, refusal))
        });
        let (assigned, refusal) = assigned.await?;
        for instance in assigned.iter().flatten() {
            self.record_registration(*instance);
        }
        if is_limited {
            return Err(Error::PeerLimit);
        }
        if is_listening {
            return Err(Error::Listening);
        }
        let reason = invalid.or(refusal.map(Error::from));
        let count = requested - assigned.len();
        Ok(reason.map(|reason| Rejected { count, reason }))
    }

    fn check_keys(&self, registration: &Registration) -> Result<(), Error> {
        match registration {
            Registration::Application(code) => self.check("application code", code),
            Registration::Instance(process) => self.check("agent UUID", &process.uuid),
            Registration::Named {
                service, instance, ..
            } => {
                self.check(SERVICE, service)?;
                self.check("service instance", instance)
            }
            Registration::Operation(key) => self.check("service name", &key.name),
            Registration::Address(address) => self.check("network address", address),
        }
    }

    fn record_registration(&self, instance: InstanceId) {
        self.shared.core.relay(LastSeen {
            instance,
            last_seen: self.shared.core.clock.wall(),
            signal: Signal::Register,
            state: State::Up,
            usual: Duration::ZERO,
            forgotten: false,
            observer: None,
        });
    }
}

impl Registration {
    /// Whether the agent receives the id.
    pub(super) const fn returns_id(&self) -> bool {
        !matches!(self, Self::Named { .. })
    }

    /// Adds the registration to a batch. Returns the id if it is an instance.
    fn propose(&self, proposal: &mut Proposal<'_>) -> Result<Option<InstanceId>, proposal::Error> {
        match self {
            Self::Application(code) => proposal.application(code).map(|_| None),
            Self::Instance(process) => proposal.instance(process.clone()).map(Some),
            Self::Named {
                service,
                instance,
                properties,
            } => named::propose(proposal, service, instance, properties).map(Some),
            Self::Operation(key) => proposal.operation(key.clone()).map(|_| None),
            Self::Address(address) => proposal.address(address).map(|_| None),
        }
    }
}
