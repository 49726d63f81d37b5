//! Parses the parameters of list requests.

use rollcall_domain::liveness::State;
use rollcall_server::face::Refusal;
use rollcall_service::roster::{ApplicationFilter, Filter};

use super::{parameters::Parameters, view};

/// The default number of entries of a page.
const DEFAULT_LIMIT: usize = 100;

/// The most entries of a page.
const MAX_LIMIT: usize = 1000;

/// The requested part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageRequest<C> {
    /// The `next` of the previous page; `None` for the first page.
    pub(super) cursor: Option<C>,
    pub(super) limit: usize,
}

impl<C> PageRequest<C> {
    /// Reads the parameters `limit` and `cursor`; `read_cursor` parses a cursor.
    ///
    /// # Errors
    /// 400, naming the parameter.
    pub(super) fn of(
        parameters: &Parameters,
        read_cursor: impl FnOnce(&str) -> Option<C>,
    ) -> Result<Self, Refusal> {
        let cursor = match parameters.get("cursor") {
            None => None,
            Some(text) => Some(read_cursor(text).ok_or_else(|| {
                Refusal::invalid("cursor", "must be the `next` of an earlier page")
            })?),
        };
        let limit = match parameters.get("limit").map(str::parse) {
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

/// Reads the parameters `state`, `name`, `host` and `text`.
///
/// # Errors
/// 400, naming the parameter.
pub(super) fn filter(parameters: &Parameters) -> Result<Filter, Refusal> {
    Ok(Filter {
        states: states(parameters)?,
        name: text(parameters, "name")?,
        host: text(parameters, "host")?,
        text: text(parameters, "text")?,
    })
}

/// Reads the parameters `state` and `text` of a list of applications.
///
/// # Errors
/// 400, naming the parameter.
pub(super) fn application_filter(parameters: &Parameters) -> Result<ApplicationFilter, Refusal> {
    Ok(ApplicationFilter {
        states: states(parameters)?,
        text: text(parameters, "text")?,
    })
}

/// The states in the parameter `state`; `None` without it.
pub(super) fn states(parameters: &Parameters) -> Result<Option<Vec<State>>, Refusal> {
    let state = |word: &str| {
        State::ALL
            .into_iter()
            .find(|known| view::state(*known) == word)
    };
    let Some(words) = parameters.get("state") else {
        return Ok(None);
    };
    let states: Option<Vec<State>> = words.split(',').map(state).collect();
    let known = || State::ALL.map(view::state).join(", ");
    let allowed = || format!("must be one or several of {}, separated by commas", known());
    states
        .map(Some)
        .ok_or_else(|| Refusal::invalid("state", allowed()))
}

/// The longest text to search for, in bytes. A longer text would help no honest search, and could make a search through hostile
/// names slow.
const MAX_TEXT: usize = 256;

/// A parameter that is not empty; `None` without it.
pub(super) fn text(parameters: &Parameters, name: &'static str) -> Result<Option<String>, Refusal> {
    match parameters.get(name) {
        Some("") => Err(Refusal::invalid(name, "must not be empty")),
        Some(long) if name == "text" && long.len() > MAX_TEXT => {
            let message = format_args!("must have at most {MAX_TEXT} bytes");
            Err(Refusal::invalid(name, message))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests;
