//! Checks passwords. A check is deliberately slow, so only a few run at a time.
//!
//! A client may send its name and password with every call, so the last correct password of each user is kept as a keyed digest.
//! The key is generated when the process starts and never leaves it.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use rollcall_limits::Peer;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task,
};

use super::{Denied, User};

/// The most passwords that are hashed at the same time.
const AT_A_TIME: usize = 2;
/// The most calls whose password waits for hashing or is being hashed; further calls are refused.
const WAITING: usize = 64;
/// The most of these calls from one address.
const WAITING_PER_PEER: usize = 8;
/// The longest password. bcrypt reads 72 bytes, so a longer password matches no hash.
const MAX_PASSWORD: usize = 1024;
/// The cost of new hashes, as in the reference.
const COST: u32 = 10;

/// Checks passwords against hashes.
pub(super) struct Passwords {
    /// One permit for each call whose password may wait or be hashed.
    admitted: Arc<Semaphore>,
    hashing: Arc<Semaphore>,
    running: Arc<AtomicUsize>,
    /// The number of such calls by peer. It has no more entries than there are permits.
    waiting: Arc<Mutex<HashMap<Peer, usize>>>,
    key: Option<hmac::Key>,
    /// The digest of the last correct password by user. Its size is bounded by the configured users.
    right: Mutex<HashMap<String, hmac::Tag>>,
    /// The hash of the first user. The password of an unknown user is checked against it, so that the answer takes as long as for
    /// a known user.
    decoy: String,
}

/// The bcrypt hash of a password, for the file of users.
///
/// # Errors
/// The system has no random numbers, or the password holds a zero byte.
pub fn hash(password: &str) -> Result<String, bcrypt::BcryptError> {
    bcrypt::hash(password, COST)
}

impl Passwords {
    pub(super) fn new(users: &[User]) -> Self {
        let mut key = [0; 32];
        let key = SystemRandom::new()
            .fill(&mut key)
            .is_ok()
            .then(|| hmac::Key::new(hmac::HMAC_SHA256, &key));
        Self {
            admitted: Arc::new(Semaphore::new(WAITING)),
            hashing: Arc::new(Semaphore::new(AT_A_TIME)),
            running: Arc::default(),
            waiting: Arc::default(),
            key,
            right: Mutex::default(),
            decoy: users
                .first()
                .map_or_else(String::new, |user| user.hash.clone()),
        }
    }

    /// Whether `hash` is the hash of `password`. A `hash` of `None` stands for a user who does not exist.
    pub(super) async fn check(
        &self,
        peer: Option<IpAddr>,
        user: &str,
        password: &str,
        hash: Option<&str>,
    ) -> Result<bool, Denied> {
        if password.is_empty() || password.len() > MAX_PASSWORD {
            return Ok(false);
        }
        if hash.is_some() && self.was_right(user, password) {
            return Ok(true);
        }
        let known = hash.is_some();
        let slot = self.slot(peer).ok_or(Denied::Busy)?;
        let turn = Arc::clone(&self.hashing).acquire_owned().await;
        let hash = hash.unwrap_or(&self.decoy).to_owned();
        let sent = password.to_owned();
        // The hash keeps its place until it is done, even if the caller no longer waits for it.
        let running = Arc::clone(&self.running);
        let check = move || {
            let _held = (slot, turn);
            running.fetch_add(1, Relaxed);
            let checked = bcrypt::verify(sent, &hash);
            running.fetch_sub(1, Relaxed);
            checked
        };
        let checked = task::spawn_blocking(check).await;
        let is_right = known && matches!(checked, Ok(Ok(true)));
        if let (true, Some(key)) = (is_right, &self.key) {
            let tag = hmac::sign(key, password.as_bytes());
            self.right.lock().insert(user.to_owned(), tag);
        }
        Ok(is_right)
    }

    /// A place for another call from this address or its /64 network; `None` if all places are taken.
    fn slot(&self, peer: Option<IpAddr>) -> Option<Slot> {
        let peer = peer.map(Peer::new);
        let permit = Arc::clone(&self.admitted).try_acquire_owned().ok()?;
        if let Some(peer) = peer {
            let mut waiting = self.waiting.lock();
            let count = waiting.entry(peer).or_default();
            if *count >= WAITING_PER_PEER {
                return None;
            }
            *count += 1;
        }
        Some(Slot {
            _permit: permit,
            peer,
            waiting: Arc::clone(&self.waiting),
        })
    }

    /// How many passwords are being hashed.
    pub(super) fn under_way(&self) -> usize {
        self.running.load(Relaxed)
    }

    fn was_right(&self, user: &str, password: &str) -> bool {
        let tag = self.right.lock().get(user).copied();
        let (Some(key), Some(tag)) = (&self.key, tag) else {
            return false;
        };
        hmac::verify(key, password.as_bytes(), tag.as_ref()).is_ok()
    }
}

/// The place of a call whose password waits or is being hashed.
struct Slot {
    _permit: OwnedSemaphorePermit,
    peer: Option<Peer>,
    waiting: Arc<Mutex<HashMap<Peer, usize>>>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(peer) = self.peer else {
            return;
        };
        let mut waiting = self.waiting.lock();
        if let Some(count) = waiting.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&peer);
            }
        }
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}
