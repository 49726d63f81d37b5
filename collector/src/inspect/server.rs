//! The address and the credential of the collector to query.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use axum::http::Uri;
use axum::http::uri::Scheme;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rollcall_collector::config::{self, Config, Mode};
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
    /// The value of `Authorization`; empty if there is none.
    pub(super) authorization: Secret,
    /// The authorities that sign the certificate of an https address.
    pub(super) ca_file: Option<PathBuf>,
    /// The files of the client's own certificate and its private key.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
}

impl Server {
    /// The collector that the arguments, the environment or the configuration name, in this order of precedence. The credential of
    /// the configuration is used only for the address of the configuration.
    pub(super) fn of(
        target: &Target,
        arguments: &Arguments,
        env: BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        if let Some(problem) = system::unreadable("ROLLCALL_").first() {
            return Err(Error::Usage(problem.to_string()));
        }
        let variable = |name: &str| env.get(name).filter(|value| !value.is_empty()).cloned();
        let token = target.token.clone().or_else(|| variable("ROLLCALL_TOKEN"));
        let ca_file = variable("ROLLCALL_CA_FILE").map(PathBuf::from);
        let ca_file = target.ca_file.clone().or(ca_file);
        let identity = identity(
            file(&target.cert_file, variable("ROLLCALL_CERT_FILE")),
            file(&target.key_file, variable("ROLLCALL_KEY_FILE")),
        )?;
        let url = target.url.clone().or_else(|| variable("ROLLCALL_URL"));
        let mut server = match url {
            Some(url) => Self {
                url: parse(&url)?,
                authorization: Secret::default(),
                ca_file: None,
                identity,
            },
            None => Self::configured(&load(arguments, env)?, identity)?,
        };
        if let Some(token) = token {
            server.authorization = bearer(&token)?;
        }
        server.ca_file = ca_file.or(server.ca_file);
        let is_secure = server.url.starts_with("https:");
        if is_secure != server.ca_file.is_some() {
            let message = if is_secure {
                "an https address needs the authority that signs its certificate: --ca-file or ROLLCALL_CA_FILE"
            } else {
                "a certificate authority (--ca-file, ROLLCALL_CA_FILE) is for an https address, and this one is http"
            };
            return Err(Error::Usage(message.to_owned()));
        }
        if server.identity.is_some() && !is_secure {
            let message = "a client certificate (--cert-file, ROLLCALL_CERT_FILE) is for an https address, and this one is http";
            return Err(Error::Usage(message.to_owned()));
        }
        Ok(server)
    }

    /// The admin listener of this configuration, as seen from this machine.
    fn configured(config: &Config, identity: Option<(PathBuf, PathBuf)>) -> Result<Self, Error> {
        let ui = &config.ui;
        if ui.listen.port == 0 {
            let message = "the configuration lets the system choose the port of the admin listener: give the address with --url or ROLLCALL_URL";
            return Err(Error::Usage(message.to_owned()));
        }
        let mode = if config.tls.enabled {
            ui.tls
        } else {
            Mode::Off
        };
        if mode == Mode::Mutual && identity.is_none() {
            let message = "the admin listener of the configuration requires a client certificate: give one with --cert-file and --key-file (ROLLCALL_CERT_FILE, ROLLCALL_KEY_FILE)";
            return Err(Error::Usage(message.to_owned()));
        }
        let is_secure = matches!(mode, Mode::Required | Mode::Mutual);
        let host = match ui.listen.host.parse::<IpAddr>() {
            // The certificate is for the published name.
            _ if is_secure && !ui.advertised.host.is_empty() => &*ui.advertised.host,
            Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1",
            Ok(IpAddr::V6(address)) if address.is_unspecified() => "::1",
            _ => &*ui.listen.host,
        };
        let scheme = if is_secure { "https" } else { "http" };
        let trusted = &config.tls.trusted_ca_path;
        let ca_file = (is_secure && !trusted.as_os_str().is_empty()).then(|| trusted.clone());
        Ok(Self {
            url: format!("{scheme}://{}", config::authority(host, ui.listen.port)),
            authorization: credential(config)?,
            ca_file,
            identity,
        })
    }
}

fn file(argument: &Option<PathBuf>, variable: Option<String>) -> Option<PathBuf> {
    argument.clone().or_else(|| variable.map(PathBuf::from))
}

/// The certificate of the client and its private key, which belong together.
fn identity(
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
) -> Result<Option<(PathBuf, PathBuf)>, Error> {
    match (cert_file, key_file) {
        (Some(cert_file), Some(key_file)) => Ok(Some((cert_file, key_file))),
        (None, None) => Ok(None),
        _ => {
            let message = "a client certificate needs its private key, and the other way round: --cert-file and --key-file (ROLLCALL_CERT_FILE, ROLLCALL_KEY_FILE)";
            Err(Error::Usage(message.to_owned()))
        }
    }
}

fn load(arguments: &Arguments, env: BTreeMap<String, String>) -> Result<Config, Error> {
    let loaded = system::sources(arguments, env).and_then(config::load);
    Ok(loaded.map_err(Error::Configuration)?.config)
}

/// The credential that this configuration sets for callers.
fn credential(config: &Config) -> Result<Secret, Error> {
    let (token, user) = (config.ui.token.expose(), &config.ui.user);
    if !token.is_empty() {
        return bearer(token);
    }
    if user.is_empty() {
        return Ok(Secret::default());
    }
    let pair = format!("{user}:{}", config.ui.password.expose());
    Ok(Secret::new(format!(
        "Basic {}",
        BASE64_STANDARD.encode(pair)
    )))
}

fn bearer(token: &str) -> Result<Secret, Error> {
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = "the token has characters other than printable ASCII";
        return Err(Error::Usage(message.to_owned()));
    }
    Ok(Secret::new(format!("Bearer {token}")))
}

/// The address in `text`; without a scheme it is http.
fn parse(text: &str) -> Result<String, Error> {
    // What is before the last @ may be a password.
    let shown = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let bad =
        |why: &str| Error::Usage(format!("{shown:?} is not an address of a collector: {why}"));
    let full = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let form = "it is http://HOST:PORT or https://HOST:PORT, with an IPv6 address in brackets";
    let uri: Uri = full.parse().map_err(|_invalid| bad(form))?;
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err(bad(form));
    };
    if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
        return Err(bad("its scheme is neither http nor https"));
    }
    // It may hold a password.
    if authority.as_str().contains('@') {
        let message = "an address of a collector has no user and no password: a token goes into ROLLCALL_TOKEN";
        return Err(Error::Usage(message.to_owned()));
    }
    let has_port = authority.as_str().len() > authority.host().len();
    if has_port && authority.port_u16().is_none_or(|port| port == 0) {
        return Err(bad("its port is not a number from 1 to 65535"));
    }
    if uri.query().is_some() {
        return Err(bad("it has a query"));
    }
    Ok(full.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_may_have_a_port_and_a_prefix() {
        for (text, url) in [
            ("http://web-1:12800", "http://web-1:12800"),
            ("web-1:12800", "http://web-1:12800"),
            ("https://web-1:12800", "https://web-1:12800"),
            ("http://[::1]:12800/", "http://[::1]:12800"),
            ("http://web-1/rollcall/", "http://web-1/rollcall"),
        ] {
            assert_eq!(parse(text).unwrap(), url, "{text}");
        }
        for text in [
            "",
            "http://",
            "ftp://web-1",
            "http://token@web-1",
            "http://web-1/?token=1",
            "http://web-1:99999",
            "http://web-1:0",
            "http://web-1:",
            "http://::1:12800",
            "web 1",
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.code(), 64, "{text}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_repeated() {
        for text in [
            "http://op:pa55@web-1",
            "op:pa55@web-1:12800",
            "http://op:pa55@web 1",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(!error.contains("pa55"), "{error}");
        }
    }

    fn configured(change: impl FnOnce(&mut Config)) -> Result<Server, Error> {
        let mut config = Config::default();
        config.ui.listen.port = 12800;
        change(&mut config);
        Server::configured(&config, None)
    }

    #[test]
    fn a_wildcard_address_of_the_configuration_is_reached_on_loopback() {
        for (host, url) in [
            ("0.0.0.0", "http://127.0.0.1:12800"),
            ("::", "http://[::1]:12800"),
            ("fd00::1", "http://[fd00::1]:12800"),
            ("admin.internal", "http://admin.internal:12800"),
        ] {
            let server = configured(|config| host.clone_into(&mut config.ui.listen.host));
            assert_eq!(server.unwrap().url, url);
        }
        let without_port = configured(|config| config.ui.listen.port = 0);
        assert_eq!(without_port.unwrap_err().code(), 64);
    }

    #[test]
    fn the_configuration_has_the_credential_and_the_scheme() {
        let server = configured(|config| {
            config.ui.token = Secret::new("t0ken".to_owned());
            "op".clone_into(&mut config.ui.user);
        });
        assert_eq!(server.unwrap().authorization.expose(), "Bearer t0ken");
        let server = configured(|config| {
            "op".clone_into(&mut config.ui.user);
            config.ui.password = Secret::new("pass".to_owned());
            config.tls.enabled = true;
            config.ui.tls = Mode::Required;
            "admin.internal".clone_into(&mut config.ui.advertised.host);
            config.tls.trusted_ca_path = "ca.pem".into();
        });
        let server = server.unwrap();
        assert_eq!(server.authorization.expose(), "Basic b3A6cGFzcw==");
        assert_eq!(server.url, "https://admin.internal:12800");
        assert_eq!(server.ca_file, Some("ca.pem".into()));
        let mutual = configured(|config| {
            config.tls.enabled = true;
            config.ui.tls = Mode::Mutual;
        });
        assert_eq!(mutual.unwrap_err().code(), 64);
    }
}
