//! Reading one setting after the other, and keeping the mistakes.

use std::{collections::BTreeMap, time::Duration};

use http::HeaderValue;

use super::{
    Authentication, Collectors, Config, Given, LONGEST, MAX_NAME_BYTES,
    key::{Key, SPELLINGS},
    properties,
};
use crate::{Problem, builder::Origin, peer::Peer};

/// The layers, laid over each other, and what was found to be wrong so far.
pub(super) struct Reading<'a> {
    given: &'a Given,
    texts: BTreeMap<Key, (String, Origin)>,
    problems: Vec<Problem>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        given: &'a Given,
        environment: &BTreeMap<String, String>,
        file: &properties::File,
        problems: Vec<Problem>,
    ) -> Self {
        let mut texts = BTreeMap::new();
        let mut put = |key: Key, text: &str, origin: Origin| {
            if !text.trim().is_empty() {
                texts.insert(key, (text.trim().to_owned(), origin));
            }
        };
        // From the weakest layer to the strongest; within a layer, the first spelling is the strongest.
        for spelling in &SPELLINGS {
            for name in spelling.file.iter().rev() {
                if let Some(value) = file.values.get(*name) {
                    let origin = Origin::File {
                        path: file.path.clone(),
                        line: value.line,
                    };
                    put(spelling.key, &value.text, origin);
                }
            }
            for name in spelling.environment.iter().rev() {
                if let Some(text) = environment.get(*name) {
                    put(spelling.key, text, Origin::Environment(name));
                }
            }
        }
        // What the builder was given counts even if blank: a blank name is a mistake of the program.
        for (key, text) in &given.texts {
            texts.insert(*key, (text.trim().to_owned(), Origin::Builder));
        }
        let unknown: Vec<_> = file
            .values
            .keys()
            .filter(|name| Key::of_file(name).is_none())
            .collect();
        if !unknown.is_empty() {
            tracing::warn!(file = %file.path.display(), keys = ?unknown, "these keys have no effect here");
        }
        Self {
            given,
            texts,
            problems,
        }
    }

    fn problem(&mut self, origin: Origin, key: &str, message: impl Into<String>) {
        self.problems.push(Problem {
            origin,
            key: key.to_owned(),
            message: message.into(),
        });
    }

    /// None of these keys was given, and one has to be.
    pub(super) fn missing(&mut self, keys: &[Key]) {
        if self
            .problems
            .iter()
            .any(|problem| keys.iter().any(|key| key.name() == problem.key))
        {
            return;
        }
        let names: Vec<_> = keys.iter().map(|key| key.name()).collect();
        let variables: Vec<_> = keys
            .iter()
            .map(|key| key.spelling().environment[0])
            .collect();
        let message = format!(
            "missing; give it to the builder, or set {}",
            variables.join(" or ")
        );
        self.problem(Origin::Builder, &names.join(" or "), message);
    }

    /// A short text without control characters.
    pub(super) fn name(&mut self, key: Key) -> Option<String> {
        let (text, origin) = self.texts.get(&key)?.clone();
        let complaint = if text.is_empty() {
            "is blank".to_owned()
        } else if text.len() > MAX_NAME_BYTES {
            format!("is {} bytes long, {MAX_NAME_BYTES} are allowed", text.len())
        } else if text.chars().any(char::is_control) {
            "has control characters".to_owned()
        } else {
            return Some(text);
        };
        self.problem(origin, key.name(), complaint);
        None
    }

    /// Naming servers if there are any, else direct ones (upstream's order); one of them has to be there.
    pub(super) fn collectors(&mut self) -> Collectors {
        let servers = self.peers(Key::Servers);
        let direct = self.peers(Key::DirectServers);
        let path = self.path();
        match (servers, direct) {
            (None, None) => {
                self.missing(&[Key::Servers, Key::DirectServers]);
                Collectors::Direct(Vec::new())
            }
            (None, Some(direct)) => Collectors::Direct(direct),
            (Some(servers), _) => Collectors::Discovered { servers, path },
        }
    }

    /// A comma-separated list of `host:port`, each once.
    fn peers(&mut self, key: Key) -> Option<Vec<Peer>> {
        let (text, origin) = self.texts.get(&key)?.clone();
        let mut peers: Vec<Peer> = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            match part.parse() {
                Ok(peer) if peers.contains(&peer) => {}
                Ok(peer) => peers.push(peer),
                Err(error) => self.problem(origin.clone(), key.name(), error.to_string()),
            }
        }
        if peers.is_empty() {
            self.missing(&[key]);
        }
        Some(peers)
    }

    fn path(&mut self) -> String {
        let default = "/agent/gRPC".to_owned();
        let Some((text, origin)) = self.texts.get(&Key::DiscoveryPath).cloned() else {
            return default;
        };
        if text.starts_with('/') && text.parse::<http::uri::PathAndQuery>().is_ok() {
            return text;
        }
        let message = format!("{text:?} is not a path that starts with /");
        self.problem(origin, Key::DiscoveryPath.name(), message);
        default
    }

    pub(super) fn authentication(&mut self) -> Option<Authentication> {
        let (text, origin) = self.texts.get(&Key::Authentication)?.clone();
        let visible = !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        match HeaderValue::from_str(&text) {
            Ok(mut value) if visible => {
                value.set_sensitive(true);
                Some(Authentication(value))
            }
            // The token itself is not shown.
            Ok(_) | Err(_) => {
                self.problem(
                    origin,
                    Key::Authentication.name(),
                    "is not visible ASCII text",
                );
                None
            }
        }
    }

    /// A period or deadline; whole seconds, if it comes as text.
    pub(super) fn duration(&mut self, key: Key, default_seconds: u64) -> Duration {
        let given = self.given.durations.get(&key).copied();
        if given.is_some() || !self.texts.contains_key(&key) {
            return self.given_duration(key.name(), given, default_seconds);
        }
        Duration::from_secs(self.number(key, default_seconds, LONGEST.as_secs(), "seconds"))
    }

    /// A period or deadline that only the builder knows of, or knows better.
    pub(super) fn given_duration(
        &mut self,
        name: &str,
        given: Option<Duration>,
        default_seconds: u64,
    ) -> Duration {
        let duration = given.unwrap_or(Duration::from_secs(default_seconds));
        if duration < Duration::from_millis(1) || duration > LONGEST {
            let message = format!("{duration:?} is not between 1ms and {LONGEST:?}");
            self.problem(Origin::Builder, name, message);
        }
        duration
    }

    pub(super) fn count(&mut self, key: Key, default: u64) -> usize {
        let number = self.number(key, default, 100_000_000, "entries");
        usize::try_from(number).unwrap_or(usize::MAX)
    }

    /// A whole number from 1 to `most`.
    fn number(&mut self, key: Key, default: u64, most: u64, unit: &str) -> u64 {
        let Some((text, origin)) = self.texts.get(&key).cloned() else {
            return default;
        };
        match text.parse() {
            Ok(number) if (1..=most).contains(&number) => number,
            Ok(_) | Err(_) => {
                let message = format!("{text:?} is not a whole number of {unit} from 1 to {most}");
                self.problem(origin, key.name(), message);
                default
            }
        }
    }

    pub(super) fn finish(self, config: Config) -> Result<Config, Vec<Problem>> {
        if self.problems.is_empty() {
            Ok(config)
        } else {
            Err(self.problems)
        }
    }
}
