use super::*;

fn parts(bodies: &[&[u8]]) -> Parts {
    let mut parts = Parts::default();
    for body in bodies {
        parts.add(Bytes::copy_from_slice(body));
    }
    parts
}

#[test]
fn a_body_is_the_same_in_any_parts() {
    assert_eq!(Parts::default().join(), Bytes::new());
    let single = parts(&[b"abc"]);
    assert_eq!((single.len(), single.copied()), (3, 0));
    assert_eq!(single.join(), "abc");
    let several = parts(&[b"abc", b"", b"d", &[b'e'; 200_000]]);
    assert_eq!((several.len(), several.copied()), (200_004, 200_004));
    let whole = several.join();
    assert!(whole.starts_with(b"abcde") && whole.len() == 200_004);
}

#[test]
fn a_body_of_single_bytes_takes_little_more_than_its_bytes() {
    let mut parts = Parts::default();
    for _ in 0..1 << 20 {
        parts.add(Bytes::from_static(b"x"));
    }
    let held: usize = parts.full.iter().map(Bytes::len).sum();
    let held = held + parts.block.capacity();
    assert!(held <= (1 << 20) + LARGEST_BLOCK, "{held}");
    assert!(parts.full.len() < 100, "{} blocks", parts.full.len());
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_all_of_it_is_held() {
    let body = || Body::from("x".repeat(101));
    let limits = |max_body_size| Limits {
        max_body_size,
        ..Limits::default()
    };
    let read = Parts::collect(body(), &limits(101)).await;
    assert_eq!(read.unwrap().len(), 101);
    assert!(Parts::collect(body(), &limits(100)).await.is_err());
}
