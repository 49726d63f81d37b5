//! Warnings about settings that are allowed but rarely intended.

use super::{Config, Mode, check::is_loopback};

/// The warnings about `config`, one line each.
#[must_use]
pub fn advice(config: &Config) -> Vec<String> {
    let advice = [
        one_token(config),
        unused_certificate(config),
        plain_beside_tls(config),
        open_credentials(config),
    ];
    advice.into_iter().flatten().collect()
}

/// Warns about a certificate that no listener uses.
fn unused_certificate(config: &Config) -> Option<String> {
    let is_unused = !config.tls.enabled && !config.tls.cert_chain_path.as_os_str().is_empty();
    is_unused.then(|| {
        "tls.default.cert_chain_path is set, and no listener uses TLS: set tls.default.enabled (SW_CORE_GRPC_SSL_ENABLED=true)"
            .to_owned()
    })
}

/// Warns about the faces that serve plain connections although TLS is enabled.
fn plain_beside_tls(config: &Config) -> Option<String> {
    let modes = config.modes().into_iter();
    let plain = modes.filter(|(_, mode)| matches!(mode, Mode::Off | Mode::Optional));
    let plain: Vec<_> = plain
        .map(|(key, mode)| format!("{key}: {}", mode.print()))
        .collect();
    (config.tls.enabled && !plain.is_empty()).then(|| {
        format!(
            "faces that still serve connections without TLS: {}; set them to required once all their clients use TLS",
            plain.join(", ")
        )
    })
}

/// Warns about admin credentials that cross the network in plain text.
fn open_credentials(config: &Config) -> Option<String> {
    let ui = &config.ui;
    let has_credentials = !ui.token.expose().is_empty() || !ui.user.is_empty();
    let is_plain = !config.tls.enabled || matches!(ui.tls, Mode::Off | Mode::Optional);
    let is_remote = !is_loopback(&ui.listen.host);
    (has_credentials && is_plain && is_remote).then(|| {
        "the credentials of ui.jetty cross the network unencrypted: enable tls.default and set ui.jetty.tls: required, or put \
         a proxy with TLS in front of the port"
            .to_owned()
    })
}

/// Warns about a token on only one of the two registration faces, because a peer that reaches the other face needs no token.
fn one_token(config: &Config) -> Option<String> {
    let grpc = ("agent_gRPC.gRPC.authentication", "gRPC");
    let http = ("agent_jetty.jetty.authentication", "HTTP");
    let has_token = [
        &config.agent_grpc.authentication,
        &config.agent_jetty.authentication,
    ]
    .map(|token| !token.expose().is_empty());
    let ((set, _), (unset, open)) = match has_token {
        [true, false] => (grpc, http),
        [false, true] => (http, grpc),
        [true, true] | [false, false] => return None,
    };
    Some(format!(
        "{set} requires a token of agents and {unset} does not: every peer that reaches the {open} listener can register \
         without one; set both, or keep that port closed"
    ))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{super::Secret, *};

    #[test]
    fn a_token_on_one_of_two_faces_is_a_warning() {
        for (grpc, http, unset) in [
            ("", "", None),
            ("s3cret", "s3cret", None),
            (
                "s3cret",
                "",
                Some("agent_jetty.jetty.authentication does not"),
            ),
            (
                "",
                "s3cret",
                Some("agent_gRPC.gRPC.authentication does not"),
            ),
        ] {
            let mut config = Config::for_test(Path::new("data"));
            config.agent_grpc.authentication = Secret::new(grpc.to_owned());
            config.agent_jetty.authentication = Secret::new(http.to_owned());
            let advice = advice(&config);
            assert_eq!(advice.len(), usize::from(unset.is_some()), "{advice:?}");
            for (line, unset) in advice.iter().zip(unset) {
                assert!(line.contains(unset) && !line.contains("s3cret"), "{line}");
            }
        }
    }
}
