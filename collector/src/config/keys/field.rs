//! The type of a key's value, and its place in the configuration.

use std::path::PathBuf;
use std::time::Duration;

use rollcall_service::listening;

use crate::config::{Config, ConnectString, LogFormat, MaxAge, Mode, Secret, log, value};

/// The place of a key's value in the configuration, which defines its type.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Field {
    Host(fn(&mut Config) -> &mut String),
    /// A host, or nothing.
    AdvertisedHost(fn(&mut Config) -> &mut String),
    Port(fn(&mut Config) -> &mut u16),
    /// A port, or nothing.
    AdvertisedPort(fn(&mut Config) -> &mut Option<u16>),
    /// A port to listen on, including 0, or nothing.
    OptionalPort(fn(&mut Config) -> &mut Option<u16>),
    ContextPath(fn(&mut Config) -> &mut String),
    Directory(fn(&mut Config) -> &mut PathBuf),
    Duration(fn(&mut Config) -> &mut Duration),
    Bytes(fn(&mut Config) -> &mut usize),
    /// When a collector begins a listening period: `auto`, `always` or `never`.
    Listening(fn(&mut Config) -> &mut listening::Mode),
    /// The format of log lines: `human` or `json`.
    LogFormat(fn(&mut Config) -> &mut LogFormat),
    /// A log level, or directives.
    LogLevel(fn(&mut Config) -> &mut String),
    /// A number of bytes, or nothing.
    OptionalBytes(fn(&mut Config) -> &mut Option<usize>),
    Count(fn(&mut Config) -> &mut usize),
    /// A number, or nothing.
    OptionalCount(fn(&mut Config) -> &mut Option<usize>),
    /// A token, or nothing.
    Secret(fn(&mut Config) -> &mut Secret),
    /// A file, or nothing.
    File(fn(&mut Config) -> &mut PathBuf),
    /// A password, or nothing.
    Password(fn(&mut Config) -> &mut Secret),
    /// `user:password`, or nothing.
    Credentials(fn(&mut Config) -> &mut Secret),
    Flag(fn(&mut Config) -> &mut bool),
    /// The connections that a face serves.
    Tls(fn(&mut Config) -> &mut Mode),
    /// Any text on one line, or nothing.
    Text(fn(&mut Config) -> &mut String),
    /// One or several names with slashes between them, or nothing.
    Namespace(fn(&mut Config) -> &mut String),
    /// One or several servers, separated by commas.
    Endpoints(fn(&mut Config) -> &mut Vec<String>),
    /// As `Endpoints`, or nothing.
    OptionalEndpoints(fn(&mut Config) -> &mut Vec<String>),
    /// Servers in the syntax of ZooKeeper's own client.
    ConnectString(fn(&mut Config) -> &mut ConnectString),
    /// Host names separated by commas, `*`, or nothing.
    Names(fn(&mut Config) -> &mut Vec<String>),
    /// Ranges of addresses, separated by commas, or `private`, or nothing.
    Ranges(fn(&mut Config) -> &mut Vec<String>),
    /// A duration, `off`, or nothing.
    MaxAge(fn(&mut Config) -> &mut MaxAge),
    /// A duration; a plain number is milliseconds, as in upstream's files.
    Millis(fn(&mut Config) -> &mut Duration),
}

impl Field {
    /// Parses `text` into `config`.
    ///
    /// # Errors
    /// Returns the allowed values.
    pub(in crate::config) fn set(
        self,
        config: &mut Config,
        text: &str,
    ) -> Result<(), &'static str> {
        match self {
            Self::Host(at) => *at(config) = value::parse_host(text)?,
            Self::AdvertisedHost(at) if text.is_empty() => at(config).clear(),
            Self::AdvertisedHost(at) => *at(config) = value::parse_host(text)?,
            Self::Port(at) => *at(config) = value::parse_port(text)?,
            Self::AdvertisedPort(at) => *at(config) = value::parse_advertised_port(text)?,
            Self::OptionalPort(at) if text.is_empty() => *at(config) = None,
            Self::OptionalPort(at) => *at(config) = Some(value::parse_port(text)?),
            Self::ContextPath(at) => *at(config) = value::parse_context_path(text)?,
            Self::Directory(_) if text.is_empty() => return Err("a directory"),
            Self::Directory(at) => *at(config) = PathBuf::from(text),
            Self::Duration(at) => *at(config) = value::parse_duration(text)?,
            Self::Bytes(at) => *at(config) = value::parse_bytes(text)?,
            Self::Listening(at) => *at(config) = value::parse_listening(text)?,
            Self::LogFormat(at) => *at(config) = LogFormat::parse(text)?,
            Self::LogLevel(at) => *at(config) = log::parse_level(text)?,
            Self::OptionalBytes(at) if text.is_empty() => *at(config) = None,
            Self::OptionalBytes(at) => *at(config) = Some(value::parse_bytes(text)?),
            Self::Count(at) => *at(config) = value::parse_count(text)?,
            Self::OptionalCount(at) if text.is_empty() => *at(config) = None,
            Self::OptionalCount(at) => *at(config) = Some(value::parse_count(text)?),
            Self::Secret(at) => *at(config) = Secret::new(value::parse_token(text)?),
            Self::File(at) => *at(config) = PathBuf::from(text),
            Self::Password(at) => *at(config) = Secret::new(value::parse_password(text)?),
            Self::Credentials(at) => *at(config) = Secret::new(value::parse_credentials(text)?),
            Self::Flag(at) => *at(config) = value::parse_flag(text)?,
            Self::Tls(at) => *at(config) = Mode::parse(text)?,
            Self::Text(at) => *at(config) = value::parse_text(text)?,
            Self::Namespace(at) => *at(config) = value::parse_namespace(text)?,
            Self::OptionalEndpoints(at) if text.is_empty() => at(config).clear(),
            Self::Endpoints(at) | Self::OptionalEndpoints(at) => {
                *at(config) = value::parse_endpoints(text)?;
            }
            Self::ConnectString(at) => *at(config) = value::parse_connect_string(text)?,
            Self::MaxAge(at) => *at(config) = MaxAge::parse(text)?,
            Self::Names(at) | Self::Ranges(at) if text.is_empty() => at(config).clear(),
            Self::Names(at) => *at(config) = value::parse_names(text)?,
            Self::Ranges(at) => *at(config) = value::parse_ranges(text)?,
            Self::Millis(at) => *at(config) = value::parse_millis(text)?,
        }
        Ok(())
    }

    /// Whether its value is text. A file may write text without quotes even if it looks like another type: `null`, `0089123`.
    pub(in crate::config) fn is_text(self) -> bool {
        match self {
            Self::Host(_)
            | Self::AdvertisedHost(_)
            | Self::ContextPath(_)
            | Self::Directory(_)
            | Self::Secret(_)
            | Self::Password(_)
            | Self::Credentials(_)
            | Self::File(_)
            | Self::Text(_)
            | Self::LogLevel(_)
            | Self::Tls(_)
            | Self::Namespace(_)
            | Self::Endpoints(_)
            | Self::OptionalEndpoints(_)
            | Self::ConnectString(_)
            | Self::MaxAge(_)
            | Self::Names(_)
            | Self::Ranges(_) => true,
            Self::Port(_)
            | Self::AdvertisedPort(_)
            | Self::OptionalPort(_)
            | Self::Duration(_)
            | Self::Millis(_)
            | Self::Bytes(_)
            | Self::OptionalBytes(_)
            | Self::Listening(_)
            | Self::LogFormat(_)
            | Self::Count(_)
            | Self::OptionalCount(_)
            | Self::Flag(_) => false,
        }
    }

    /// Whether its value is never shown.
    pub(in crate::config) fn is_secret(self) -> bool {
        matches!(
            self,
            Self::Secret(_) | Self::Password(_) | Self::Credentials(_)
        )
    }

    /// The value in `config`, as text that `set` accepts. A secret is shown as [`value::HIDDEN`], which `set` refuses.
    pub(in crate::config) fn get(self, config: &mut Config) -> String {
        match self {
            Self::Host(at)
            | Self::AdvertisedHost(at)
            | Self::ContextPath(at)
            | Self::Text(at)
            | Self::LogLevel(at)
            | Self::Namespace(at) => at(config).clone(),
            Self::Port(at) => at(config).to_string(),
            Self::AdvertisedPort(at) | Self::OptionalPort(at) => {
                at(config).map_or_else(String::new, |port| port.to_string())
            }
            Self::Directory(at) | Self::File(at) => at(config).to_string_lossy().into_owned(),
            Self::Endpoints(at)
            | Self::OptionalEndpoints(at)
            | Self::Names(at)
            | Self::Ranges(at) => at(config).join(","),
            Self::ConnectString(at) => at(config).to_string(),
            Self::Flag(at) => at(config).to_string(),
            Self::Tls(at) => at(config).print().to_owned(),
            Self::Duration(at) | Self::Millis(at) => value::print_duration(*at(config)),
            Self::MaxAge(at) => at(config).print(),
            Self::Bytes(at) => value::print_bytes(*at(config)),
            Self::Listening(at) => value::print_listening(*at(config)).to_owned(),
            Self::LogFormat(at) => at(config).name().to_owned(),
            Self::OptionalBytes(at) => at(config).map_or_else(String::new, value::print_bytes),
            Self::Count(at) => at(config).to_string(),
            Self::OptionalCount(at) => {
                at(config).map_or_else(String::new, |count| count.to_string())
            }
            Self::Secret(at) | Self::Password(at) | Self::Credentials(at) => {
                let is_set = !at(config).expose().is_empty();
                if is_set { value::HIDDEN } else { "" }.to_owned()
            }
        }
    }
}
