//! Binds the listeners, and assigns the faces to them.

use std::{net::SocketAddr, sync::Arc};

use rollcall_server::{self as server, BindError, Bound, Listening, Stats, face::Names};

use super::Error;
use crate::config::{self, Config, Endpoint, overlap};

pub(super) mod advice;

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
    others: Vec<Port>,
    pub(super) addresses: Addresses,
}

/// A bound port with its faces.
#[derive(Debug)]
struct Port {
    /// The module and provider of the face that bound it.
    name: &'static str,
    endpoint: Endpoint,
    faces: Faces,
    bound: Bound,
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

impl Faces {
    /// Whether the port is one for Nacos clients, which is not shared.
    fn is_for_nacos(self) -> bool {
        self.nacos || self.nacos_grpc
    }

    /// The error of a port with these faces that cannot be bound or listened on.
    fn error(self, face: &'static str, source: BindError) -> Error {
        let key = match self {
            Self {
                nacos_grpc: true, ..
            } => "SW_NACOS_GRPC_PORT",
            Self { nacos: true, .. } => "SW_NACOS_PORT",
            _ => return Error::Face { face, source },
        };
        Error::Nacos { key, source }
    }
}

impl Listeners {
    /// Binds the port of every endpoint once. An endpoint with port 0 always gets a separate port.
    pub(super) async fn bind(config: &Config) -> Result<Self, Error> {
        let mut bound = Vec::new();
        let ports = &mut bound;
        let addresses = Addresses {
            nacos: if config.nacos.is_on() {
                Some(bind_nacos(ports, &config.nacos).await?)
            } else {
                None
            },
            naming: claim(ports, &config.naming.listen, "naming.jetty", |faces| {
                faces.naming = true
            })
            .await?,
            remote: claim(ports, &config.remote.listen, "remote.gRPC", |faces| {
                faces.remote = true
            })
            .await?,
            agent_grpc: claim(
                ports,
                &config.agent_grpc.listen,
                "agent_gRPC.gRPC",
                |faces| faces.agent_grpc = true,
            )
            .await?,
            agent_jetty: claim(
                ports,
                &config.agent_jetty.listen,
                "agent_jetty.jetty",
                |faces| faces.agent_jetty = true,
            )
            .await?,
            ui: claim(ports, &config.ui.listen, "ui.jetty", |faces| {
                faces.ui = true
            })
            .await?,
        };
        let admin = bound.iter().position(|port| port.faces.ui);
        let admin = bound.swap_remove(admin.unwrap_or_default());
        Ok(Self {
            admin: admin.listen()?,
            others: bound,
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
        let others = others.map(|port| (port.bound.address(), port.bound.stats()));
        others.chain([(admin.address(), admin.stats())]).collect()
    }

    /// Starts to listen on every port.
    pub(super) fn listen(self) -> Result<Vec<(Faces, Listening)>, Error> {
        let others = self.others.into_iter();
        let mut listening = others.map(Port::listen).collect::<Result<Vec<_>, _>>()?;
        listening.push(self.admin);
        Ok(listening)
    }
}

impl Port {
    fn listen(self) -> Result<(Faces, Listening), Error> {
        let Self {
            name, faces, bound, ..
        } = self;
        match bound.listen() {
            Ok(listening) => Ok((faces, listening)),
            Err(source) => Err(faces.error(name, source)),
        }
    }
}

/// Binds the ports of the Nacos faces.
async fn bind_nacos(ports: &mut Vec<Port>, config: &config::Nacos) -> Result<Nacos, Error> {
    let grpc = config.grpc();
    let http = claim(ports, &config.listen, "nacos.default", |faces| {
        faces.nacos = true
    });
    Ok(Nacos {
        http: http.await?,
        grpc: claim(ports, &grpc, "nacos.default", |faces| {
            faces.nacos_grpc = true
        })
        .await?,
    })
}

/// Adds a face to the listener of `endpoint`. The first face of an endpoint binds it. A port for Nacos clients has one face.
async fn claim(
    ports: &mut Vec<Port>,
    endpoint: &Endpoint,
    face: &'static str,
    claim: impl FnOnce(&mut Faces),
) -> Result<SocketAddr, Error> {
    let mut faces = Faces::default();
    let shared = ports
        .iter_mut()
        .find(|port| !port.faces.is_for_nacos() && endpoint.is_shared_with(&port.endpoint));
    if let Some(port) = shared {
        claim(&mut port.faces);
        return Ok(port.bound.address());
    }
    claim(&mut faces);
    let bound = server::bind(&endpoint.host, endpoint.port).await;
    let bound = bound.map_err(|source| faces.error(face, source))?;
    let address = bound.address();
    // The system lets a process bind overlapping addresses; only the second of them cannot listen.
    let mut others = ports.iter();
    let same = others.find(|port| {
        let other = port.bound.address();
        other.port() == address.port() && overlap(other.ip(), address.ip())
    });
    if let Some(other) = same {
        let is_shareable = !faces.is_for_nacos() && !other.faces.is_for_nacos();
        let hosts = [(face, &endpoint.host), (other.name, &other.endpoint.host)];
        return Err(Error::SameAddress {
            hosts: hosts.map(|(face, host)| format!("{face}.host ({host})")),
            address,
            advice: same_address(is_shareable),
        });
    }
    ports.push(Port {
        name: face,
        endpoint: endpoint.clone(),
        faces,
        bound,
    });
    Ok(address)
}

/// The advice for two faces with one address under two names.
pub(crate) fn same_address(is_shareable: bool) -> &'static str {
    if is_shareable {
        "write the same host for both, so that they share it"
    } else {
        "set another port for one of them, because the ports for Nacos clients cannot be shared"
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The message for a configuration in which these two faces have one free port at these hosts.
    async fn refusal(hosts: [&str; 2], endpoints: fn(&mut Config) -> [&mut Endpoint; 2]) -> String {
        let free = server::bind("127.0.0.1", 0).await.unwrap();
        let port = free.address().port();
        drop(free);
        let mut config = Config::for_test(std::path::Path::new("data"));
        for (listen, host) in endpoints(&mut config).into_iter().zip(hosts) {
            let host = host.to_owned();
            *listen = Endpoint { host, port };
        }
        Listeners::bind(&config).await.unwrap_err().to_string()
    }

    /// Both can be bound, so this is noticed before the second one cannot listen.
    #[tokio::test]
    async fn one_address_under_two_names_is_an_error_with_both_keys() {
        let error = refusal(["localhost", "127.0.0.1"], |config| {
            [&mut config.remote.listen, &mut config.agent_grpc.listen]
        });
        let error = error.await;
        for text in [
            "agent_gRPC.gRPC.host (127.0.0.1)",
            "remote.gRPC.host (localhost)",
            "write the same host",
        ] {
            assert!(error.contains(text), "{error}");
        }
    }

    #[tokio::test]
    async fn a_port_for_nacos_clients_is_not_shared_under_another_name() {
        for hosts in [["localhost", "127.0.0.1"], ["127.0.0.1", "localhost"]] {
            let error = refusal(hosts, |config| {
                [&mut config.nacos.listen, &mut config.naming.listen]
            });
            let error = error.await;
            let [nacos, naming] = hosts;
            for text in [
                &format!("naming.jetty.host ({naming})"),
                &format!("nacos.default.host ({nacos})"),
                "set another port",
            ] {
                assert!(error.contains(text), "{error}");
            }
        }
    }
}
