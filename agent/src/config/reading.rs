//! Reads the settings one by one and collects the mistakes.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use http::HeaderValue;

use super::{
    Authentication, BuilderSettings, Collectors, Config, LONGEST, MAX_NAME_BYTES,
    key::{Key, SPELLINGS},
    properties,
};
use crate::{Problem, discovery::MAX_MEMBERS, peer::Peer, problem::Origin};

/// The longest path that Linux accepts.
const MAX_PATH_BYTES: usize = 4095;

/// A setting as the user wrote it.
#[derive(Clone)]
struct Written {
    text: String,
    origin: Origin,
    /// The spelling of the key that messages show.
    name: &'static str,
}

/// The merged layers, and the mistakes found so far.
pub(super) struct Reading<'a> {
    given: &'a BuilderSettings,
    texts: BTreeMap<Key, Written>,
    problems: Vec<Problem>,
}

/// The value of each key: from the strongest layer that has it, and within a layer from its first spelling.
fn layered(
    given: &BuilderSettings,
    environment: &BTreeMap<String, String>,
    file: &properties::File,
) -> BTreeMap<Key, (Result<String, String>, Origin, &'static str)> {
    let mut layers = BTreeMap::new();
    let mut put = |key: Key, text: Result<&str, &String>, origin: Origin, name: &'static str| {
        let text = text
            .map(|text| text.trim().to_owned())
            .map_err(Clone::clone);
        if text.as_deref() != Ok("") {
            layers.insert(key, (text, origin, name));
        }
    };
    for spelling in &SPELLINGS {
        for name in spelling.file.iter().rev() {
            if let Some(value) = file.values.get(*name) {
                let origin = Origin::File {
                    path: file.path.clone(),
                    line: value.line,
                };
                put(spelling.key, value.text.as_deref(), origin, name);
            }
        }
        for name in spelling.environment.iter().rev() {
            if let Some(text) = environment.get(*name) {
                let origin = Origin::Environment(name);
                put(spelling.key, Ok(text), origin, spelling.key.name());
            }
        }
    }
    // A blank value from the builder counts as set, because a blank name there is a mistake of the program.
    for (key, text) in &given.texts {
        let text = Ok(text.trim().to_owned());
        layers.insert(*key, (text, Origin::Builder, key.name()));
    }
    layers
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        given: &'a BuilderSettings,
        environment: &BTreeMap<String, String>,
        file: &properties::File,
        problems: Vec<Problem>,
    ) -> Self {
        let mut read = Self {
            given,
            texts: BTreeMap::new(),
            problems,
        };
        for (key, (text, origin, name)) in layered(given, environment, file) {
            match text {
                Ok(text) => {
                    read.texts.insert(key, Written { text, origin, name });
                }
                Err(message) => read.problem(origin, name, message),
            }
        }
        let unknown: Vec<_> = file
            .values
            .keys()
            .filter(|name| Key::of_file(name).is_none())
            .collect();
        if !unknown.is_empty() {
            tracing::warn!(file = %file.path.display(), keys = ?unknown, "these keys have no effect here");
        }
        read
    }

    fn problem(&mut self, origin: Origin, key: &str, message: impl Into<String>) {
        self.problems.push(Problem {
            origin,
            key: key.to_owned(),
            message: message.into(),
        });
    }

    /// Records a mistake in a setting.
    fn wrong(&mut self, setting: &Written, message: impl Into<String>) {
        self.problem(setting.origin.clone(), setting.name, message);
    }

    /// Records a mistake in the first of these settings that is set.
    pub(super) fn complain(&mut self, keys: &[Key], message: &str) {
        let given = keys.iter().find_map(|key| self.texts.get(key)).cloned();
        if let Some(setting) = given {
            self.wrong(&setting, message);
        }
    }

    /// Records that one of these keys is required and none is set. Records nothing if an earlier problem explains that, such as a
    /// file that could not be read.
    pub(super) fn missing(&mut self, keys: &[Key]) {
        let explains = |problem: &Problem| {
            let spelled = |key: &Key| key.spelling().file.contains(&&*problem.key);
            problem.key == "config_file" || keys.iter().any(spelled)
        };
        if self.problems.iter().any(explains) {
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

    /// The value of a setting that must be a short text without control characters.
    pub(super) fn name(&mut self, key: Key) -> Option<String> {
        self.line(key, MAX_NAME_BYTES)
    }

    /// A path of a file.
    pub(super) fn file(&mut self, key: Key) -> Option<PathBuf> {
        self.line(key, MAX_PATH_BYTES).map(PathBuf::from)
    }

    /// A text without control characters.
    fn line(&mut self, key: Key, limit: usize) -> Option<String> {
        let setting = self.texts.get(&key)?.clone();
        let text = &setting.text;
        let complaint = if text.is_empty() {
            "is blank".to_owned()
        } else if text.len() > limit {
            format!("is {} bytes long, {limit} are allowed", text.len())
        } else if text.chars().any(char::is_control) {
            "has control characters".to_owned()
        } else {
            return Some(setting.text);
        };
        self.wrong(&setting, complaint);
        None
    }

    /// The application's name, joined with namespace and cluster as the Java agent joins them since 8.10. If only one of the two is
    /// set, the other is empty; if neither is set, the name stands alone.
    pub(super) fn application_code(&mut self) -> Option<String> {
        let name = self.name(Key::ApplicationCode);
        let namespace = self.name(Key::Namespace);
        let cluster = self.name(Key::Cluster);
        let (name, given) = (name?, namespace.is_some() || cluster.is_some());
        if !given {
            return Some(name);
        }
        let [namespace, cluster] = [namespace, cluster].map(Option::unwrap_or_default);
        let joined = format!("{name}|{namespace}|{cluster}");
        if joined.len() > MAX_NAME_BYTES {
            let setting = self.texts.get(&Key::ApplicationCode)?.clone();
            let message = format!(
                "is {} bytes long with namespace and cluster, {MAX_NAME_BYTES} are allowed",
                joined.len()
            );
            self.wrong(&setting, message);
        }
        Some(joined)
    }

    /// The naming servers if there are any, otherwise the direct collectors (upstream's order). At least one address is required.
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

    /// The addresses in a comma-separated list of `host:port`, without duplicates.
    fn peers(&mut self, key: Key) -> Option<Vec<Peer>> {
        let setting = self.texts.get(&key)?.clone();
        let mut peers: Vec<Peer> = Vec::new();
        let parts = setting.text.split(',').map(str::trim);
        let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
        if parts.is_empty() {
            self.wrong(&setting, "has no host:port");
        }
        if parts.len() > MAX_MEMBERS {
            let message = format!("has {} entries, {MAX_MEMBERS} are allowed", parts.len());
            self.wrong(&setting, message);
            return Some(peers);
        }
        for part in parts {
            match Peer::configured(part) {
                Ok(peer) if peers.contains(&peer) => {}
                Ok(peer) => peers.push(peer),
                Err(error) => self.wrong(&setting, error.to_string()),
            }
        }
        Some(peers)
    }

    fn path(&mut self) -> String {
        let default = "/agent/gRPC".to_owned();
        let Some(setting) = self.texts.get(&Key::DiscoveryPath).cloned() else {
            return default;
        };
        let text = &setting.text;
        if text.starts_with('/') && text.parse::<http::uri::PathAndQuery>().is_ok() {
            return setting.text;
        }
        let message = format!("{text:?} is not a path that starts with /");
        self.wrong(&setting, message);
        default
    }

    pub(super) fn authentication(&mut self) -> Option<Authentication> {
        let setting = self.texts.get(&Key::Authentication)?.clone();
        let text = &setting.text;
        let visible = !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        match HeaderValue::from_str(text) {
            Ok(mut value) if visible => {
                value.set_sensitive(true);
                Some(Authentication(value))
            }
            // The message does not show the token.
            Ok(_) | Err(_) => {
                self.wrong(&setting, "is not visible ASCII text");
                None
            }
        }
    }

    /// A period or deadline. As text, it is a number of whole seconds.
    pub(super) fn duration(&mut self, key: Key, default_seconds: u64) -> Duration {
        let given = self.given.durations.get(&key).copied();
        if given.is_some() || !self.texts.contains_key(&key) {
            return self.given_duration(key.name(), given, default_seconds);
        }
        Duration::from_secs(self.number(key, default_seconds, LONGEST.as_secs(), "seconds"))
    }

    /// A period or deadline that was set through the builder, or its default.
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
        let Some(setting) = self.texts.get(&key).cloned() else {
            return default;
        };
        let text = &setting.text;
        match text.parse() {
            Ok(number) if (1..=most).contains(&number) => number,
            Ok(_) | Err(_) => {
                let message = format!("{text:?} is not a whole number of {unit} from 1 to {most}");
                self.wrong(&setting, message);
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
