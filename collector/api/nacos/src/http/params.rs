//! The parameters of a call, from the query and from a form body alike.

use std::borrow::Cow;

use super::fault::Fault;

/// The most parameters of one call; further ones are ignored.
const MAX_PARAMS: usize = 128;

/// The parameters of a call. If a name occurs more than once, the first value counts, and the query comes before the form.
#[derive(Debug, Default)]
pub(super) struct Params<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Params<'a> {
    /// Reads a query and a form body; either may be empty.
    pub(super) fn parse(query: &'a str, form: &'a [u8]) -> Self {
        let query = form_urlencoded::parse(query.as_bytes());
        let form = form_urlencoded::parse(form);
        Self(query.chain(form).take(MAX_PARAMS).collect())
    }

    /// The value of a parameter without the white space around it; a blank value counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        let value = value.trim();
        (!value.is_empty()).then_some(value)
    }

    /// The value of a parameter, with its white space.
    pub(super) fn raw(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    /// The value of a parameter, or the empty text.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// As [`Params::text`], for a value that is stored and may have at most `most` bytes.
    pub(super) fn short(&self, name: &'static str, most: usize) -> Result<&str, Fault> {
        let text = self.text(name);
        if text.len() > most {
            return Err(Fault::TooLong { name, most });
        }
        Ok(text)
    }

    /// The value of a parameter that is required.
    pub(super) fn required(&self, name: &'static str) -> Result<&str, Fault> {
        self.get(name).ok_or(Fault::Missing {
            name,
            kind: "String",
        })
    }

    /// As [`Params::required`], for a parameter that the reference reads as another Java type.
    pub(super) fn required_as(
        &self,
        name: &'static str,
        kind: &'static str,
    ) -> Result<&str, Fault> {
        self.get(name).ok_or(Fault::Missing { name, kind })
    }

    /// A flag that is true for `true`, `t`, `yes`, `y` and `on` in any case, and false for any other value.
    pub(super) fn loose_flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(is_loosely_true)
    }

    /// A flag that is true for `true` in any case.
    pub(super) fn strict_flag(&self, name: &str) -> bool {
        self.text(name).eq_ignore_ascii_case("true")
    }

    /// A port, if the parameter is there.
    pub(super) fn port(&self, name: &'static str) -> Result<Option<u16>, Fault> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(port) => Ok(Some(port)),
            Err(_not_a_port) => Err(Fault::Port {
                name,
                given: text.to_owned(),
            }),
        }
    }

    /// A port that is required.
    pub(super) fn required_port(&self) -> Result<u16, Fault> {
        self.port("port")?.ok_or(Fault::Missing {
            name: "port",
            kind: "Integer",
        })
    }

    /// A number, if the parameter is there. `NaN` and infinities do not count as numbers.
    pub(super) fn number(&self, name: &'static str) -> Result<Option<f64>, Fault> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(Fault::Number(text.to_owned())),
        }
    }

    /// A page number or page size: `default` if absent, 0 if it is not a number, as in the reference.
    pub(super) fn page(&self, name: &str, default: usize) -> usize {
        self.get(name)
            .map_or(default, |text| text.parse().unwrap_or(0))
    }
}

/// A percent-encoded text, decoded.
pub(super) fn decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let value = text.replace('+', "%2B").replace('&', "%26");
    let decoded = form_urlencoded::parse(value.as_bytes()).next();
    decoded.map_or_else(String::new, |(name, value)| {
        if value.is_empty() {
            name.into_owned()
        } else {
            format!("{name}={value}")
        }
    })
}

/// Whether the reference's loose booleans read this text as true.
pub(super) fn is_loosely_true(text: &str) -> bool {
    ["true", "t", "yes", "y", "on"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_wins_over_the_form_and_white_space_does_not_count() {
        let params = Params::parse("a=1&b=&c=%20x%20&%E5%90%8D=%E5%80%BC", b"a=2&b=3&d=4+5&a=6");
        assert_eq!(params.get("a"), Some("1"));
        assert_eq!(params.get("b"), None, "blank in the query");
        assert_eq!(params.get("c"), Some("x"));
        assert_eq!(params.get("d"), Some("4 5"));
        assert_eq!(params.get("名"), Some("值"));
        assert_eq!(params.get("e"), None);
    }

    #[test]
    fn pythons_booleans_are_booleans() {
        let params = Params::parse("a=True&b=False&c=ON&d=1&e=y", b"");
        let flags = ["a", "b", "c", "d", "e", "f"].map(|name| params.loose_flag(name));
        assert_eq!(
            flags,
            [
                Some(true),
                Some(false),
                Some(true),
                Some(false),
                Some(true),
                None
            ]
        );
        assert!(params.strict_flag("a") && !params.strict_flag("c"));
    }

    #[test]
    fn numbers_are_checked() {
        let params = Params::parse("p=70000&q=-1&r=abc&w=2.5&x=NaN&y=1e999&n=abc", b"");
        for name in ["p", "q", "r"] {
            assert!(
                matches!(params.port(name), Err(Fault::Port { .. })),
                "{name}"
            );
        }
        assert_eq!(params.number("w"), Ok(Some(2.5)));
        for name in ["x", "y", "r"] {
            assert!(matches!(params.number(name), Err(Fault::Number(_))));
        }
        assert_eq!((params.page("n", 1), params.page("m", 1)), (0, 1));
        assert!(params.required("none").is_err());
    }

    #[test]
    fn a_text_that_is_kept_is_bounded() {
        let query = format!("a={}", "x".repeat(100));
        let params = Params::parse(&query, b"");
        assert!(params.short("a", 100).is_ok());
        assert!(matches!(params.short("a", 99), Err(Fault::TooLong { .. })));
        assert_eq!(params.short("b", 0), Ok(""));
    }

    #[test]
    fn a_call_with_very_many_parameters_costs_a_bounded_amount() {
        let query = "a=1&".repeat(100_000) + "last=1";
        assert_eq!(Params::parse(&query, b"").get("last"), None);
    }
}
