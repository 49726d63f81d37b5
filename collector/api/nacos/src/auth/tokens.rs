//! Tokens: JWTs with `sub` and `exp`, signed with HMAC-SHA256.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::Denied;

/// The shortest secret, in bytes.
pub const MIN_SECRET: usize = 32;
/// The default time for which a token is valid, in seconds, as in the reference.
pub(super) const DEFAULT_TTL: u64 = 18_000;
/// `{"alg":"HS256"}`. No other header is accepted, so a token cannot choose its algorithm.
const HEADER: &str = "eyJhbGciOiJIUzI1NiJ9";
/// The longest token that is verified; a longer one is invalid.
const MAX_TOKEN: usize = 4096;

/// The secret for tokens is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret for tokens has {0} bytes; it needs {MIN_SECRET} or more")]
pub struct SecretTooShort(pub usize);

/// Issues and verifies tokens.
pub(super) struct Tokens {
    key: hmac::Key,
    ttl: u64,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
}

impl Tokens {
    pub(super) fn new(secret: &[u8], ttl: u64) -> Result<Self, SecretTooShort> {
        if secret.len() < MIN_SECRET {
            return Err(SecretTooShort(secret.len()));
        }
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            ttl,
        })
    }

    pub(super) const fn ttl(&self) -> u64 {
        self.ttl
    }

    /// A token for `user`, valid for the configured time after `now`.
    pub(super) fn issue(&self, user: &str, now: u64) -> String {
        let claims = serde_json::json!({ "sub": user, "exp": now.saturating_add(self.ttl) });
        let signed = format!(
            "{HEADER}.{}",
            URL_SAFE_NO_PAD.encode(claims.to_string().as_bytes())
        );
        let signature = hmac::sign(&self.key, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Verifies a token and returns its user. The signature is compared in constant time.
    pub(super) fn verify(&self, token: &str, now: u64) -> Result<String, Denied> {
        let claims = self.claims(token).ok_or(Denied::TokenInvalid)?;
        if claims.exp <= now {
            return Err(Denied::TokenExpired);
        }
        Ok(claims.sub)
    }

    fn claims(&self, token: &str) -> Option<Claims> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.key, signed.as_bytes(), &signature).ok()?;
        if header != HEADER {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
