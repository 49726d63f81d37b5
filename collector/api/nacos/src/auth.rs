//! Users, passwords, tokens and rights, for all faces.
//!
//! A caller signs in with a name and a password, gets a token, and sends the token with each call. It may also send the name and
//! the password with each call, as Node does. Passwords are stored as bcrypt hashes, so rows of a real server's `users` table work
//! unchanged. Tokens are JWTs signed with HMAC-SHA256. They are not stored; any collector with the same secret accepts them.
//!
//! Without configured users, every caller may do everything. There is no default user, password or secret, and no header or user
//! agent bypasses the checks.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

mod passwords;
mod refusals;
mod rights;
mod tokens;
mod users;

use passwords::Passwords;
use refusals::Refusals;
use tokens::Tokens;

pub use passwords::hash;
pub use rights::{ALL, Action, Rights};
pub use tokens::{MIN_SECRET, SecretTooShort};
pub use users::{Problem, User, parse as parse_users};

/// Identifies callers. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Auth(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    users: HashMap<String, User>,
    passwords: Passwords,
    refusals: Refusals,
    tokens: Tokens,
}

/// The credentials of a call. An empty text counts as absent.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// The value of `Authorization`.
    pub authorization: Option<&'a str>,
    /// `accessToken`.
    pub access_token: Option<&'a str>,
    /// `username`.
    pub username: Option<&'a str>,
    /// `password`.
    pub password: Option<&'a str>,
}

/// The rights of an identified caller.
#[derive(Clone, Debug)]
pub struct Caller(Option<Rights>);

/// The result of a successful sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The token for later calls; empty if no authentication is configured.
    pub access_token: String,
    /// Its validity in seconds.
    pub token_ttl: u64,
    /// Whether the user may do everything.
    pub global_admin: bool,
    /// The user's name.
    pub username: String,
}

/// Why a caller is refused. The texts are those of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No credentials, or a name and password that do not match.
    #[error("unknown user!")]
    UnknownUser,
    /// The token was not signed with this server's secret.
    #[error("token invalid!")]
    TokenInvalid,
    /// The token has expired.
    #[error("token expired!")]
    TokenExpired,
    /// The user lacks the right to make the call.
    #[error("authorization failed!")]
    Forbidden,
    /// Too many passwords are being checked.
    #[error("too many sign-ins are under way, please try again later!")]
    Busy,
}

// === impl Auth ===

impl Auth {
    /// Turns authentication off: every caller may do everything.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Admits only these users. Tokens are signed with `secret` and valid for `token_ttl` seconds.
    ///
    /// # Errors
    /// The secret is shorter than [`MIN_SECRET`] bytes.
    pub fn new(users: Vec<User>, secret: &[u8], token_ttl: u64) -> Result<Self, SecretTooShort> {
        Ok(Self(Some(Arc::new(Inner {
            tokens: Tokens::new(secret, token_ttl)?,
            passwords: Passwords::new(&users),
            refusals: Refusals::default(),
            users: users
                .into_iter()
                .map(|user| (user.name.clone(), user))
                .collect(),
        }))))
    }

    /// Whether callers have to sign in.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The number of passwords that are being checked; each occupies a thread.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |inner| inner.passwords.under_way())
    }

    /// The caller with these credentials; `now` is in seconds since 1970. The number of passwords checked at a time is limited for
    /// each peer; a call without an address has no such limit.
    ///
    /// # Errors
    /// The credentials are missing, wrong or expired, or too many passwords are being checked.
    pub async fn identify(
        &self,
        peer: Option<IpAddr>,
        sent: Credentials<'_>,
        now: u64,
    ) -> Result<Caller, Denied> {
        let Some(inner) = &self.0 else {
            return Ok(Caller(None));
        };
        let user = if let Some(token) = sent.token() {
            let name = inner.tokens.verify(token, now)?;
            inner.users.get(&name).ok_or(Denied::TokenInvalid)?
        } else {
            let name = sent.username.unwrap_or_default();
            let password = sent.password.unwrap_or_default();
            inner.sign_in(peer, name, password, now).await?
        };
        Ok(Caller(Some(user.rights.clone())))
    }

    /// Signs a user in. Without configured authentication every name succeeds, because clients with a configured password always
    /// sign in. The limit for each peer is that of [`Auth::identify`].
    ///
    /// # Errors
    /// The password is wrong, the user is unknown, or too many passwords are being checked.
    pub async fn login(
        &self,
        peer: Option<IpAddr>,
        name: &str,
        password: &str,
        now: u64,
    ) -> Result<Session, Denied> {
        let Some(inner) = &self.0 else {
            return Ok(Session {
                access_token: "AUTH_DISABLED".to_owned(),
                token_ttl: tokens::DEFAULT_TTL,
                global_admin: true,
                username: name.to_owned(),
            });
        };
        let user = inner.sign_in(peer, name, password, now).await?;
        Ok(Session {
            access_token: inner.tokens.issue(name, now),
            token_ttl: inner.tokens.ttl(),
            global_admin: user.rights.is_admin(),
            username: name.to_owned(),
        })
    }
}

impl Inner {
    async fn sign_in(
        &self,
        peer: Option<IpAddr>,
        name: &str,
        password: &str,
        now: u64,
    ) -> Result<&User, Denied> {
        let user = self.users.get(name);
        let hash = user.map(|user| user.hash.as_str());
        let is_right = self.passwords.check(peer, name, password, hash).await?;
        match user.filter(|_| is_right) {
            Some(user) => Ok(user),
            None => {
                self.refusals.log(peer, name, now);
                Err(Denied::UnknownUser)
            }
        }
    }
}

// === impl Caller ===

impl Caller {
    /// Whether this caller may do `action` in a group of a namespace.
    ///
    /// # Errors
    /// [`Denied::Forbidden`] if not.
    pub fn check(&self, action: Action, namespace: &str, group: &str) -> Result<(), Denied> {
        match &self.0 {
            Some(rights) if !rights.allow(action, namespace, group) => Err(Denied::Forbidden),
            _ => Ok(()),
        }
    }

    /// Whether this caller may make calls that concern the whole server.
    ///
    /// # Errors
    /// [`Denied::Forbidden`] if not.
    pub fn check_admin(&self) -> Result<(), Denied> {
        match &self.0 {
            Some(rights) if !rights.is_admin() => Err(Denied::Forbidden),
            _ => Ok(()),
        }
    }
}

// === impl Credentials ===

impl<'a> Credentials<'a> {
    fn token(&self) -> Option<&'a str> {
        let bearer = self.authorization.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        bearer
            .filter(|token| !token.is_empty())
            .or_else(|| self.access_token.filter(|token| !token.is_empty()))
    }
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
