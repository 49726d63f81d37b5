//! The bytes of JVM metrics, which are the same in both generations.

use rollcall_proto::jvm::{Cpu, Gc, GcPhrase, JvmMetric, JvmMetrics, Memory, MemoryPool, PoolType};

use crate::{MINUS_1, NEW_YEAR_2018, NEW_YEAR_2018_MILLIS, golden};

#[test]
fn jvm_metrics_of_both_generations() {
    golden(
        &[
            b"\x0a\x3c", // 1 metrics, 60 bytes
            b"\x08",
            &NEW_YEAR_2018,                          //   1 time
            b"\x12\x09",                             //   2 cpu, 9 bytes
            b"\x11\x00\x00\x00\x00\x00\x00\xe0\x3f", //     2 usagePercent, 0.5
            b"\x1a\x0b",                             //   3 memory, 11 bytes
            b"\x08\x01",                             //     1 isHeap
            b"\x10\x01",                             //     2 init
            b"\x18\x80\x01",                         //     3 max
            b"\x20\x03",                             //     4 used
            b"\x28\x04",                             //     5 committed
            b"\x22\x13",                             //   4 memoryPool, 19 bytes
            b"\x08\x05",                             //     1 type
            b"\x10\x01",                             //     2 init
            b"\x18",
            &MINUS_1,    //     3 max, "no limit"
            b"\x20\x03", //     4 used
            b"\x28\x04", //     5 commited
            b"\x2a\x06", //   5 gc, 6 bytes
            b"\x08\x01", //     1 phrase
            b"\x10\x02", //     2 count
            b"\x18\x03", //     3 time
            b"\x10\x07", // 2 applicationInstanceId
        ],
        &JvmMetrics {
            metrics: vec![JvmMetric {
                time: NEW_YEAR_2018_MILLIS,
                cpu: Some(Cpu { usage_percent: 0.5 }),
                memory: vec![Memory {
                    is_heap: true,
                    init: 1,
                    max: 128,
                    used: 3,
                    committed: 4,
                }],
                memory_pool: vec![MemoryPool {
                    r#type: PoolType::MetaspaceUsage.into(),
                    init: 1,
                    max: -1,
                    used: 3,
                    commited: 4,
                }],
                gc: vec![Gc {
                    phrase: GcPhrase::Old.into(),
                    count: 2,
                    time: 3,
                }],
            }],
            application_instance_id: 7,
        },
    );
}

#[test]
fn enumerations_have_their_numbers() {
    assert_eq!(PoolType::CodeCacheUsage as i32, 0);
    assert_eq!(PoolType::NewgenUsage as i32, 1);
    assert_eq!(PoolType::OldgenUsage as i32, 2);
    assert_eq!(PoolType::SurvivorUsage as i32, 3);
    assert_eq!(PoolType::PermgenUsage as i32, 4);
    assert_eq!(PoolType::MetaspaceUsage as i32, 5);
    assert_eq!(GcPhrase::New as i32, 0);
    assert_eq!(GcPhrase::Old as i32, 1);
}
