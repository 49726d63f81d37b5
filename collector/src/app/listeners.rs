//! Binds the listeners, and assigns the faces to them.

use std::{io, net::SocketAddr, sync::Arc};

use rollcall_server::{self as server, BindError, Bound, Listening, Stats, face::Names};

use super::Error;
use crate::config::{self, Config, Endpoint};

/// The address of each face. Faces with the same endpoint in the configuration share a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Agents request the list of collectors here.
    pub naming: SocketAddr,
    /// Other collectors connect here.
    pub remote: SocketAddr,
    /// Agents register here over gRPC.
    pub agent_grpc: SocketAddr,
    /// Agents register here over HTTP.
    pub agent_jetty: SocketAddr,
    /// The query API, the probes and the metrics.
    pub ui: SocketAddr,
    /// Nacos clients call here; `None` if the Nacos faces are off.
    pub nacos: Option<Nacos>,
}

/// The addresses of the Nacos faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nacos {
    /// HTTP.
    pub http: SocketAddr,
    /// gRPC.
    pub grpc: SocketAddr,
}

/// Bound ports, each with its faces. Of these, only the port with the admin face listens already.
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
    /// Binds the port of every endpoint once. An endpoint with port 0 always gets a separate port.
    pub(super) async fn bind(config: &Config) -> Result<Self, Error> {
        let mut bound = Vec::new();
        let mut nacos = Vec::new();
        let addresses = Addresses {
            nacos: if config.nacos.is_on() {
                Some(bind_nacos(&mut nacos, &config.nacos).await?)
            } else {
                None
            },
            naming: claim(&mut bound, &config.naming.listen, "naming.jetty", |faces| {
                faces.naming = true
            })
            .await?,
            remote: claim(&mut bound, &config.remote.listen, "remote.gRPC", |faces| {
                faces.remote = true
            })
            .await?,
            agent_grpc: claim(
                &mut bound,
                &config.agent_grpc.listen,
                "agent_gRPC.gRPC",
                |faces| faces.agent_grpc = true,
            )
            .await?,
            agent_jetty: claim(
                &mut bound,
                &config.agent_jetty.listen,
                "agent_jetty.jetty",
                |faces| faces.agent_jetty = true,
            )
            .await?,
            ui: claim(&mut bound, &config.ui.listen, "ui.jetty", |faces| {
                faces.ui = true
            })
            .await?,
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

    /// The number of listeners.
    pub(super) fn count(&self) -> usize {
        self.others.len() + 1
    }

    /// The counters of each listener, by its address.
    pub(super) fn stats(&self) -> Vec<(SocketAddr, Arc<Stats>)> {
        let (_, admin) = &self.admin;
        let others = self.others.iter();
        let others = others.map(|(_, port)| (port.address(), port.stats()));
        others.chain([(admin.address(), admin.stats())]).collect()
    }

    /// Starts to listen on every port.
    pub(super) fn listen(self) -> Result<Vec<(Faces, Listening)>, BindError> {
        let others = self.others.into_iter();
        let mut listening = others
            .map(|(faces, port)| Ok((faces, port.listen()?)))
            .collect::<Result<Vec<_>, _>>()?;
        listening.push(self.admin);
        Ok(listening)
    }
}

/// Binds the ports of the Nacos faces, which share no port with other faces.
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

/// Adds a face to the listener of `endpoint`. The first face of an endpoint binds it.
async fn claim<'a>(
    bound: &mut Vec<(&'a Endpoint, Faces, Bound)>,
    endpoint: &'a Endpoint,
    face: &'static str,
    claim: impl FnOnce(&mut Faces),
) -> Result<SocketAddr, Error> {
    let shared = bound
        .iter_mut()
        .find(|(other, ..)| endpoint.is_shared_with(other));
    if let Some((_, faces, listener)) = shared {
        claim(faces);
        return Ok(listener.address());
    }
    let listener = server::bind(&endpoint.host, endpoint.port).await;
    let listener = listener.map_err(|source| Error::Face { face, source })?;
    let (address, mut faces) = (listener.address(), Faces::default());
    claim(&mut faces);
    bound.push((endpoint, faces, listener));
    Ok(address)
}

/// The advice to the operator if the port of `face` cannot be bound.
pub(super) fn advice(face: &str, error: &BindError) -> String {
    let (module, _) = face.split_once('.').unwrap_or((face, ""));
    let prefix = match module {
        "naming" => "SW_NAMING_JETTY",
        "remote" => "SW_REMOTE_GRPC",
        "agent_gRPC" => "SW_AGENT_GRPC",
        "agent_jetty" => "SW_AGENT_JETTY",
        _ => "SW_UI_JETTY",
    };
    match error.source.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another program uses the port of {face}: stop it, or set another port ({prefix}_PORT)"
        ),
        io::ErrorKind::PermissionDenied => format!(
            "this user may not listen on the port of {face}: set one from 1024 on ({prefix}_PORT), or give the process \
             the capability CAP_NET_BIND_SERVICE"
        ),
        io::ErrorKind::AddrNotAvailable => format!(
            "the host of {face} is not an address of this machine: set one that it has ({prefix}_HOST)"
        ),
        _ => format!(
            "{face} cannot be served: correct its host ({prefix}_HOST) or port ({prefix}_PORT)"
        ),
    }
}

/// The host names of this collector: its listen addresses, its advertised hosts, and those that the configuration allows.
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
    // Faces that are off have an empty advertised host.
    let names = names.filter(|name| !name.is_empty());
    Names::new(names.map(String::as_str))
}
