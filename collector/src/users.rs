//! `rollcall-collector nacos hash-password`: prints a password hash for the file of users.

use std::io::{self, BufRead as _, Read as _};
use std::process::ExitCode;

use rollcall_nacos::auth;

use crate::{FAILURE, system};

/// The longest password, in bytes; bcrypt ignores further bytes.
const MAX_PASSWORD_BYTES: usize = 72;

/// Reads a password up to the end of the line, and prints its hash. The password is not an argument, because other users of the
/// machine can read arguments.
pub(crate) fn hash_password() -> ExitCode {
    let mut text = String::new();
    let mut input = io::stdin().lock().take(4 * 1024);
    if let Err(error) = input.read_line(&mut text) {
        return system::complain(&format!("cannot read a password: {error}"), FAILURE);
    }
    let password = text.lines().next().unwrap_or_default();
    if password.is_empty() || password.len() > MAX_PASSWORD_BYTES {
        let length = password.len();
        let problem = format!(
            "the password on standard input has {length} bytes; 1 to {MAX_PASSWORD_BYTES} are allowed"
        );
        return system::complain(&problem, system::BAD_USAGE);
    }
    let hash = auth::hash(password).map_err(|error| error.to_string());
    match hash.and_then(|hash| crate::print(&format!("{hash}\n")).map_err(|e| e.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => system::complain(&error, FAILURE),
    }
}
