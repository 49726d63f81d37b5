//! The bytes of the protocol between collectors.

use rollcall_proto::remote::{
    DoubleList, Empty, IntegerList, LongList, RemoteData, RemoteMessage, StringList,
};

use crate::{MINUS_1, golden};

#[test]
fn remote_message_3_2_6() {
    golden(
        &[
            b"\x08\xc8\x01",                             // 1 graphId, 200
            b"\x10\x96\x4e",                             // 2 nodeId, 10006
            b"\x18\x01",                                 // 3 remoteDataId
            b"\x22\x2a",                                 // 4 remoteData, 42 bytes
            b"\x0a\x01a",                                //   1 dataStrings
            b"\x0a\x06orders",                           //   1 dataStrings
            b"\x12\x02\xac\x02",                         //   2 dataLongs, packed
            b"\x1a\x08\x00\x00\x00\x00\x00\x00\xe0\x3f", //   3 dataDoubles, packed
            b"\x22\x0b",
            &MINUS_1,
            b"\x02",             //   4 dataIntegers, packed
            b"\x2a\x02\x01\x00", //   5 dataBooleans, packed
        ],
        &RemoteMessage {
            graph_id: 200,
            node_id: 10006,
            remote_data_id: 1,
            remote_data: Some(RemoteData {
                data_strings: vec!["a".into(), "orders".into()],
                data_longs: vec![300],
                data_doubles: vec![0.5],
                data_integers: vec![-1, 2],
                data_booleans: vec![true, false],
                ..RemoteData::default()
            }),
        },
    );
}

#[test]
fn remote_message_5_x() {
    golden(
        &[
            b"\x08\xc8\x01",                                     // 1 graphId, 200
            b"\x10\xc8\x01",                                     // 2 nodeId, 200
            b"\x18\x01",                                         // 3 remoteDataId
            b"\x22\x24",                                         // 4 remoteData, 36 bytes
            b"\x0a\x01a",                                        //   1 dataStrings
            b"\x22\x03\x00\x00\x00",                             //   4 dataIntegers, packed
            b"\x32\x03\x0a\x01s",                                //   6 dataStringLists
            b"\x3a\x03\x0a\x01\x05",                             //   7 dataLongLists
            b"\x42\x0a\x0a\x08\x00\x00\x00\x00\x00\x00\xe0\x3f", //   8 dataDoubleLists
            b"\x4a\x04\x0a\x02\x06\x07",                         //   9 dataIntegerLists
        ],
        &RemoteMessage {
            graph_id: 200,
            node_id: 200,
            remote_data_id: 1,
            remote_data: Some(RemoteData {
                data_strings: vec!["a".into()],
                data_integers: vec![0, 0, 0],
                data_string_lists: vec![StringList {
                    value: vec!["s".into()],
                }],
                data_long_lists: vec![LongList { value: vec![5] }],
                data_double_lists: vec![DoubleList { value: vec![0.5] }],
                data_integer_lists: vec![IntegerList { value: vec![6, 7] }],
                ..RemoteData::default()
            }),
        },
    );
}

#[test]
fn empty_has_no_bytes() {
    golden(&[], &Empty {});
}
