//! The rights that a naming request needs.
//!
//! The handlers take the names of services from the functions of this module, so that rights are checked for exactly the names that
//! they use.

use std::borrow::Cow;

use rollcall_domain::catalog::ServiceKey;

use super::{refusals, watch};
use crate::{
    auth::{ALL, Action, Credentials, Denied},
    grpc::{
        answer::{Refusal, code},
        check,
        connection::Connection,
        envelope::Envelope,
        face::Face,
        kind::Naming,
        request::NamingRequest,
    },
};

impl Face {
    /// Refuses a caller without the right.
    pub(super) async fn allow(
        &self,
        connection: &Connection,
        naming: Naming,
        request: &NamingRequest<'_>,
        envelope: &Envelope,
    ) -> Result<(), Refusal> {
        if !self.auth.is_on() {
            return Ok(());
        }
        let credentials = Credentials {
            authorization: envelope.header("Authorization"),
            access_token: envelope.header("accessToken"),
            username: envelope.header("username"),
            password: envelope.header("password"),
        };
        let denied = |denied: Denied| Refusal::new(code::DENIED, denied.to_string());
        let now = u64::try_from(self.catalog.wall().millis() / 1000).unwrap_or(0);
        let peer = connection.transport().remote.ip().to_canonical();
        let caller = self.auth.identify(Some(peer), credentials, now);
        let caller = caller.await.map_err(denied)?;
        let action = if naming.is_write() {
            Action::Write
        } else {
            Action::Read
        };
        let touched = touched(naming, request)?;
        let allowed = caller.check(action, &touched.namespace, &touched.group);
        allowed.map_err(denied)
    }
}

/// The services that a request reads or changes: those of a namespace in one group, or in [`ALL`].
struct Touched<'a> {
    namespace: Cow<'a, str>,
    group: Cow<'a, str>,
}

/// The names for which rights are checked, as the handler uses them.
fn touched<'a>(naming: Naming, request: &'a NamingRequest<'_>) -> Result<Touched<'a>, Refusal> {
    Ok(match naming {
        Naming::Instance
        | Naming::BatchInstance
        | Naming::PersistentInstance
        | Naming::ServiceQuery
        | Naming::Subscribe => {
            let key = key_of(request)?;
            Touched {
                namespace: key.namespace().to_owned().into(),
                group: key.group().to_owned().into(),
            }
        }
        Naming::ServiceList => Touched {
            namespace: (&*request.namespace).into(),
            group: listed_group(request).unwrap_or(ALL).into(),
        },
        Naming::FuzzyWatch => {
            let pattern = watch::pattern_of(request)?;
            Touched {
                namespace: pattern.namespace().to_owned().into(),
                group: pattern.exact_group().unwrap_or(ALL).to_owned().into(),
            }
        }
    })
}

/// The service that a request names.
pub(super) fn key_of(request: &NamingRequest<'_>) -> Result<ServiceKey, Refusal> {
    check::present(request)?;
    let key = ServiceKey::new(
        &request.namespace,
        &request.group_name,
        &request.service_name,
    );
    key.map_err(|invalid| refusals::name(&invalid))
}

/// The group whose services a request lists; `None` stands for all groups.
pub(super) fn listed_group<'a>(request: &'a NamingRequest<'_>) -> Option<&'a str> {
    (!request.group_name.is_empty()).then_some(&*request.group_name)
}
