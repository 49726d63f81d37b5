//! A change of an instance of a Nacos service, as it is stored.

use std::{borrow::Cow, sync::Arc};

use rollcall_domain::catalog::{Endpoint, ServiceKey};
use serde::{Deserialize, Serialize};

use super::is_false;
use crate::event::{ServiceEvent, ServiceInstance};

#[derive(Serialize, Deserialize)]
pub(super) struct ServiceLine {
    /// The kind. The name of the field is part of the format.
    what: Cow<'static, str>,
    namespace: String,
    group: String,
    service: String,
    ip: Arc<str>,
    port: u16,
    cluster: Arc<str>,
    #[serde(default, skip_serializing_if = "is_false")]
    ephemeral: bool,
    publisher: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peer: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<Cow<'static, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Cow<'static, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "is_zero")]
    unrecorded: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl ServiceLine {
    pub(super) fn of(event: &ServiceEvent) -> Self {
        let ServiceInstance { service, endpoint } = &event.instance;
        Self {
            what: event.kind.clone(),
            namespace: service.namespace().to_owned(),
            group: service.group().to_owned(),
            service: service.name().to_owned(),
            ip: Arc::clone(&endpoint.ip),
            port: endpoint.port,
            cluster: Arc::clone(&endpoint.cluster),
            ephemeral: event.is_ephemeral,
            publisher: Arc::clone(&event.publisher),
            peer: event.peer.clone(),
            client: event.client.clone(),
            end: event.connection_end.clone(),
            by: event.by.clone(),
            detail: event.detail.clone(),
            unrecorded: event.unrecorded,
        }
    }

    pub(super) fn event(self) -> Option<ServiceEvent> {
        let service = ServiceKey::new(&self.namespace, &self.group, &self.service).ok()?;
        let endpoint = Endpoint {
            ip: self.ip,
            port: self.port,
            cluster: self.cluster,
        };
        Some(ServiceEvent {
            instance: ServiceInstance { service, endpoint },
            is_ephemeral: self.ephemeral,
            kind: self.what,
            publisher: self.publisher,
            peer: self.peer,
            client: self.client,
            connection_end: self.end,
            by: self.by,
            detail: self.detail,
            unrecorded: self.unrecorded,
        })
    }
}
