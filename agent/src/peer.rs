//! A `host:port` that the agent connects to.

use std::{fmt, str::FromStr};

/// The address of a naming server or a collector: host name or IP address, and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Peer {
    host: String,
    port: u16,
    /// The settings require TLS to this address.
    is_secure: bool,
}

impl Peer {
    /// Parses an address from the settings: `host:port`, or `https://host:port` to require TLS.
    pub(crate) fn configured(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        let (bare, is_secure) = match text.strip_prefix("https://") {
            Some(bare) => (bare, true),
            None => (text.strip_prefix("http://").unwrap_or(text), false),
        };
        let peer: Self = bare.strip_suffix('/').unwrap_or(bare).parse()?;
        Ok(Self { is_secure, ..peer })
    }

    /// Whether the settings require TLS to this address.
    pub(crate) fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The host, without the brackets of an IPv6 literal.
    pub(crate) fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The text is not `host:port`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not host:port, as in \"10.0.0.1:11800\" or \"[::1]:11800\"")]
pub(crate) struct ParseError {
    text: String,
}

impl FromStr for Peer {
    type Err = ParseError;

    /// Trims blanks around the address. An address has no scheme, no path and no default port (proto/docs/skywalking.md section
    /// 2.2).
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError {
            text: text.chars().take(100).collect(),
        };
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(error)?;
        let port = port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(error)?;
        let literal = host.starts_with('[') && host.ends_with(']');
        let clean = |c: char| {
            c.is_ascii_alphanumeric()
                || matches!(c, '.' | '-' | '_')
                || (literal && matches!(c, ':' | '[' | ']'))
        };
        if host.is_empty() || host.len() > 255 || !host.chars().all(clean) {
            return Err(error());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            is_secure: false,
        })
    }
}

#[cfg(test)]
mod tests;
