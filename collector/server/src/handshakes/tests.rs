use super::*;

fn peer(last: u8) -> Peer {
    Peer::new([10, 0, 0, last].into())
}

#[test]
fn the_newest_handshake_displaces_the_oldest() {
    let handshakes = Handshakes::new(4);
    let all: Vec<_> = (0..6).map(|last| handshakes.enter(peer(last))).collect();
    let displaced = |handshake: &Handshake| handshake.replaced.is_cancelled();
    let expected = [true, true, false, false, false, false];
    assert_eq!(all.iter().map(displaced).collect::<Vec<_>>(), expected);
    assert_eq!(handshakes.count(), 4);
    drop(all);
    assert_eq!(handshakes.count(), 0);
}

#[test]
fn a_peer_beyond_its_share_displaces_its_own_handshakes_only() {
    let handshakes = Handshakes::new(4);
    let honest = handshakes.enter(peer(1));
    let flood: Vec<_> = (0..100).map(|_| handshakes.enter(peer(2))).collect();
    assert!(!honest.replaced.is_cancelled());
    let open = flood
        .iter()
        .filter(|it| !it.replaced.is_cancelled())
        .count();
    assert_eq!((open, handshakes.count()), (3, 4));
}
