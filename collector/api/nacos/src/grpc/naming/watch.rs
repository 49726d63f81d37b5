//! `NamingFuzzyWatchRequest`.

use std::collections::BTreeSet;

use super::{Call, cut, refusals, unsupported};
use crate::grpc::{
    answer::{self, Refusal, code},
    face::Face,
    frame::Frame,
    fuzzy::{Name, Pattern, Watch},
};

impl Face {
    /// The names of all services that match a pattern, now and after each change.
    pub(super) fn fuzzy_watch(&self, call: &Call<'_>) -> Result<Frame, Refusal> {
        let asked = &call.asked;
        let pattern = Pattern::parse(&asked.group_key_pattern).ok_or_else(|| {
            let text = format!("Illegal pattern {}", cut(&asked.group_key_pattern));
            Refusal::new(code::INVALID, text)
        })?;
        match &*asked.watch_type {
            "WATCH" => self.begin_watch(call, pattern)?,
            "CANCEL_WATCH" => call
                .connection
                .with_watches(|watches| watches.end(&pattern)),
            other => return Err(unsupported(other)),
        }
        Ok(answer::watching())
    }

    fn begin_watch(&self, call: &Call<'_>, pattern: Pattern) -> Result<(), Refusal> {
        let received = &call.asked.received_group_keys;
        let received = received.items.iter().filter_map(|key| {
            let mut parts = key.split("@@");
            let (_namespace, group, service) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Name {
                group: group.to_owned(),
                service: service.to_owned(),
            })
        });
        let received: Vec<_> = received.take(self.config.max_matches).collect();
        let is_initializing = call.asked.initializing.0.unwrap_or(false);
        let most = self.config.max_patterns;
        self.watch(call.connection);
        // A service that appears during this decision is added afterwards.
        call.connection.change_watches(|watches| {
            if !watches.contains(&pattern) && watches.len() >= most {
                let text = format!("the connection watches the most patterns that it may ({most})");
                return Err(Refusal::new(code::TOO_MANY_PATTERNS, text));
            }
            let present = self
                .matching(&pattern)
                .map_err(|error| refusals::general(&error))?;
            let present: BTreeSet<_> = present.collect();
            if present.len() > self.config.max_matches {
                let text = format!(
                    "more services match than allowed ({})",
                    self.config.max_matches
                );
                return Err(Refusal::new(code::TOO_MANY_MATCHES, text));
            }
            watches.begin(Watch::new(pattern, is_initializing, received, present));
            Ok(())
        })
    }
}
