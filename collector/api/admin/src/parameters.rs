//! The parameters of a request.

use axum::{extract::Query, http::Uri};
use rollcall_server::face::Refusal;

/// The parameters of a request, each at most once.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Parses a query with these known parameters.
    ///
    /// # Errors
    /// 400 for a parameter that is unknown or repeated, with the known parameters: a request with a misspelt filter must not return
    /// everything.
    pub(super) fn of(uri: &Uri, known: &[&str]) -> Result<Self, Refusal> {
        let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|rejection| Refusal::invalid("query", rejection.body_text()))?;
        for (at, (name, _)) in given.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(Refusal::invalid(name.as_str(), unknown(known)));
            }
            if given.iter().take(at).any(|(before, _)| before == name) {
                return Err(Refusal::invalid(name.as_str(), "occurs twice"));
            }
        }
        Ok(Self(given))
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut given = self.0.iter().filter(|(given, _)| given == name);
        given.next().map(|(_, value)| value.as_str())
    }

    /// Refuses the first of these parameters that is given.
    ///
    /// # Errors
    /// 400 with the reason: a request with a filter that would have no effect must not return everything.
    pub(super) fn refuse(&self, names: &[&'static str], reason: &str) -> Result<(), Refusal> {
        let given = names.iter().find(|name| self.get(name).is_some());
        given.map_or(Ok(()), |name| Err(Refusal::invalid(*name, reason)))
    }
}

fn unknown(known: &[&str]) -> String {
    match known {
        [] => "is unknown: this path has no parameters".to_owned(),
        known => format!("is unknown; this path has {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &str, known: &[&str]) -> Result<Parameters, Refusal> {
        Parameters::of(&format!("/list{query}").parse().unwrap(), known)
    }

    #[test]
    fn known_parameters_are_read() {
        let read = parameters("?a=1%202&b=", &["a", "b", "c"]).unwrap();
        assert_eq!(
            [read.get("a"), read.get("b"), read.get("c")],
            [Some("1 2"), Some(""), None]
        );
        assert!(parameters("", &[]).is_ok());
        assert!(parameters("?", &[]).is_ok());
    }

    #[test]
    fn unknown_parameters_are_refused_with_the_known_ones() {
        let refusal = parameters("?stat=up", &["state", "limit"]).unwrap_err();
        let expected = Refusal::invalid("stat", "is unknown; this path has state, limit");
        assert_eq!(refusal, expected);
        let refusal = parameters("?a=1", &[]).unwrap_err();
        assert_eq!(
            refusal,
            Refusal::invalid("a", "is unknown: this path has no parameters")
        );
        assert!(parameters("?a=1&a=1", &["a"]).is_err());
    }
}
