//! The connection to one endpoint, and the order in which endpoints are tried.

use std::{fs, path::Path, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rollcall_secret::Secret;
use tonic::{
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{Config, ConfigError};

/// The channel of the calls.
pub(super) type Link = Channel;
/// The authentication token.
pub(super) type Token = MetadataValue<Ascii>;

/// The timeout for connecting to one endpoint.
const CONNECT: Duration = Duration::from_secs(1);
/// A connection that is idle for this long is pinged. etcd closes a connection that is pinged more often than every 5 s while it has
/// nothing to send (`--grpc-keepalive-min-time`).
const PING: Duration = Duration::from_secs(6);
/// A connection is closed if the answer to a ping takes longer.
const PONG: Duration = Duration::from_secs(2);

/// The connection to the current endpoint.
#[derive(Debug)]
pub(super) struct Connection {
    endpoints: Vec<(Arc<str>, Endpoint)>,
    user: String,
    password: Secret,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of moves to the next endpoint.
    moves: usize,
    link: Option<Link>,
    token: Option<Token>,
}

/// The current endpoint.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) endpoint: Arc<str>,
    pub(super) link: Link,
    pub(super) token: Option<Token>,
    moves: usize,
}

impl Connection {
    pub(super) fn new(config: &Config) -> Result<Self, ConfigError> {
        let tls = tls(config)?;
        let endpoints = config.endpoints.iter();
        let endpoints = endpoints
            .map(|endpoint| Ok((endpoint.as_str().into(), connector(endpoint, tls.as_ref())?)));
        Ok(Self {
            endpoints: endpoints.collect::<Result<_, ConfigError>>()?,
            user: config.user.clone(),
            password: config.password.clone(),
            state: Mutex::default(),
        })
    }

    /// The number of endpoints.
    pub(super) fn endpoints(&self) -> usize {
        self.endpoints.len()
    }

    /// The current endpoint; `None` if none is configured.
    pub(super) fn current(&self) -> Option<Target> {
        let mut state = self.state.lock();
        let at = state.moves.checked_rem(self.endpoints.len())?;
        let (endpoint, connector) = self.endpoints.get(at)?;
        let link = state.link.get_or_insert_with(|| connector.connect_lazy());
        Some(Target {
            endpoint: Arc::clone(endpoint),
            link: link.clone(),
            token: state.token.clone(),
            moves: state.moves,
        })
    }

    /// Moves to the next endpoint, unless another call has already left this one.
    pub(super) fn leave(&self, target: &Target) {
        let mut state = self.state.lock();
        if state.moves == target.moves {
            state.moves = state.moves.wrapping_add(1);
            state.link = None;
        }
    }

    /// Name and password, if configured.
    pub(super) fn credentials(&self) -> Option<(&str, &str)> {
        (!self.user.is_empty()).then_some((&self.user, self.password.expose()))
    }

    pub(super) fn remember(&self, token: Option<Token>) {
        self.state.lock().token = token;
    }
}

fn connector(name: &str, tls: Option<&ClientTlsConfig>) -> Result<Endpoint, ConfigError> {
    let unusable = |reason: String| ConfigError::Endpoint {
        endpoint: name.to_owned(),
        reason,
    };
    let url = match (name.contains("://"), tls) {
        (true, _) => name.to_owned(),
        (false, None) => format!("http://{name}"),
        (false, Some(_)) => format!("https://{name}"),
    };
    if url.starts_with("https://") && tls.is_none() {
        return Err(unusable("https needs a ca_file".to_owned()));
    }
    let endpoint = Endpoint::from_shared(url).map_err(|error| unusable(error.to_string()))?;
    let endpoint = match tls {
        Some(tls) => endpoint
            .tls_config(tls.clone())
            .map_err(|error| unusable(error.to_string()))?,
        None => endpoint,
    };
    Ok(endpoint
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true))
}

fn tls(config: &Config) -> Result<Option<ClientTlsConfig>, ConfigError> {
    if config.ca_file.as_os_str().is_empty() {
        return Ok(None);
    }
    let authority = Certificate::from_pem(read(&config.ca_file)?);
    let tls = ClientTlsConfig::new().ca_certificate(authority);
    if config.cert_file.as_os_str().is_empty() {
        return Ok(Some(tls));
    }
    let identity = Identity::from_pem(read(&config.cert_file)?, read(&config.key_file)?);
    Ok(Some(tls.identity(identity)))
}

/// The files that cannot be read or have the wrong contents, by key.
pub(super) fn unusable_files(config: &Config) -> Vec<(&'static str, String)> {
    let files = [
        ("ca_file", &config.ca_file, "CERTIFICATE-----"),
        ("cert_file", &config.cert_file, "CERTIFICATE-----"),
        ("key_file", &config.key_file, "PRIVATE KEY-----"),
    ];
    let configured = files
        .into_iter()
        .filter(|(_, path, _)| !path.as_os_str().is_empty());
    let unusable = configured.filter_map(|(key, path, mark)| {
        let message = match read(path) {
            Err(error) => error.to_string(),
            Ok(bytes) if String::from_utf8_lossy(&bytes).contains(mark) => return None,
            Ok(_) => {
                let what = mark.trim_end_matches('-').to_ascii_lowercase();
                format!("{} holds no {what} in PEM format", path.display())
            }
        };
        Some((key, message))
    });
    unusable.collect()
}

fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let path = path.to_owned();
    fs::read(&path).map_err(|error| ConfigError::File { path, error })
}
