//! Names, and what the parts of a service's key may contain.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// The namespace of clients that name none. The empty name means the same namespace.
pub const PUBLIC: &str = "public";
/// The group of services that are registered without one.
pub const DEFAULT_GROUP: &str = "DEFAULT_GROUP";
/// The cluster of instances that are registered without one.
pub const DEFAULT_CLUSTER: &str = "DEFAULT";

/// Separates the parts of a key. It cannot occur in a part, because parts may not contain control characters.
const SEPARATOR: char = '\0';

/// The key of a service: (namespace, group, name). One allocation, cheap to clone; ordered by its parts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceKey {
    text: Arc<str>,
    /// Where the group begins.
    group: u16,
    /// Where the name begins.
    name: u16,
}

/// A part of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The namespace of a service.
    Namespace,
    /// The group of a service.
    Group,
    /// The name of a service.
    Service,
    /// The cluster of an instance.
    Cluster,
    /// The address of an instance.
    Ip,
}

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Problem {
    /// It is empty and has no default.
    Empty,
    /// It has more bytes than [`Part::max_len`].
    TooLong,
    /// It contains whitespace or a control character.
    Whitespace,
    /// A cluster contains a comma, which separates clusters in a list.
    Comma,
    /// A service or group begins with `@`, or a group contains `@@`.
    At,
}

/// A name that the catalog does not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName {
    /// The part whose name is not valid.
    pub part: Part,
    /// Why it is not valid.
    pub problem: Problem,
    /// The name as it was given, cut to 64 characters.
    pub given: String,
}

impl ServiceKey {
    /// The key with these parts. An empty namespace is [`PUBLIC`], an empty group is [`DEFAULT_GROUP`].
    ///
    /// # Errors
    /// A part is too long, contains whitespace, control characters or a misplaced `@`, or the name is empty.
    pub fn new(namespace: &str, group: &str, name: &str) -> Result<Self, InvalidName> {
        let namespace = or(namespace, PUBLIC);
        let group = or(group, DEFAULT_GROUP);
        check(Part::Namespace, namespace)?;
        check(Part::Group, group)?;
        check(Part::Service, name)?;
        let mut text = String::with_capacity(namespace.len() + group.len() + name.len() + 2);
        text.push_str(namespace);
        text.push(SEPARATOR);
        let group_at = at(text.len());
        text.push_str(group);
        text.push(SEPARATOR);
        let name_at = at(text.len());
        text.push_str(name);
        Ok(Self {
            text: text.into(),
            group: group_at,
            name: name_at,
        })
    }

    /// The namespace; never empty.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.part(0, usize::from(self.group).saturating_sub(1))
    }

    /// The group; never empty.
    #[must_use]
    pub fn group(&self) -> &str {
        self.part(
            usize::from(self.group),
            usize::from(self.name).saturating_sub(1),
        )
    }

    /// The name without the group.
    #[must_use]
    pub fn name(&self) -> &str {
        self.part(usize::from(self.name), self.text.len())
    }

    /// Bytes of all parts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Always `false`: a key has parts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The smallest text of a key in this namespace, and in this group if one is given.
    pub(super) fn prefix(namespace: &str, group: Option<&str>) -> String {
        let mut text = format!("{}{SEPARATOR}", or(namespace, PUBLIC));
        if let Some(group) = group {
            text.push_str(or(group, DEFAULT_GROUP));
            text.push(SEPARATOR);
        }
        text
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn part(&self, from: usize, to: usize) -> &str {
        self.text.get(from..to).unwrap_or_default()
    }
}

/// Hashes like its text, as [`std::borrow::Borrow`] requires.
impl Hash for ServiceKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl std::borrow::Borrow<str> for ServiceKey {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// For operators: `namespace/group/name`.
impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace(), self.group(), self.name())
    }
}

impl Part {
    /// The most bytes that a name of this part may have.
    #[must_use]
    pub const fn max_len(self) -> usize {
        match self {
            Self::Namespace | Self::Group | Self::Ip => 128,
            Self::Service => 512,
            Self::Cluster => 64,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Group => "group",
            Self::Service => "service",
            Self::Cluster => "cluster",
            Self::Ip => "ip",
        }
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = self.part.name();
        let given = &self.given;
        match self.problem {
            Problem::Empty => write!(f, "{part} is empty: a name is required"),
            Problem::TooLong => write!(
                f,
                "{part} \"{given}\" is too long: at most {} bytes are allowed",
                self.part.max_len()
            ),
            Problem::Whitespace => write!(
                f,
                "{part} \"{given}\" contains whitespace or a control character"
            ),
            Problem::Comma => write!(
                f,
                "{part} \"{given}\" contains a comma, which separates clusters"
            ),
            Problem::At => write!(
                f,
                "{part} \"{given}\" begins with @, or a group contains @@"
            ),
        }
    }
}

impl std::error::Error for InvalidName {}

/// A namespace as the catalog stores it: an empty name is [`PUBLIC`].
///
/// # Errors
/// The name is too long or contains whitespace or control characters.
pub fn namespace_name(namespace: &str) -> Result<&str, InvalidName> {
    let namespace = or(namespace, PUBLIC);
    check(Part::Namespace, namespace)?;
    Ok(namespace)
}

/// A cluster as the catalog stores it: an empty name is [`DEFAULT_CLUSTER`].
///
/// # Errors
/// The name is too long, or contains whitespace, control characters or a comma (clients list clusters separated by commas).
pub fn cluster_name(cluster: &str) -> Result<&str, InvalidName> {
    let cluster = or(cluster, DEFAULT_CLUSTER);
    check(Part::Cluster, cluster)?;
    Ok(cluster)
}

pub(super) fn check(part: Part, text: &str) -> Result<(), InvalidName> {
    let refused = |problem| {
        Err(InvalidName {
            part,
            problem,
            given: text.chars().take(64).collect(),
        })
    };
    if text.is_empty() {
        return refused(Problem::Empty);
    }
    if text.len() > part.max_len() {
        return refused(Problem::TooLong);
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return refused(Problem::Whitespace);
    }
    if part == Part::Cluster && text.contains(',') {
        return refused(Problem::Comma);
    }
    let at_first = matches!(part, Part::Group | Part::Service) && text.starts_with('@');
    if at_first || (part == Part::Group && text.contains("@@")) {
        return refused(Problem::At);
    }
    Ok(())
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

/// A position in a key as stored. It fits, because the parts are far shorter than 64 KiB.
fn at(position: usize) -> u16 {
    u16::try_from(position).unwrap_or(u16::MAX)
}
