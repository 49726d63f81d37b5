//! The one way lists are asked for and answered.

use axum::{extract::Query, http::Uri, response::Response};
use rollcall_domain::liveness::State;
use serde::{Deserialize, Serialize};

use super::view;
use crate::api::http::{json, refusal::Refusal};

/// Entries of a page unless told.
const DEFAULT_LIMIT: usize = 100;

/// The most entries of a page.
const MAX_LIMIT: usize = 1000;

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked<C> {
    /// The `next` of the page before; `None` for the first.
    pub(super) cursor: Option<C>,
    pub(super) limit: usize,
}

#[derive(Deserialize)]
struct Parameters {
    cursor: Option<String>,
    limit: Option<String>,
}

#[derive(Deserialize)]
struct StateParameter {
    state: Option<String>,
}

#[derive(Serialize)]
struct Listed<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<C> Asked<C> {
    /// Reads the parameters `limit` and `cursor`; `read_cursor` tells whether a cursor can be one.
    ///
    /// # Errors
    /// 400 that names the parameter.
    pub(super) fn of(
        uri: &Uri,
        read_cursor: impl FnOnce(&str) -> Option<C>,
    ) -> Result<Self, Refusal> {
        let Query(asked) = Query::<Parameters>::try_from_uri(uri)
            .map_err(|rejection| Refusal::invalid("query", rejection.body_text()))?;
        let cursor = match asked.cursor.as_deref() {
            None => None,
            Some(text) => Some(read_cursor(text).ok_or_else(|| {
                Refusal::invalid("cursor", "is not one that a list has answered as `next`")
            })?),
        };
        let limit = match asked.limit.as_deref().map(str::parse) {
            None => DEFAULT_LIMIT,
            Some(Ok(limit)) if (1..=MAX_LIMIT).contains(&limit) => limit,
            Some(_) => {
                let range = format_args!("must be a number from 1 to {MAX_LIMIT}");
                return Err(Refusal::invalid("limit", range));
            }
        };
        Ok(Self { cursor, limit })
    }
}

/// Reads the parameter `state`: `None` if it is not given.
///
/// # Errors
/// 400 that names the parameter.
pub(super) fn states(uri: &Uri) -> Result<Option<Vec<State>>, Refusal> {
    let Query(asked) = Query::<StateParameter>::try_from_uri(uri)
        .map_err(|rejection| Refusal::invalid("query", rejection.body_text()))?;
    let state = |word: &str| {
        State::ALL
            .into_iter()
            .find(|known| view::state(*known) == word)
    };
    let states = asked
        .state
        .map(|words| words.split(',').map(state).collect());
    match states {
        Some(None) => {
            let known = State::ALL.map(view::state).join(", ");
            let allowed = format_args!("must be one or several of {known}, separated by commas");
            Err(Refusal::invalid("state", allowed))
        }
        states => Ok(states.flatten()),
    }
}

/// The answer to a question for a list.
pub(super) fn reply<T: Serialize>(items: Vec<T>, next: Option<impl ToString>) -> Response {
    let next = next.map(|cursor| cursor.to_string());
    json::reply(&Listed { items, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Asked<i32>, Refusal> {
        let uri = format!("/list{query}").parse().unwrap();
        Asked::of(&uri, |text| text.parse().ok())
    }

    #[test]
    fn a_list_is_a_hundred_from_the_start_unless_told() {
        let defaults = Asked {
            cursor: None,
            limit: 100,
        };
        assert_eq!(asked("").unwrap(), defaults);
        assert_eq!(asked("?unknown=1").unwrap(), defaults);
        let told = Asked {
            cursor: Some(-3),
            limit: 1000,
        };
        assert_eq!(asked("?limit=1000&cursor=-3").unwrap(), told);
    }

    #[test]
    fn states_are_named_or_left_out() {
        let read = |query: &str| states(&format!("/list{query}").parse().unwrap());
        assert_eq!(read("?limit=1").unwrap(), None);
        assert_eq!(read("?state=left").unwrap().unwrap(), [State::Left]);
        let several = read("?state=down,left&limit=1").unwrap().unwrap();
        assert_eq!(several, [State::Down, State::Left]);
        for query in [
            "?state=",
            "?state=dead",
            "?state=up,,down",
            "?state=up&state=down",
        ] {
            assert!(read(query).is_err(), "{query}");
        }
    }

    #[test]
    fn bad_parameters_are_refused() {
        for query in [
            "?limit=0",
            "?limit=1001",
            "?limit=-1",
            "?limit=",
            "?limit=many",
            "?limit=1&limit=2",
            "?cursor=",
            "?cursor=x",
        ] {
            assert!(asked(query).is_err(), "{query}");
        }
    }
}
