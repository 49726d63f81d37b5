//! Log lines about failed sign-ins: at most one for each peer in ten seconds, and a bounded number of peers in that time.

use std::{collections::HashMap, net::IpAddr};

use parking_lot::Mutex;
use rollcall_limits::Peer;

/// The time between two lines about one peer, in seconds.
const PAUSE: u64 = 10;
/// The most peers with a line in that time; failures of further peers are not logged.
const MAX_PEERS: usize = 256;
/// The most characters of a name in a line.
const MAX_NAME: usize = 64;

/// When the last line about each peer was logged, in seconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<Option<Peer>, u64>>);

impl Refusals {
    /// Logs a sign-in that failed. The password is never logged.
    pub(super) fn log(&self, peer: Option<IpAddr>, name: &str, now: u64) {
        if !self.admits(peer, now) {
            return;
        }
        let peer = peer.map(|peer| peer.to_string());
        let name: String = name.chars().take(MAX_NAME).collect();
        tracing::info!(
            peer,
            name,
            "a Nacos client failed to sign in: its name or password is not in the file of users"
        );
    }

    fn admits(&self, peer: Option<IpAddr>, now: u64) -> bool {
        let mut logged = self.0.lock();
        logged.retain(|_, at| now.abs_diff(*at) < PAUSE);
        let peer = peer.map(Peer::new);
        if logged.len() >= MAX_PEERS || logged.contains_key(&peer) {
            return false;
        }
        logged.insert(peer, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_peer_has_one_line_in_ten_seconds_and_the_peers_are_bounded() {
        let refusals = Refusals::default();
        let peer = |number: u32| Some(IpAddr::V4(Ipv4Addr::from_bits(number)));
        assert!(refusals.admits(peer(1), 100));
        assert!(refusals.admits(None, 100));
        assert!(!refusals.admits(peer(1), 109));
        assert!(refusals.admits(peer(2), 109));
        assert!(refusals.admits(peer(1), 110));
        let logged = (3..1000).filter(|number| refusals.admits(peer(*number), 110));
        assert_eq!(logged.count(), MAX_PEERS - 2);
        assert!(refusals.admits(peer(3), 120));
    }
}
