use futures_util::stream;

use super::*;

fn of(parts: &[&'static [u8]], max: usize) -> Messages {
    let parts: Vec<_> = parts
        .iter()
        .map(|part| Ok::<_, axum::Error>(*part))
        .collect();
    Messages::new(Body::from_stream(stream::iter(parts)), max)
}

async fn next(messages: &mut Messages) -> Result<Option<Bytes>, Status> {
    std::future::poll_fn(|context| messages.poll_next(context))
        .await
        .map_err(Broken::into_status)
}

#[tokio::test]
async fn messages_are_cut_where_they_end() {
    let mut messages = of(&[b"\0\0\0\0\x02ab\0\0", b"\0\0\x01c\0\0\0\0", b"\0"], 4);
    assert_eq!(next(&mut messages).await.unwrap().unwrap(), "ab");
    assert_eq!(next(&mut messages).await.unwrap().unwrap(), "c");
    assert_eq!(next(&mut messages).await.unwrap().unwrap(), "");
    assert_eq!(next(&mut messages).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_no_message_is_refused_with_a_status() {
    for (bytes, code) in [
        (&b"\0\0\0\0\x05abcde"[..], tonic::Code::OutOfRange),
        (b"\x01\0\0\0\x01a", tonic::Code::Internal),
        (b"\0\0\0\0\x02a", tonic::Code::Internal),
        (b"\0\0", tonic::Code::Internal),
    ] {
        assert_eq!(
            next(&mut of(&[bytes], 4)).await.unwrap_err().code(),
            code,
            "{bytes:?}"
        );
    }
}

#[tokio::test]
async fn a_unary_call_has_one_message() {
    assert_eq!(of(&[b"\0\0\0\0\x01a"], 4).only().await.unwrap(), "a");
    assert!(of(&[], 4).only().await.is_err());
    assert!(
        of(&[b"\0\0\0\0\x01a\0\0\0\0\x01b"], 4)
            .only()
            .await
            .is_err()
    );
}
