//! Which face is reached where.

use std::{net::SocketAddr, sync::Arc};

use rollcall_server::{self as server, BindError, Bound, Listening, Stats, face::Names};

use super::Error;
use crate::config::{self, Config, Endpoint};

/// Where each face is reached. Faces with the same endpoint in the configuration share a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Where agents ask for the list of collectors.
    pub naming: SocketAddr,
    /// Where other collectors reach this one.
    pub remote: SocketAddr,
    /// Where agents register over gRPC.
    pub agent_grpc: SocketAddr,
    /// Where agents register over HTTP.
    pub agent_jetty: SocketAddr,
    /// Where people and probes look.
    pub ui: SocketAddr,
    /// Where Nacos clients call, unless that is turned off.
    pub nacos: Option<Nacos>,
}

/// Where the faces of Nacos are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nacos {
    /// HTTP.
    pub http: SocketAddr,
    /// gRPC.
    pub grpc: SocketAddr,
}

/// Ports that are taken, each with the faces that it was taken for. Only the one with the admin face is listened on.
#[derive(Debug)]
pub(super) struct Listeners {
    pub(super) admin: (Faces, Listening),
    others: Vec<(Faces, Bound)>,
    pub(super) addresses: Addresses,
}

/// The faces of one listener.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faces {
    pub(super) naming: bool,
    pub(super) remote: bool,
    pub(super) agent_grpc: bool,
    pub(super) agent_jetty: bool,
    pub(super) ui: bool,
    pub(super) nacos: bool,
    pub(super) nacos_grpc: bool,
}

impl Listeners {
    /// Takes the port of every endpoint once. An endpoint with port 0 is always one of its own.
    pub(super) async fn bind(config: &Config) -> Result<Self, Error> {
        let mut bound = Vec::new();
        let mut nacos = Vec::new();
        let addresses = Addresses {
            nacos: if config.nacos.is_on() {
                Some(bind_nacos(&mut nacos, &config.nacos).await?)
            } else {
                None
            },
            naming: claim(&mut bound, &config.naming.listen, |faces| {
                faces.naming = true
            })
            .await?,
            remote: claim(&mut bound, &config.remote.listen, |faces| {
                faces.remote = true
            })
            .await?,
            agent_grpc: claim(&mut bound, &config.agent_grpc.listen, |faces| {
                faces.agent_grpc = true
            })
            .await?,
            agent_jetty: claim(&mut bound, &config.agent_jetty.listen, |faces| {
                faces.agent_jetty = true
            })
            .await?,
            ui: claim(&mut bound, &config.ui.listen, |faces| faces.ui = true).await?,
        };
        let is_admin = |(_, faces, _): &(_, Faces, _)| faces.ui;
        let admin = bound.iter().position(is_admin).unwrap_or_default();
        let (_, faces, port) = bound.swap_remove(admin);
        let others = bound.into_iter().map(|(_, faces, port)| (faces, port));
        Ok(Self {
            admin: (faces, port.listen()?),
            others: others.chain(nacos).collect(),
            addresses,
        })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.others.len() + 1
    }

    /// The counters of each, by its address.
    pub(super) fn stats(&self) -> Vec<(SocketAddr, Arc<Stats>)> {
        let (_, admin) = &self.admin;
        let others = self.others.iter();
        let others = others.map(|(_, port)| (port.address(), port.stats()));
        others.chain([(admin.address(), admin.stats())]).collect()
    }

    /// Listens on every port.
    pub(super) fn listen(self) -> Result<Vec<(Faces, Listening)>, BindError> {
        let others = self.others.into_iter();
        let mut listening = others
            .map(|(faces, port)| Ok((faces, port.listen()?)))
            .collect::<Result<Vec<_>, _>>()?;
        listening.push(self.admin);
        Ok(listening)
    }
}

/// Takes the ports of the Nacos faces, which share none with other faces.
async fn bind_nacos(
    bound: &mut Vec<(Faces, Bound)>,
    config: &config::Nacos,
) -> Result<Nacos, Error> {
    let mut take = async |endpoint: &Endpoint, faces: Faces, key| {
        let port = server::bind(&endpoint.host, endpoint.port).await;
        let port = port.map_err(|source| Error::Nacos { key, source })?;
        let address = port.address();
        bound.push((faces, port));
        Ok::<_, Error>(address)
    };
    let http = Faces {
        nacos: true,
        ..Faces::default()
    };
    let grpc = Faces {
        nacos_grpc: true,
        ..Faces::default()
    };
    Ok(Nacos {
        http: take(&config.listen, http, "SW_NACOS_PORT").await?,
        grpc: take(&config.grpc(), grpc, "SW_NACOS_GRPC_PORT").await?,
    })
}

/// Adds a face to the listener of `endpoint`, which is bound if this is the first one that asks for it.
async fn claim<'a>(
    bound: &mut Vec<(&'a Endpoint, Faces, Bound)>,
    endpoint: &'a Endpoint,
    claim: impl FnOnce(&mut Faces),
) -> Result<SocketAddr, BindError> {
    let shared = bound
        .iter_mut()
        .find(|(other, ..)| endpoint.is_shared_with(other));
    if let Some((_, faces, listener)) = shared {
        claim(faces);
        return Ok(listener.address());
    }
    let listener = server::bind(&endpoint.host, endpoint.port).await?;
    let (address, mut faces) = (listener.address(), Faces::default());
    claim(&mut faces);
    bound.push((endpoint, faces, listener));
    Ok(address)
}

/// What this collector is called: as it is advertised, where it listens, and as the operator says.
pub(super) fn names(config: &Config) -> Names {
    let own = [
        &config.naming.listen.host,
        &config.agent_grpc.listen.host,
        &config.agent_grpc.advertised.host,
        &config.agent_jetty.listen.host,
        &config.agent_jetty.advertised.host,
        &config.ui.listen.host,
        &config.ui.advertised.host,
        &config.nacos.listen.host,
        &config.nacos.advertised_host,
    ];
    let names = own.into_iter().chain(&config.ui.allowed_hosts);
    Names::new(names.map(String::as_str))
}
