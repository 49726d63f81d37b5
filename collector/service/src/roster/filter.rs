//! Selects the entries of a list.

use rollcall_domain::{
    inventory::InstanceView,
    liveness::{State, Tally},
    properties,
};

use super::ApplicationStatus;

/// Selects the instances of a list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Instances in one of these states, forgotten ones included; `None` selects all that are not forgotten.
    pub states: Option<Vec<State>>,
    /// Instances with this name or UUID.
    pub name: Option<String>,
    /// Instances on a host of this name.
    pub host: Option<String>,
    /// Instances whose UUID or one of whose properties contains this text; the case of ASCII letters does not matter.
    pub text: Option<String>,
}

/// Selects the applications of a list.
#[derive(Clone, Debug, Default)]
pub struct ApplicationFilter {
    /// Applications with an instance in one of these states.
    pub states: Option<Vec<State>>,
    /// Applications whose code contains this text; the case of ASCII letters does not matter.
    pub text: Option<String>,
}

impl Filter {
    /// Whether the filter must read an instance to decide.
    pub(super) fn reads_instances(&self) -> bool {
        self.name.is_some() || self.host.is_some() || self.text.is_some()
    }

    /// Whether the name, the host and the text select an instance.
    pub(super) fn keeps(&self, instance: &InstanceView<'_>) -> bool {
        let uuid = instance.uuid.unwrap_or_default();
        let named = |name: &String| uuid == name || properties::instance_name(uuid) == name;
        let on = |host: &String| properties::is_on(instance.properties, host);
        let has = |text: &String| {
            let mut values = instance.properties.iter().map(|(_, value)| value);
            contains(uuid, text) || values.any(|value| contains(value, text))
        };
        self.name.as_ref().is_none_or(named)
            && self.host.as_ref().is_none_or(on)
            && self.text.as_ref().is_none_or(has)
    }
}

impl ApplicationFilter {
    /// Whether the filter selects the application.
    pub(super) fn keeps(&self, status: &ApplicationStatus) -> bool {
        let code = status
            .application
            .as_ref()
            .and_then(|it| it.code.as_deref());
        let named = |text: &String| code.is_some_and(|code| contains(code, text));
        let has = |states: &Vec<State>| {
            let mut states = states.iter();
            states.any(|state| count(&status.instances, *state) > 0)
        };
        self.text.as_ref().is_none_or(named) && self.states.as_ref().is_none_or(has)
    }
}

fn count(tally: &Tally, state: State) -> usize {
    match state {
        State::Up => tally.up,
        State::Silent => tally.silent,
        State::Down => tally.down,
        State::Left => tally.left,
    }
}

/// Whether `text` contains `part`. The case of ASCII letters does not matter.
fn contains(text: &str, part: &str) -> bool {
    let Some((first, rest)) = part.as_bytes().split_first() else {
        return true;
    };
    let (lower, upper) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    let mut text = text.as_bytes();
    // A search visits very many texts, and in most of them the first byte of `part` occurs at few places.
    while let Some(at) = text
        .iter()
        .position(|byte| *byte == lower || *byte == upper)
    {
        text = &text[at + 1..];
        let next = text.get(..rest.len());
        if next.is_some_and(|next| next.eq_ignore_ascii_case(rest)) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_in_any_case() {
        for (text, part, expected) in [
            ("Orders-1", "orders", true),
            ("orders-1", "S-1", true),
            ("orders", "orders-1", false),
            ("größe", "GRö", true),
            ("orders-orders-1", "ORDERS-1", true),
            ("order", "orders", false),
            ("orders", "s", true),
            ("größe", "GRÖ", false),
            ("", "a", false),
            ("a", "", true),
        ] {
            assert_eq!(contains(text, part), expected, "{text} {part}");
        }
    }
}
