//! Configures and starts an agent.

use std::{
    collections::BTreeMap,
    env, fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    Agent,
    config::{self, BuilderSettings, Config, key::Key, properties},
    file,
    problem::{Origin, Problem},
    shared::Shared,
    worker,
};

/// Collects the settings of an agent, and starts it.
///
/// A setting comes from the builder; if it is not set there, from the environment; else from the [file](Self::config_file), if
/// one is named; else it has its default:
///
/// | Builder | Environment | File | Default |
/// |---|---|---|---|
/// | [`Agent::builder`] | `SW_AGENT_NAME` | `agent.application_code` (`agent.service_name`) | required |
/// | [`collectors`](Self::collectors) | `SW_AGENT_COLLECTOR_SERVERS` | `collector.servers` | this one or the next is required |
/// | [`direct_collectors`](Self::direct_collectors) | `SW_AGENT_COLLECTOR_DIRECT_SERVERS` (`SW_AGENT_COLLECTOR_BACKEND_SERVICES`) | `collector.direct_servers` (`collector.backend_service`) | |
/// | [`namespace`](Self::namespace) | `SW_AGENT_NAMESPACE` | `agent.namespace` | none |
/// | [`cluster`](Self::cluster) | `SW_AGENT_CLUSTER` | `agent.cluster` | none |
/// | [`instance_name`](Self::instance_name) or [`instance_uuid`](Self::instance_uuid) | `SW_AGENT_INSTANCE_UUID` (`SW_AGENT_INSTANCE_NAME`) | `agent.instance_uuid` (`agent.instance_name`) | 32 random hexadecimal digits |
/// | [`authentication`](Self::authentication) | `SW_AGENT_AUTHENTICATION` | `agent.authentication` | none |
/// | [`discovery_path`](Self::discovery_path) | `SW_AGENT_COLLECTOR_DISCOVERY_SERVICE_NAME` | `collector.discovery_service_name` | `/agent/gRPC` |
/// | [`discovery_interval`](Self::discovery_interval) | `SW_AGENT_COLLECTOR_DISCOVERY_CHECK_INTERVAL` | `collector.discovery_check_interval` | 60 s |
/// | [`channel_interval`](Self::channel_interval) | `SW_AGENT_COLLECTOR_GRPC_CHANNEL_CHECK_INTERVAL` | `collector.grpc_channel_check_interval` | 30 s |
/// | [`register_interval`](Self::register_interval) | `SW_AGENT_COLLECTOR_APP_AND_SERVICE_REGISTER_CHECK_INTERVAL` | `collector.app_and_service_register_check_interval` | 3 s |
/// | [`heartbeat_after`](Self::heartbeat_after) | `SW_AGENT_COLLECTOR_HEARTBEAT_PERIOD` | `collector.heartbeat_period` | 60 s |
/// | [`call_timeout`](Self::call_timeout) | `SW_AGENT_COLLECTOR_GRPC_UPSTREAM_TIMEOUT` | `collector.grpc_upstream_timeout` | 10 s |
/// | [`operation_limit`](Self::operation_limit) | `SW_AGENT_DICTIONARY_OPERATION_NAME_BUFFER_SIZE` | `dictionary.operation_name_buffer_size` (`dictionary.endpoint_name_buffer_size`) | 100,000 |
/// | [`address_limit`](Self::address_limit) | `SW_AGENT_DICTIONARY_APPLICATION_CODE_BUFFER_SIZE` | `dictionary.application_code_buffer_size` (`dictionary.service_code_buffer_size`) | 100,000 |
/// | [`trusted_ca`](Self::trusted_ca) | `SW_AGENT_SSL_TRUSTED_CA_PATH` | `agent.ssl_trusted_ca_path` | no TLS |
/// | [`client_certificate`](Self::client_certificate) | `SW_AGENT_SSL_CERT_CHAIN_PATH`, `SW_AGENT_SSL_KEY_PATH` | `agent.ssl_cert_chain_path`, `agent.ssl_key_path` | none |
/// | [`server_name`](Self::server_name) | `SW_AGENT_SSL_SERVER_NAME` | `agent.ssl_server_name` | the host |
/// | [`discovery_timeout`](Self::discovery_timeout) | | | 2 s |
/// | [`connect_timeout`](Self::connect_timeout) | | | 2 s |
/// | [`keepalive_interval`](Self::keepalive_interval) | | | 24 s |
/// | [`keepalive_timeout`](Self::keepalive_timeout) | | | 5 s |
///
/// In the environment and the file, times are whole seconds, list entries are separated by commas, and a blank value counts as not
/// set. In parentheses: names of later SkyWalking agents, read if the first name is absent.
///
/// A time is between 1 ms and 24 hours, a limit of a dictionary between 1 and 100,000,000, and a list of addresses has at most
/// 256 entries.
#[derive(Default)]
#[must_use = "an agent runs once it is started"]
pub struct Builder {
    given: BuilderSettings,
    file: Option<PathBuf>,
    environment: Option<BTreeMap<String, String>>,
}

impl fmt::Debug for Builder {
    /// Prints the names of variables only, because a value may be the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |environment: &BTreeMap<String, String>| environment.keys().cloned().collect();
        let environment: Option<Vec<String>> = self.environment.as_ref().map(names);
        f.debug_struct("Builder")
            .field("given", &self.given)
            .field("file", &self.file)
            .field("environment", &environment)
            .finish()
    }
}

impl Builder {
    fn text(mut self, key: Key, text: impl Into<String>) -> Self {
        self.given.texts.insert(key, text.into());
        self
    }

    fn list(self, key: Key, entries: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let entries: Vec<String> = entries.into_iter().map(Into::into).collect();
        self.text(key, entries.join(","))
    }

    fn duration(mut self, key: Key, duration: Duration) -> Self {
        self.given.durations.insert(key, duration);
        self
    }

    /// The name under which all processes of the application are known. At most 255 bytes.
    pub fn application_code(self, code: impl Into<String>) -> Self {
        self.text(Key::ApplicationCode, code)
    }

    /// The naming servers that return the list of collectors, each `host:port` (a collector's `naming` listener, port 10800).
    pub fn collectors(self, servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.list(Key::Servers, servers)
    }

    /// The collectors themselves, each `host:port` (the `agent_gRPC` listener, port 11800), for networks in which the
    /// addresses that the naming servers list are unreachable. Ignored if naming servers are configured in any layer.
    pub fn direct_collectors(self, servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.list(Key::DirectServers, servers)
    }

    /// The part of the network that the application runs in, such as a Kubernetes namespace. With it, or a
    /// [cluster](Self::cluster), the application is registered as `name|namespace|cluster`, as Java agents since 8.10 do; a
    /// part that is not set is empty: `orders|shop|`. At most 255 bytes in all.
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        self.text(Key::Namespace, namespace)
    }

    /// The physical cluster that the application runs in; see [`namespace`](Self::namespace).
    pub fn cluster(self, cluster: impl Into<String>) -> Self {
        self.text(Key::Cluster, cluster)
    }

    /// The name that distinguishes this process from other processes of the application. A process that restarts under the same
    /// name keeps its instance id. Two processes that run under the same name at the same time count as one instance. At most 255
    /// bytes.
    ///
    /// The same setting as [`instance_uuid`](Self::instance_uuid): the name is sent as the UUID.
    pub fn instance_name(self, name: impl Into<String>) -> Self {
        self.text(Key::InstanceUuid, name)
    }

    /// The id that distinguishes this process from other processes of the application; see [`instance_name`](Self::instance_name).
    pub fn instance_uuid(self, uuid: impl Into<String>) -> Self {
        self.text(Key::InstanceUuid, uuid)
    }

    /// The token that is sent with every call, as the metadata `authentication`. It is never logged.
    pub fn authentication(self, token: impl Into<String>) -> Self {
        self.text(Key::Authentication, token)
    }

    /// Reaches collectors over TLS, and naming servers whose address begins with `https://`. The file holds the authorities (PEM)
    /// that sign their certificates. It is read at the start and for each connection. Needs the feature `tls`.
    pub fn trusted_ca(self, path: impl Into<String>) -> Self {
        self.text(Key::TrustedCa, path)
    }

    /// The certificate of this process and its private key (PEM), for collectors that require one.
    pub fn client_certificate(self, chain: impl Into<String>, key: impl Into<String>) -> Self {
        self.text(Key::CertChain, chain).text(Key::CertSecret, key)
    }

    /// The name in the certificates of the collectors, if it differs from the host in their addresses.
    pub fn server_name(self, name: impl Into<String>) -> Self {
        self.text(Key::ServerName, name)
    }

    /// The URL path at which the naming servers return the list of collectors.
    pub fn discovery_path(self, path: impl Into<String>) -> Self {
        self.text(Key::DiscoveryPath, path)
    }

    /// The interval between two requests to the naming servers. Until the first list arrives the agent sends them more often: after
    /// a random pause whose bound doubles up to this interval.
    pub fn discovery_interval(self, interval: Duration) -> Self {
        self.duration(Key::DiscoveryInterval, interval)
    }

    /// The timeout for a naming server's answer. It starts when the connection is open.
    pub fn discovery_timeout(mut self, timeout: Duration) -> Self {
        self.given.discovery_timeout = Some(timeout);
        self
    }

    /// The longest pause between two attempts to connect to a collector. The first pauses are shorter: random, with a
    /// bound that doubles from a thirtieth of this.
    pub fn channel_interval(self, interval: Duration) -> Self {
        self.duration(Key::ChannelInterval, interval)
    }

    /// The timeout for connecting to a naming server or a collector, name resolution included. The addresses of a host share it.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.given.connect_timeout = Some(timeout);
        self
    }

    /// The time without traffic after which the agent checks a connection with an HTTP/2 ping. It detects a network that drops
    /// packets silently within this interval plus the [timeout](Self::keepalive_timeout). The interval
    /// doubles, up to five minutes, for a collector that rejects the pings as too many, until a connection to it ends in another
    /// way. Java's gRPC servers reject them if pings outnumber calls.
    pub fn keepalive_interval(mut self, interval: Duration) -> Self {
        self.given.keepalive_interval = Some(interval);
        self
    }

    /// The time after which a connection without an answer to a ping counts as lost.
    pub fn keepalive_timeout(mut self, timeout: Duration) -> Self {
        self.given.keepalive_timeout = Some(timeout);
        self
    }

    /// The pause between two rounds of the register loop. In a round the agent registers the application and the instance if they
    /// have no id yet, requests the ids of queued names, and sends a heartbeat if one is due.
    pub fn register_interval(self, interval: Duration) -> Self {
        self.duration(Key::RegisterInterval, interval)
    }

    /// The time after the last finished segment at which a heartbeat is due; see [`Agent::segment_finished`].
    pub fn heartbeat_after(self, after: Duration) -> Self {
        self.duration(Key::HeartbeatAfter, after)
    }

    /// The deadline of every call to a collector. If three calls in a row have no answer, the agent treats the connection as lost.
    pub fn call_timeout(self, timeout: Duration) -> Self {
        self.duration(Key::CallTimeout, timeout)
    }

    /// The largest number of operation names that the agent keeps, known and queued together. Upstream's agents keep up to a
    /// hundred times as many, which takes a gigabyte of the host's memory.
    pub fn operation_limit(self, names: usize) -> Self {
        self.text(Key::OperationLimit, names.to_string())
    }

    /// The largest number of addresses that the agent keeps, known and queued together.
    pub fn address_limit(self, addresses: usize) -> Self {
        self.text(Key::AddressLimit, addresses.to_string())
    }

    /// A file in the format of upstream's `agent.config`: Java properties with `${NAME:default}` placeholders, which
    /// name environment variables. Keys without an effect here are logged in one warning.
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// The environment to read instead of the process's own: for tests, and for hosts that manage settings themselves.
    pub fn environment<K: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        self.environment = Some(variables.collect());
        self
    }

    /// Checks the settings, reads the file if one is named, and starts the agent's thread. Returns at once: the call itself neither
    /// sends nor waits.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with every mistake in the settings, and [`Error::Thread`] if the operating system cannot start a thread. A
    /// later failure, such as an unavailable collector, is not an error of this call: see [`Agent::status`].
    pub fn start(self) -> Result<Agent, Error> {
        let shared = Shared::new(self.resolve().map_err(Error::Config)?);
        worker::spawn(&shared).map_err(Error::Thread)?;
        Ok(Agent::new(shared))
    }

    pub(crate) fn resolve(self) -> Result<Config, Vec<Problem>> {
        let environment = self.environment.unwrap_or_else(process_environment);
        let mut problems = Vec::new();
        let file = self
            .file
            .map_or(Ok(properties::File::default()), |path| {
                properties::parse(&path, &read(&path)?, &environment)
            })
            .unwrap_or_else(|problem| {
                problems.push(problem);
                properties::File::default()
            });
        config::resolve(&self.given, &environment, &file, problems)
    }
}

/// The variables of this process, except those that are not Unicode.
fn process_environment() -> BTreeMap<String, String> {
    let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    env::vars_os().filter_map(unicode).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    file::read(path).map_err(|message| Problem {
        origin: Origin::Builder,
        key: "config_file".to_owned(),
        message,
    })
}

/// The reason why an agent did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Every setting that is invalid.
    #[error("{}", lines(.0))]
    Config(Vec<Problem>),
    /// The operating system could not start a thread.
    #[error("cannot start the agent's thread")]
    Thread(#[source] io::Error),
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
