//! `NamingFuzzyWatchRequest`.

use rollcall_domain::catalog::ServiceKey;

use super::{Call, cut, refusals, unsupported};
use crate::grpc::{
    answer::{self, Refusal, code},
    face::{Face, Outrun},
    frame::Frame,
    fuzzy::{Name, Pattern, Watch, Watches},
    request::NamingRequest,
};

/// The pattern that a request names. The pattern contains a namespace, which is used instead of the field `namespace`.
pub(super) fn pattern_of(request: &NamingRequest<'_>) -> Result<Pattern, Refusal> {
    Pattern::parse(&request.group_key_pattern).ok_or_else(|| {
        let text = format!("Illegal pattern {}", cut(&request.group_key_pattern));
        Refusal::new(code::INVALID, text)
    })
}

impl Face {
    /// The names of all services that match a pattern, now and after each change.
    pub(super) async fn fuzzy_watch(&self, call: &Call<'_>) -> Result<Frame, Refusal> {
        let request = &call.request;
        let pattern = pattern_of(request)?;
        match &*request.watch_type {
            "WATCH" => self.begin_watch(call, pattern).await?,
            "CANCEL_WATCH" => call
                .connection
                .with_watches(|watches| watches.end(&pattern)),
            other => return Err(unsupported(other)),
        }
        Ok(answer::watching())
    }

    async fn begin_watch(&self, call: &Call<'_>, pattern: Pattern) -> Result<(), Refusal> {
        let received = &call.request.received_group_keys;
        let received = received.items.iter().filter_map(|key| {
            let mut parts = key.split("@@");
            let (namespace, group, service) = (parts.next()?, parts.next()?, parts.next()?);
            // Any other text names no service, and may have any length.
            ServiceKey::new(namespace, group, service).ok()?;
            Some(Name {
                group: group.to_owned(),
                service: service.to_owned(),
            })
        });
        let received: Vec<_> = received.take(self.config.max_matches).collect();
        let is_initializing = call.request.initializing.0.unwrap_or(false);
        let most = self.config.max_matches;
        call.connection
            .with_watches(|watches| self.room(watches, &pattern))?;
        // From here on, changes are reported to the connection. Changes during the listing are part of its result.
        self.watch(call.connection);
        let mut matching = self
            .matching(&pattern)
            .await
            .map_err(|error| refusals::general(&error))?;
        call.connection.change_watches(|watches| {
            self.room(watches, &pattern)?;
            let present = matching.now().map_err(|Outrun| {
                let text =
                    "too many services appeared and vanished during the listing, try again later";
                Refusal::general(code::OVER_LIMIT, text)
            })?;
            if present.len() > most {
                let text = format!("more services match than allowed ({most})");
                return Err(Refusal::new(code::TOO_MANY_MATCHES, text));
            }
            let present = present.clone();
            watches.begin(Watch::new(
                pattern,
                is_initializing,
                received,
                present,
                most,
            ));
            Ok(())
        })
    }

    /// Checks that the connection may watch another pattern, or watches this one already.
    fn room(&self, watches: &Watches, pattern: &Pattern) -> Result<(), Refusal> {
        let most = self.config.max_patterns;
        if watches.contains(pattern) || watches.len() < most {
            return Ok(());
        }
        let text = format!("the connection watches the most patterns that it may ({most})");
        Err(Refusal::new(code::TOO_MANY_PATTERNS, text))
    }
}
