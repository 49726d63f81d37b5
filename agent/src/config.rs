//! Merges the builder, the environment and a file into one checked [`Config`].
//!
//! Precedence, key by key: builder, environment, file, default. A blank value in the environment or the file counts as not set.
//! All mistakes are reported together.

use std::{collections::BTreeMap, fmt, time::Duration};

use http::HeaderValue;

use crate::{Problem, collector::Keepalive, peer::Peer, random, tls::Tls};

pub(crate) mod key;
pub(crate) mod properties;
mod reading;
mod secure;

use key::Key;
use reading::Reading;

/// Application codes and UUIDs may be this long; upstream stores them in 255 characters.
const MAX_NAME_BYTES: usize = 255;

/// The longest period or deadline that a setting may have.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The checked settings of an agent.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) application_code: String,
    pub(crate) instance_uuid: String,
    pub(crate) collectors: Collectors,
    pub(crate) authentication: Option<Authentication>,
    /// `None` if all connections are plaintext.
    pub(crate) tls: Option<Tls>,
    pub(crate) discovery_interval: Duration,
    pub(crate) discovery_timeout: Duration,
    pub(crate) channel_interval: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) keepalive: Keepalive,
    pub(crate) register_interval: Duration,
    pub(crate) heartbeat_after: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) operation_limit: usize,
    pub(crate) address_limit: usize,
}

/// The source of the list of collectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Collectors {
    /// Naming servers, queried periodically.
    Discovered { servers: Vec<Peer>, path: String },
    /// A fixed list.
    Direct(Vec<Peer>),
}

/// The token that is sent with every call. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Authentication(pub(crate) HeaderValue);

impl Config {
    /// The TLS settings for connections to this naming server; `None` if its address does not require TLS.
    pub(crate) fn tls_of(&self, server: &Peer) -> Option<&Tls> {
        self.tls.as_ref().filter(|_| server.is_secure())
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authentication(***)")
    }
}

/// The settings of the builder. A setting that is absent or `None` here comes from the environment or the file, or is the default.
#[derive(Clone, Default)]
pub(crate) struct BuilderSettings {
    /// The settings that have a key. They are kept as text, because they are checked like the settings of a file.
    pub(crate) texts: BTreeMap<Key, String>,
    /// The periods and deadlines, which may be finer than the whole seconds of a key.
    pub(crate) durations: BTreeMap<Key, Duration>,
    pub(crate) discovery_timeout: Option<Duration>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) keepalive_interval: Option<Duration>,
    pub(crate) keepalive_timeout: Option<Duration>,
}

impl fmt::Debug for BuilderSettings {
    /// Prints the names of the settings only, because one of the values is the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.texts.keys())
            .entries(self.durations.keys())
            .finish()
    }
}

/// Merges the layers.
///
/// # Errors
///
/// All mistakes, including `problems`, which were found before this call. A value that a stronger layer overrides is not checked.
pub(crate) fn resolve(
    given: &BuilderSettings,
    environment: &BTreeMap<String, String>,
    file: &properties::File,
    problems: Vec<Problem>,
) -> Result<Config, Vec<Problem>> {
    let mut read = Reading::new(given, environment, file, problems);
    let config = Config {
        application_code: read.application_code().unwrap_or_default(),
        instance_uuid: read
            .name(Key::InstanceUuid)
            .unwrap_or_else(random::instance_uuid),
        collectors: read.collectors(),
        authentication: read.authentication(),
        tls: read.tls(),
        discovery_interval: read.duration(Key::DiscoveryInterval, 60),
        discovery_timeout: read.given_duration("discovery_timeout", given.discovery_timeout, 2),
        channel_interval: read.duration(Key::ChannelInterval, 30),
        connect_timeout: read.given_duration("connect_timeout", given.connect_timeout, 2),
        keepalive: Keepalive {
            interval: read.given_duration("keepalive_interval", given.keepalive_interval, 24),
            timeout: read.given_duration("keepalive_timeout", given.keepalive_timeout, 5),
        },
        register_interval: read.duration(Key::RegisterInterval, 3),
        heartbeat_after: read.duration(Key::HeartbeatAfter, 60),
        call_timeout: read.duration(Key::CallTimeout, 10),
        operation_limit: read.count(Key::OperationLimit, 100_000),
        address_limit: read.count(Key::AddressLimit, 100_000),
    };
    read.secure(&config);
    if config.application_code.is_empty() {
        read.missing(&[Key::ApplicationCode]);
    }
    read.finish(config)
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod tests;
