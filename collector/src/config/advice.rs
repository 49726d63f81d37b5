//! Warnings about settings that are allowed but rarely intended.

use super::Config;

/// The warnings about `config`, one line each.
#[must_use]
pub fn advice(config: &Config) -> Vec<String> {
    one_token(config).into_iter().collect()
}

/// Warns about a token on only one of the two registration faces: a peer that reaches the other face needs none.
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
