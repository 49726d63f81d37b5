use bytes::{BufMut, BytesMut};
use proptest::prelude::*;

use super::{super::Op, *};

#[test]
fn a_failed_transaction_names_the_step_that_failed_and_its_error() {
    let answer = |steps: &[(i32, bool, i32, Option<i32>)]| {
        let mut frame = BytesMut::new();
        for (kind, done, error, result) in steps {
            frame.put_i32(*kind);
            frame.put_u8((*done).into());
            frame.put_i32(*error);
            frame.extend(result.iter().flat_map(|result| result.to_be_bytes()));
        }
        failed_step(&mut frame.freeze())
    };
    let end = (NO_STEP, true, -1, None);
    assert_eq!(
        answer(&[(Op::Delete as i32, false, 0, None), end]),
        Ok(None)
    );
    let failed = [
        (NO_STEP, false, 0, Some(0)),
        (NO_STEP, false, -110, Some(-110)),
        (NO_STEP, false, -2, Some(-2)),
        end,
    ];
    assert_eq!(answer(&failed), Ok(Some((1, -110))));
}

#[test]
fn null_is_read_as_nothing() {
    assert_eq!(bytes(&mut Bytes::from_static(&[255; 4])), Ok(Bytes::new()));
}

proptest! {
    #[test]
    fn no_frame_panics(frame: Vec<u8>) {
        let frame = Bytes::from(frame);
        let _read = (
            opened(frame.clone()),
            head(&mut frame.clone()),
            names(&mut frame.clone()),
            node(&mut frame.clone()),
            failed_step(&mut frame.clone()),
        );
    }
}
