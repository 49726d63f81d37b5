use super::*;

fn event(id: &str, name: &str, data: &str) -> Event {
    Event {
        id: id.to_owned(),
        name: name.to_owned(),
        data: data.to_owned(),
    }
}

#[test]
fn events_are_read_however_they_are_cut() {
    let wire = ": connected\n\nid: 7-1\nevent: changed\ndata: {\"a\":1}\n\n: \n\ndata:x\r\ndata: y\r\n\r\n";
    for size in [1, 2, 3, 7, wire.len()] {
        let mut parser = Parser::default();
        let mut found = Vec::new();
        for part in wire.as_bytes().chunks(size) {
            parser.push(&Bytes::copy_from_slice(part)).unwrap();
            while let Some(event) = parser.next() {
                found.push(event);
            }
        }
        let expected = [event("7-1", "changed", "{\"a\":1}"), event("", "", "x\ny")];
        assert_eq!(found, expected, "in parts of {size} bytes");
    }
}

#[test]
fn an_event_without_an_end_is_not_held_for_ever() {
    let mut parser = Parser::default();
    let part = Bytes::from(vec![b'x'; 1 << 16]);
    let refused = (0..100).any(|_| parser.push(&part).is_err());
    assert!(refused && parser.arrived.len() < 2 * MAX_EVENT);
}
