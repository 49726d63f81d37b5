//! The rights of a user: to read or write, in which namespaces and groups.

use std::sync::Arc;

/// Stands for all namespaces or all groups, both in the rights of a user and in the names that a call touches. Only a right to all
/// covers a call that touches all.
pub const ALL: &str = "*";

/// The effect of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It changes nothing.
    Read,
    /// It changes something; a heartbeat does too.
    Write,
}

/// The rights of one user. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights(Arc<Kind>);

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Admin,
    Some(Vec<Right>),
}

#[derive(Debug, PartialEq, Eq)]
struct Right {
    namespace: Pattern,
    group: Pattern,
    read: bool,
    write: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Pattern {
    Any,
    Only(String),
}

impl Rights {
    /// Parses the word `admin`, or words such as `public=rw`, `dev/ORDERS=r` and `*=r`.
    ///
    /// # Errors
    /// Returns the first word that is none of these.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut rights = Vec::new();
        for word in words {
            if word == "admin" {
                return Ok(Self(Arc::new(Kind::Admin)));
            }
            rights.push(Right::parse(word).ok_or_else(|| word.to_owned())?);
        }
        Ok(Self(Arc::new(Kind::Some(rights))))
    }

    /// Whether the user may do everything.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        *self.0 == Kind::Admin
    }

    /// Whether the user may do `action` in a group of a namespace; the blank namespace is `public`.
    #[must_use]
    pub fn allow(&self, action: Action, namespace: &str, group: &str) -> bool {
        let namespace = if namespace.is_empty() {
            "public"
        } else {
            namespace
        };
        match &*self.0 {
            Kind::Admin => true,
            Kind::Some(rights) => rights.iter().any(|right| {
                right.permits(action)
                    && right.namespace.matches(namespace)
                    && right.group.matches(group)
            }),
        }
    }
}

impl Right {
    fn parse(word: &str) -> Option<Self> {
        let (place, actions) = word.rsplit_once('=')?;
        let (namespace, group) = place.split_once('/').unwrap_or((place, ALL));
        let (read, write) = match actions {
            "r" => (true, false),
            "w" => (false, true),
            "rw" => (true, true),
            _ => return None,
        };
        (!namespace.is_empty() && !group.is_empty()).then(|| Self {
            namespace: Pattern::parse(namespace),
            group: Pattern::parse(group),
            read,
            write,
        })
    }

    const fn permits(&self, action: Action) -> bool {
        match action {
            Action::Read => self.read,
            Action::Write => self.write,
        }
    }
}

impl Pattern {
    fn parse(text: &str) -> Self {
        match text {
            ALL => Self::Any,
            only => Self::Only(only.to_owned()),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(only) => only == text,
        }
    }
}

#[cfg(test)]
mod tests;
