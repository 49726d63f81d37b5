use std::io::Read as _;

use flate2::read::GzDecoder;

use super::*;

fn push_of(list: &str, id: u64) -> Option<Bytes> {
    let Encoded { head, tail } = prepare(list.as_bytes());
    let body = Body {
        head,
        tail,
        exists: true,
        revision: 1,
        stamp: rollcall_domain::Timestamp::from_millis(77),
    };
    push(&body, 10_000, id)
}

fn is_compressed(datagram: &[u8]) -> bool {
    datagram.starts_with(&[0x1f, 0x8b])
}

fn read(datagram: &[u8]) -> Value {
    let mut text = Vec::new();
    if is_compressed(datagram) {
        GzDecoder::new(datagram).read_to_end(&mut text).unwrap();
    } else {
        text.extend_from_slice(datagram);
    }
    serde_json::from_slice(&text).unwrap()
}

fn noise(length: usize) -> String {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap())
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn the_list_is_a_text_within_the_push() {
    let pushed = read(&push_of(r#"{"hosts":[],"name":"g@@\"s\"名""#, 42).unwrap());
    assert_eq!(pushed["type"], "dom");
    assert_eq!(pushed["lastRefTime"], 42);
    let list: Value = serde_json::from_str(pushed["data"].as_str().unwrap()).unwrap();
    let expected = serde_json::json!({
        "hosts": [], "name": "g@@\"s\"名", "cacheMillis": 10_000, "lastRefTime": 77, "env": ""
    });
    assert_eq!(list, expected);
}

#[test]
fn a_push_of_a_kibibyte_is_compressed_and_a_smaller_one_is_not() {
    let around = push_of(r#"{"x":"""#, 1).unwrap().len();
    for (length, compressed) in [
        (1023 - around, false),
        (1024 - around, true),
        (2_000, true),
        (50_000, true),
        (300_000, true),
    ] {
        let list = format!(r#"{{"x":"{}""#, "y".repeat(length));
        let datagram = push_of(&list, 1).unwrap();
        assert_eq!(is_compressed(&datagram), compressed, "{length}");
        let data = read(&datagram)["data"].as_str().unwrap().to_owned();
        assert!(data.starts_with(&list) && data.ends_with('}'));
    }
}

#[test]
fn text_of_every_length_survives() {
    let noise = noise(6_000);
    for length in (900..6_000).step_by(37) {
        let list = format!(r#"{{"x":"{}""#, &noise[..length]);
        let data = read(&push_of(&list, 9).unwrap())["data"].to_string();
        assert!(data.contains(&noise[..length]), "{length}");
    }
}

#[test]
fn a_list_that_fits_no_datagram_is_not_pushed() {
    assert!(push_of(&noise(200_000), 1).is_none());
    assert!(push_of(&"x".repeat(MAX_TEXT + 1), 1).is_none());
}

#[test]
fn java_acknowledges_with_a_text_and_node_with_a_number() {
    for (ack, id) in [
        (
            r#"{"type": "push-ack", "lastRefTime":"42", "data":""}"#,
            Some(42),
        ),
        (
            r#"{"type":"push-ack","lastRefTime":42,"data":""}"#,
            Some(42),
        ),
        (
            r#"{"type":"dump-ack","lastRefTime":"42","data":"{}"}"#,
            None,
        ),
        (r#"{"type":"push-ack","lastRefTime":"x"}"#, None),
        (r#"{"type":"push-ack","lastRefTime":-1}"#, None),
        (r#"{"type":"push-ack"}"#, None),
        ("{", None),
        ("[]", None),
        ("", None),
    ] {
        assert_eq!(acknowledged(ack.as_bytes()), id, "{ack}");
    }
    assert_eq!(acknowledged(&[0xff; 100]), None);
    assert_eq!(acknowledged("[".repeat(4_000).as_bytes()), None);
}
