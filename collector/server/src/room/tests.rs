use super::*;

fn peer(last: u8) -> Peer {
    Peer::new([10, 0, 0, last].into())
}

#[test]
fn descriptors_are_reserved_for_the_process_and_for_brief_connections() {
    for (open_files, listeners, least) in [
        (64, 5, 5),
        (256, 3, 128),
        (1024, 5, 600),
        (1 << 20, 5, 1 << 19),
    ] {
        let room = Room::new(Some(open_files), listeners, usize::MAX);
        let brief = listeners * (2 * room.0.brief + 1);
        let own = open_files - brief - room.limit();
        assert!(room.limit() >= least, "{room:?}");
        assert!(
            room.0.brief >= 1 && own >= 32,
            "{own} of {open_files}: {room:?}"
        );
    }
    // Too few descriptors for the process, but they are still divided.
    assert_eq!(Room::new(Some(8), 5, 100).limit(), 1);
    assert!(Room::new(None, 5, 100).limit() > 1 << 30);
}

#[test]
fn a_peer_has_its_share_and_never_all_of_it() {
    let room = Room::new(Some(256), 3, 1000);
    let per_peer = room.per_peer();
    assert!(per_peer < room.limit() && per_peer > room.limit() / 2);
    let mut places: Vec<Place> = (0..per_peer)
        .map(|_| room.enter(peer(1)).unwrap())
        .collect();
    assert_eq!(room.enter(peer(1)).unwrap_err(), Full::Peer);
    places.extend((per_peer..room.limit()).map(|_| room.enter(peer(2)).unwrap()));
    assert_eq!(room.enter(peer(3)).unwrap_err(), Full::Descriptors);
    assert_eq!(room.taken(), room.limit());
    places.remove(0);
    places.push(room.enter(peer(1)).unwrap());
    drop(places);
    assert_eq!(room.taken(), 0);
    assert!(room.0.taken.lock().peers.is_empty());
    assert_eq!(Room::new(Some(1024), 3, 7).per_peer(), 7);
}

#[test]
fn the_newest_brief_connection_takes_the_place_of_the_oldest() {
    let briefs = Room::new(Some(64), 1, 1).briefs();
    let places = briefs.0.places.lock().places;
    let mut held: VecDeque<Brief> = (0..places).map(|_| briefs.enter().unwrap()).collect();
    assert!(held.iter().all(|brief| !brief.replaced.is_cancelled()));
    let newer = briefs.enter().unwrap();
    assert!(held[0].replaced.is_cancelled());
    // A connection that ends by itself frees its place. Waiting for cancelled ones is bounded.
    drop(held.pop_front());
    drop(newer);
    held.push_back(briefs.enter().unwrap());
    assert_eq!(
        held.iter()
            .filter(|brief| brief.replaced.is_cancelled())
            .count(),
        0
    );
    let stubborn: Vec<Brief> = (0..places).map(|_| briefs.enter().unwrap()).collect();
    assert!(briefs.enter().is_none());
    drop((held, stubborn));
    let places = briefs.0.places.lock();
    assert_eq!((places.open, places.oldest_first.len()), (0, 0));
}
