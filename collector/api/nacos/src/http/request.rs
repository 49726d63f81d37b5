//! A call as the handlers see it: its parameters, its caller, and the names in it.

use std::{borrow::Cow, net::IpAddr};

use axum::http::{HeaderMap, Method, header::USER_AGENT};
use rollcall_domain::catalog::{Clusters, DEFAULT_CLUSTER, DEFAULT_GROUP, Endpoint, ServiceKey};

use super::{
    fault::{Fault, Generation},
    params::Params,
};
use crate::{
    MAX_CLUSTERS,
    agent::Agent,
    auth::{ALL, Credentials},
};

/// The longest `User-Agent` that is kept. Header texts are ASCII.
const MAX_AGENT: usize = 128;
/// The longest name of an application.
const MAX_APP: usize = 128;

/// The services that a call reads or changes. Its handler and the check of rights take their names from the same function of the
/// request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touches {
    /// The service that its parameters name: [`Request::service`].
    Service,
    /// The service in its key: [`Request::keyed_service`].
    KeyedService,
    /// The services of a group, or of all groups: [`Request::listed_group`].
    Group,
    /// The services of all groups of its namespace: [`Request::namespace`].
    Namespace,
    /// The services of all groups of one namespace, or of all: [`Request::listed_namespace`].
    Namespaces,
}

/// One call.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) generation: Generation,
    pub(super) method: &'a Method,
    /// The rest of the path, for routes that end with a parameter.
    pub(super) rest: &'a str,
    pub(super) params: Params<'a>,
    pub(super) headers: &'a HeaderMap,
    /// The address that the call came from, if the listener reported it.
    pub(super) peer: Option<IpAddr>,
    pub(super) now_millis: i64,
}

impl<'a> Request<'a> {
    /// The time of the call, in seconds since 1970.
    pub(super) fn now_seconds(&self) -> u64 {
        u64::try_from(self.now_millis / 1000).unwrap_or_default()
    }

    /// The user agent of the client, cut to [`MAX_AGENT`] bytes.
    pub(super) fn agent_text(&self) -> &'a str {
        let header = |name: &str| self.headers.get(name)?.to_str().ok();
        header(USER_AGENT.as_str())
            .filter(|agent| !agent.is_empty())
            .or_else(|| header("client-version"))
            .map_or("", |agent| agent.get(..MAX_AGENT).unwrap_or(agent))
    }

    pub(super) fn agent(&self) -> Agent {
        Agent::parse(self.agent_text())
    }

    /// The credentials of the call.
    pub(super) fn credentials(&self) -> Credentials<'_> {
        Credentials {
            authorization: self
                .headers
                .get("authorization")
                .and_then(|value| value.to_str().ok()),
            access_token: self.params.get("accessToken"),
            username: self.params.get("username"),
            password: Some(self.params.raw("password")),
        }
    }

    /// The namespace; blank stands for `public`.
    pub(super) fn namespace(&self) -> &str {
        self.params.text("namespaceId")
    }

    /// The service and its group. A group in `group@@name` has precedence over `groupName`. v1 also reads the old parameter `dom`.
    pub(super) fn service(&self) -> Result<ServiceKey, Fault> {
        let (group, name) = self.fold(self.service_name()?)?;
        Ok(ServiceKey::new(self.namespace(), group, name)?)
    }

    /// The service in the key of the call, `namespace##group@@name`: a parameter in v1, the end of the path in later generations.
    pub(super) fn keyed_service(&self) -> Result<ServiceKey, Fault> {
        let rest = super::params::decoded(self.rest);
        let text = match self.generation {
            Generation::V1 => self.params.required("key")?,
            Generation::V2 | Generation::V3 => &*rest,
        };
        let (namespace, service) = text.split_once("##").unwrap_or(("", text));
        let (group, name) = crate::render::split(service, "");
        Ok(ServiceKey::new(namespace, group, name)?)
    }

    /// The group whose services a call lists; `None` stands for all groups, which the call names `*`.
    pub(super) fn listed_group(&self) -> Option<&str> {
        let group = self.params.get("groupName").unwrap_or(DEFAULT_GROUP);
        (group != ALL).then_some(group)
    }

    /// The namespace whose services a call lists; `None` stands for all namespaces, if the call names none.
    pub(super) fn listed_namespace(&self) -> Option<&str> {
        self.params.get("namespaceId")
    }

    /// The namespace and the group of the services that the call reads or changes; [`ALL`] stands for all of them.
    pub(super) fn touched(&self, touches: Touches) -> Result<(Cow<'_, str>, Cow<'_, str>), Fault> {
        let of = |key: ServiceKey| {
            (
                Cow::Owned(key.namespace().to_owned()),
                Cow::Owned(key.group().to_owned()),
            )
        };
        Ok(match touches {
            Touches::Service => of(self.service()?),
            Touches::KeyedService => of(self.keyed_service()?),
            Touches::Group => {
                let group = self.listed_group().unwrap_or(ALL);
                (self.namespace().into(), group.into())
            }
            Touches::Namespace => (self.namespace().into(), ALL.into()),
            Touches::Namespaces => {
                let namespace = self.listed_namespace().unwrap_or(ALL);
                (namespace.into(), ALL.into())
            }
        })
    }

    fn service_name(&self) -> Result<&str, Fault> {
        match self.params.get("serviceName").or(self.params.get("dom")) {
            Some(name) => Ok(name),
            None => self.params.required("serviceName"),
        }
    }

    fn fold<'b>(&'b self, name: &'b str) -> Result<(&'b str, &'b str), Fault> {
        match name.split_once("@@") {
            None => Ok((self.params.text("groupName"), name)),
            Some(("", _)) => Err(Fault::EmptyGroup),
            Some((_, "")) => Err(Fault::ServiceFormat),
            Some(both) => Ok(both),
        }
    }

    /// The cluster: `clusterName`, or else `cluster`.
    pub(super) fn cluster(&self) -> &str {
        self.params
            .get("clusterName")
            .or(self.params.get("cluster"))
            .unwrap_or(DEFAULT_CLUSTER)
    }

    /// The clusters that a consumer requests, as it wrote them.
    pub(super) fn clusters(&self) -> Result<Clusters, Fault> {
        Ok(Clusters::new(self.params.short("clusters", MAX_CLUSTERS)?))
    }

    /// The clusters of a list of 2.x and 3.x, from the parameters of [`Request::cluster`], which may name several clusters here.
    pub(super) fn listed_clusters(&self) -> Result<Clusters, Fault> {
        for name in ["clusterName", "cluster"] {
            self.params.short(name, MAX_CLUSTERS)?;
        }
        Ok(Clusters::new(self.cluster()))
    }

    /// The application that the client belongs to.
    pub(super) fn app(&self) -> Result<Option<&str>, Fault> {
        let app = self.params.short("app", MAX_APP)?;
        Ok((!app.is_empty()).then_some(app))
    }

    /// The endpoint of an instance.
    pub(super) fn endpoint(&self) -> Result<Endpoint, Fault> {
        let ip = self.params.required("ip")?;
        let port = self.params.required_port()?;
        Ok(Endpoint::new(ip, port, self.cluster())?)
    }
}
