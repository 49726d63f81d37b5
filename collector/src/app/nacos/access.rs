//! The authentication of Nacos callers: the configured users, and the secret that signs their tokens.

use std::{fs, io::Read};

use rollcall_catalog::store::{self, Table};
use rollcall_nacos::auth::{self, Auth};

use super::OpenError;
use crate::config;

/// The key of the generated secret in the store.
const SECRET: &str = "token_secret";
/// Bytes of a generated secret.
const SECRET_BYTES: usize = 64;

/// The authentication of callers. Without users every caller is served.
pub(super) fn authentication(
    config: &config::Nacos,
    users: Vec<auth::User>,
    store: &dyn store::Store<Table>,
) -> Result<Auth, OpenError> {
    if users.is_empty() {
        return Ok(Auth::off());
    }
    let secret = match config.token_secret.expose() {
        "" => kept_secret(store)?,
        secret => secret.as_bytes().to_vec(),
    };
    let ttl = config.token_ttl.as_secs();
    Auth::new(users, &secret, ttl).map_err(|error| OpenError::Secret(error.to_string()))
}

/// The users of the configured file; none if no file is configured.
pub(crate) fn users(config: &config::Nacos) -> Result<Vec<auth::User>, OpenError> {
    let path = &config.users_file;
    if path.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let problem = |reason: String| OpenError::Users {
        path: path.clone(),
        reason,
    };
    let text = fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
    let users = auth::parse_users(&text).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        problem(problems.join("; "))
    })?;
    if users.is_empty() {
        return Err(problem("the file has no user".to_owned()));
    }
    Ok(users)
}

/// The secret in the store, which is generated at the first start. If another collector that shares the store generates one first,
/// that one is used.
fn kept_secret(store: &dyn store::Store<Table>) -> Result<Vec<u8>, OpenError> {
    if let Some(secret) = stored_secret(store)? {
        return Ok(secret);
    }
    let mut secret = vec![0; SECRET_BYTES];
    let generated =
        fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut secret));
    generated.map_err(|error| OpenError::Secret(error.to_string()))?;
    let row = store::Change::Put(store::Row {
        table: Table::Face,
        key: SECRET.to_owned(),
        value: secret.clone(),
    });
    match store.commit(&[row]) {
        Ok(()) => Ok(secret),
        Err(error @ store::Error::Conflict) => stored_secret(store)?.ok_or(error.into()),
        Err(error) => Err(error.into()),
    }
}

fn stored_secret(store: &dyn store::Store<Table>) -> Result<Option<Vec<u8>>, OpenError> {
    Ok(store.get(Table::Face, SECRET)?)
}
