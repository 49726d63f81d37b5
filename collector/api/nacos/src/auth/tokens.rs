//! Tokens: JWTs with `sub` and `exp`, signed with HMAC-SHA256.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::Denied;

/// The shortest secret, in bytes.
pub const MIN_SECRET: usize = 32;
/// The validity of a token if none is configured, in seconds: the reference's.
pub(super) const DEFAULT_TTL: u64 = 18_000;
/// `{"alg":"HS256"}`. No other header is accepted, so no token chooses its own algorithm.
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

    /// The user that a token was issued to. The signature is compared in constant time.
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
mod tests {
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    #[test]
    fn a_token_is_valid_until_its_life_ends() {
        let tokens = Tokens::new(SECRET, 100).unwrap();
        let token = tokens.issue("orders", 1_000);
        assert_eq!(tokens.verify(&token, 1_000), Ok("orders".to_owned()));
        assert_eq!(tokens.verify(&token, 1_099), Ok("orders".to_owned()));
        assert_eq!(tokens.verify(&token, 1_100), Err(Denied::TokenExpired));
    }

    #[test]
    fn any_change_makes_a_token_invalid() {
        let tokens = Tokens::new(SECRET, 100).unwrap();
        let token = tokens.issue("orders", 1_000);
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(
                tokens.verify(&changed, 1_000),
                Err(Denied::TokenInvalid),
                "{at}"
            );
        }
        for other in [
            "",
            ".",
            "..",
            "a.b",
            &token[..token.len() - 1],
            &"x".repeat(5000),
        ] {
            assert_eq!(tokens.verify(other, 1_000), Err(Denied::TokenInvalid));
        }
    }

    #[test]
    fn a_token_without_a_signature_or_of_another_secret_is_invalid() {
        let tokens = Tokens::new(SECRET, 100).unwrap();
        let other = Tokens::new(b"another secret of thirty-two byte", 100).unwrap();
        assert_eq!(
            tokens.verify(&other.issue("orders", 1_000), 1_000),
            Err(Denied::TokenInvalid)
        );
        // {"alg":"none"}.{"sub":"orders","exp":9999999999}.
        let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJvcmRlcnMiLCJleHAiOjk5OTk5OTk5OTl9.";
        assert_eq!(tokens.verify(none, 1_000), Err(Denied::TokenInvalid));
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert!(matches!(
            Tokens::new(&SECRET[1..], 1),
            Err(SecretTooShort(31))
        ));
    }
}
