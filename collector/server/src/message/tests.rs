use bytes::Bytes;

use super::{LARGEST_BLOCK, Messages, PREFIX, SMALLEST_BLOCK};

const MAX: usize = 1 << 20;

fn message(length: usize) -> Vec<u8> {
    let announced = u32::try_from(length).unwrap().to_be_bytes();
    let content = (0..length).map(|at| u8::try_from(at % 251).unwrap());
    [0].into_iter().chain(announced).chain(content).collect()
}

/// All bytes returned while `bytes` arrive in parts of `size`.
fn handed_over(messages: &mut Messages, bytes: &[u8], size: usize) -> Vec<u8> {
    let mut all = Vec::new();
    for part in bytes.chunks(size) {
        messages.push(Bytes::copy_from_slice(part));
        while let Some(piece) = messages.next() {
            all.extend(piece);
        }
    }
    all
}

#[test]
fn messages_are_whole_in_any_parts() {
    let lengths = [0, 1, 4, 5, 600, 16_384, 0, 200_000, 3];
    let bytes: Vec<u8> = lengths.into_iter().flat_map(message).collect();
    for size in [1, 2, 3, 5, 6, 7, 1000, 16_384, 1 << 20] {
        let mut messages = Messages::new(MAX);
        assert!(handed_over(&mut messages, &bytes, size) == bytes, "{size}");
        assert!(!messages.is_partial(), "{size}");
        assert_eq!(messages.held(), 0, "{size}");
    }
}

#[test]
fn no_byte_of_a_message_is_returned_before_its_last_has_arrived() {
    let bytes = [message(10), message(100_000)].concat();
    let (last, before) = bytes.split_last().unwrap();
    let mut messages = Messages::new(MAX);
    assert!(handed_over(&mut messages, before, 1000) == message(10));
    assert!(messages.is_partial());
    assert!(handed_over(&mut messages, &[*last], 1) == message(100_000));
}

#[test]
fn an_announced_length_takes_no_memory() {
    let mut messages = Messages::new(MAX);
    handed_over(&mut messages, &message(MAX)[..PREFIX], 1);
    assert!(messages.held() <= SMALLEST_BLOCK, "{}", messages.held());
    handed_over(&mut messages, &message(MAX)[PREFIX..300_000], 10_000);
    let held = messages.held();
    assert!(
        (300_000..300_000 + LARGEST_BLOCK).contains(&held),
        "{held} bytes for 300,000"
    );
}

#[test]
fn a_message_beyond_the_limit_is_left_to_the_decoder_at_once() {
    for size in [1, 3, 100] {
        let mut messages = Messages::new(MAX);
        let bytes = [message(3), message(MAX + 1)[..20].to_vec()].concat();
        assert!(handed_over(&mut messages, &bytes, size) == bytes, "{size}");
    }
}

#[test]
fn an_incomplete_message_leaves_one_byte() {
    let mut messages = Messages::new(MAX);
    handed_over(&mut messages, &message(100)[..50], 50);
    assert_eq!(messages.end().unwrap(), &[0][..]);
    assert_eq!(messages.end(), None);
}
