//! The address and the credential of the collector to ask.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use axum::http::Uri;
use axum::http::uri::Scheme;
use rollcall_collector::config::{self, Config};
use rollcall_secret::Secret;

use super::Error;
use crate::cli::Arguments;
use crate::cli::inspect::Target;
use crate::system;

/// A collector's admin listener.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// Scheme, host and port, and the prefix of its paths, without a slash at the end.
    pub(super) url: String,
    /// Empty if there is none.
    pub(super) token: Secret,
}

impl Server {
    /// The collector that the arguments, the environment or the configuration name, in this order.
    pub(super) fn of(
        target: &Target,
        arguments: &Arguments,
        env: BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let variable = |name: &str| env.get(name).filter(|value| !value.is_empty()).cloned();
        let token = target.token.clone().or_else(|| variable("ROLLCALL_TOKEN"));
        let token = Secret::new(token.unwrap_or_default());
        if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = "the token has characters other than printable ASCII";
            return Err(Error::Usage(message.to_owned()));
        }
        let ca_file = variable("ROLLCALL_CA_FILE").map(PathBuf::from);
        let ca_file = target.ca_file.clone().or(ca_file);
        let url = target.url.clone().or_else(|| variable("ROLLCALL_URL"));
        let url = match url {
            Some(url) => parse(&url)?,
            None => configured(&load(arguments, env)?)?,
        };
        if ca_file.is_some() {
            let message = "a certificate authority (--ca-file, ROLLCALL_CA_FILE) is of use with https only, which this release does not speak";
            return Err(Error::Usage(message.to_owned()));
        }
        Ok(Self { url, token })
    }
}

fn load(arguments: &Arguments, env: BTreeMap<String, String>) -> Result<Config, Error> {
    let loaded = system::sources(arguments, env).and_then(config::load);
    Ok(loaded.map_err(Error::Configuration)?.config)
}

/// The address in `text`; the scheme may be left out.
fn parse(text: &str) -> Result<String, Error> {
    let bad = |why: &str| Error::Usage(format!("{text:?} is no address of a collector: {why}"));
    let full = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let uri: Uri = full.parse().map_err(|_invalid| bad("http://HOST:PORT"))?;
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err(bad("http://HOST:PORT"));
    };
    if *scheme == Scheme::HTTPS {
        return Err(bad("this release does not speak https"));
    }
    if *scheme != Scheme::HTTP {
        return Err(bad("its scheme is not http"));
    }
    if authority.as_str().contains('@') {
        return Err(bad("a token goes into ROLLCALL_TOKEN"));
    }
    if uri.query().is_some() {
        return Err(bad("it has a query"));
    }
    Ok(full.trim_end_matches('/').to_owned())
}

/// The address of the admin listener of this configuration, as seen from this machine.
fn configured(config: &Config) -> Result<String, Error> {
    let listen = &config.ui.listen;
    if listen.port == 0 {
        let message = "the configuration lets the system choose the port of the admin listener: give the address with --url or ROLLCALL_URL";
        return Err(Error::Usage(message.to_owned()));
    }
    let host = match listen.host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => "[::1]".to_owned(),
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        Ok(IpAddr::V4(_)) | Err(_) => listen.host.clone(),
    };
    Ok(format!("http://{host}:{}", listen.port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_may_have_a_port_and_a_prefix() {
        for (text, url) in [
            ("http://web-1:12800", "http://web-1:12800"),
            ("web-1:12800", "http://web-1:12800"),
            ("http://[::1]:12800/", "http://[::1]:12800"),
            ("http://web-1/rollcall/", "http://web-1/rollcall"),
        ] {
            assert_eq!(parse(text).unwrap(), url, "{text}");
        }
        for text in [
            "",
            "http://",
            "ftp://web-1",
            "https://web-1:12800",
            "http://token@web-1",
            "http://web-1/?token=1",
            "web 1",
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.code(), 64, "{text}");
        }
    }

    #[test]
    fn a_wildcard_address_of_the_configuration_is_reached_on_loopback() {
        let mut config = Config::default();
        for (host, url) in [
            ("0.0.0.0", "http://127.0.0.1:12800"),
            ("::", "http://[::1]:12800"),
            ("fd00::1", "http://[fd00::1]:12800"),
            ("admin.internal", "http://admin.internal:12800"),
        ] {
            config.ui.listen.host = host.to_owned();
            config.ui.listen.port = 12800;
            assert_eq!(configured(&config).unwrap(), url);
        }
        config.ui.listen.port = 0;
        assert_eq!(configured(&config).unwrap_err().code(), 64);
    }
}
