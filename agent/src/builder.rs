//! How an agent is configured and started.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    Agent,
    config::{self, Config, Given, key::Key, properties},
    shared::Shared,
    worker,
};

/// Collects the settings of an agent, and starts it.
///
/// A setting comes from the builder; if it was not given there, from the environment; else from the
/// [file](Self::config_file), if one was named; else it has its default:
///
/// | Builder | Environment | File | Default |
/// |---|---|---|---|
/// | [`Agent::builder`] | `SW_AGENT_NAME` | `agent.application_code` (`agent.service_name`) | to be given |
/// | [`collectors`](Self::collectors) | `SW_AGENT_COLLECTOR_SERVERS` | `collector.servers` | this or the next is to be given |
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
/// | [`discovery_timeout`](Self::discovery_timeout) | | | 2 s |
/// | [`connect_timeout`](Self::connect_timeout) | | | 2 s |
/// | [`keepalive_interval`](Self::keepalive_interval) | | | 24 s |
/// | [`keepalive_timeout`](Self::keepalive_timeout) | | | 5 s |
///
/// In the environment and the file, times are whole seconds, lists are separated by commas, and a blank value is none.
/// In parentheses: names of later SkyWalking agents, read if the first name is absent.
#[derive(Debug, Default)]
#[must_use = "an agent runs once it is started"]
pub struct Builder {
    given: Given,
    file: Option<PathBuf>,
    environment: Option<BTreeMap<String, String>>,
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

    /// The naming servers to ask for collectors, each `host:port` (a collector's `naming` listener, port 10800).
    pub fn collectors(self, servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.list(Key::Servers, servers)
    }

    /// The collectors themselves, each `host:port` (the `agent_gRPC` listener, port 11800), for networks in which the
    /// naming servers' answers lead nowhere. Without effect if there are naming servers, from whatever source.
    pub fn direct_collectors(self, servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.list(Key::DirectServers, servers)
    }

    /// The part of the network that the application runs in, such as a Kubernetes namespace. With it, or a
    /// [cluster](Self::cluster), the application is known as `name|namespace|cluster`, as Java agents since 8.10 are; a part
    /// that is not given is empty: `orders|shop|`. At most 255 bytes in all.
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        self.text(Key::Namespace, namespace)
    }

    /// The physical cluster that the application runs in; see [`namespace`](Self::namespace).
    pub fn cluster(self, cluster: impl Into<String>) -> Self {
        self.text(Key::Cluster, cluster)
    }

    /// The name that tells this process from others of the application. A process that starts again under the same name
    /// keeps its instance id; two that run under one name at the same time are one instance. At most 255 bytes.
    ///
    /// The same setting as [`instance_uuid`](Self::instance_uuid): the name is sent as the UUID.
    pub fn instance_name(self, name: impl Into<String>) -> Self {
        self.text(Key::InstanceUuid, name)
    }

    /// What tells this process from others of the application; see [`instance_name`](Self::instance_name).
    pub fn instance_uuid(self, uuid: impl Into<String>) -> Self {
        self.text(Key::InstanceUuid, uuid)
    }

    /// The token that is sent with every call, as the metadata `authentication`. It is never logged.
    pub fn authentication(self, token: impl Into<String>) -> Self {
        self.text(Key::Authentication, token)
    }

    /// The path of the list of collectors at the naming servers.
    pub fn discovery_path(self, path: impl Into<String>) -> Self {
        self.text(Key::DiscoveryPath, path)
    }

    /// How often the naming servers are asked. Until there is a first list they are asked more often: after a random
    /// pause whose bound doubles up to this.
    pub fn discovery_interval(self, interval: Duration) -> Self {
        self.duration(Key::DiscoveryInterval, interval)
    }

    /// How long one naming server may take to answer, once it is connected.
    pub fn discovery_timeout(mut self, timeout: Duration) -> Self {
        self.given.discovery_timeout = Some(timeout);
        self
    }

    /// The longest pause between two attempts to connect to a collector. The first pauses are shorter: random, with a
    /// bound that doubles from a thirtieth of this.
    pub fn channel_interval(self, interval: Duration) -> Self {
        self.duration(Key::ChannelInterval, interval)
    }

    /// How long it may take to connect to a naming server or a collector, resolving its name included.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.given.connect_timeout = Some(timeout);
        self
    }

    /// How long a connection may be quiet before it is checked with an HTTP/2 ping. A network that drops packets without a
    /// word is noticed within this and the [timeout](Self::keepalive_timeout). It doubles when a collector complains of too
    /// many pings, as those in Java do that get fewer calls than pings.
    pub fn keepalive_interval(mut self, interval: Duration) -> Self {
        self.given.keepalive_interval = Some(interval);
        self
    }

    /// How long a collector may take to answer a ping before the connection counts as lost.
    pub fn keepalive_timeout(mut self, timeout: Duration) -> Self {
        self.given.keepalive_timeout = Some(timeout);
        self
    }

    /// The pause between two rounds in which the agent registers what has no id yet, asks for queued names, and sends a
    /// heartbeat if one is due.
    pub fn register_interval(self, interval: Duration) -> Self {
        self.duration(Key::RegisterInterval, interval)
    }

    /// How long after the last finished segment a heartbeat is due; see [`Agent::segment_finished`].
    pub fn heartbeat_after(self, after: Duration) -> Self {
        self.duration(Key::HeartbeatAfter, after)
    }

    /// The deadline of every call to a collector. Three calls in a row without any answer count as a lost connection.
    pub fn call_timeout(self, timeout: Duration) -> Self {
        self.duration(Key::CallTimeout, timeout)
    }

    /// How many operation names are kept, known and queued together. Upstream's agents keep a hundred times as many:
    /// that is a gigabyte in the host's memory.
    pub fn operation_limit(self, names: usize) -> Self {
        self.text(Key::OperationLimit, names.to_string())
    }

    /// How many addresses are kept, known and queued together.
    pub fn address_limit(self, addresses: usize) -> Self {
        self.text(Key::AddressLimit, addresses.to_string())
    }

    /// A file in the format of upstream's `agent.config`: Java properties with `${NAME:default}` placeholders, which
    /// name environment variables. Keys without an effect here are logged in one warning.
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// The environment to read instead of the process's: for tests, and for hosts with their own idea of it.
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

    /// Checks the settings and starts the agent's thread. Returns at once: nothing is sent or waited for here. The
    /// file, if one was named, is read.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with everything that is wrong, and [`Error::Thread`] if the operating system gives no thread.
    /// Collectors that are not there, or anything else that happens later, is no error: see [`Agent::status`].
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

/// Variables that are not Unicode are left out.
fn process_environment() -> BTreeMap<String, String> {
    let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    env::vars_os().filter_map(unicode).collect()
}

/// No file is longer.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let read =
        fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    let message = match read {
        Err(error) => error.to_string(),
        Ok(_) if bytes.len() as u64 > MAX_FILE_BYTES => {
            format!("is longer than {MAX_FILE_BYTES} bytes")
        }
        Ok(_) => return Ok(bytes),
    };
    Err(Problem {
        origin: Origin::Builder,
        key: "config_file".to_owned(),
        message: format!("{}: {message}", path.display()),
    })
}

/// Why an agent did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// These settings are wrong; all of them.
    #[error("{}", lines(.0))]
    Config(Vec<Problem>),
    /// The operating system gave no thread.
    #[error("no thread for the agent")]
    Thread(#[source] io::Error),
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// A setting that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where the value came from.
    pub origin: Origin,
    /// The key: in a file, as it is spelled there; else its first spelling in a file.
    pub key: String,
    /// What is wrong with the value.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.key, self.message)
    }
}

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The program, through the [`Builder`]; also where nothing was given at all.
    Builder,
    /// This environment variable.
    Environment(&'static str),
    /// This line of this file; lines count from 1.
    File {
        /// As given to [`Builder::config_file`].
        path: PathBuf,
        /// The line the setting begins in.
        line: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builder => f.write_str("builder"),
            Self::Environment(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
        }
    }
}
