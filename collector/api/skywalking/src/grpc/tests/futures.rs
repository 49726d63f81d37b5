//! The memory of a call that waits.

use super::fixture::Collector;
use crate::grpc::calls;

/// The largest block that glibc keeps for a thread after it is freed, in bytes. A larger one costs a search of the heap.
const KEPT: usize = 1032;

/// The calls that every agent makes when it starts, or again and again.
const FREQUENT: [&str; 5] = [
    "ApplicationRegisterService/applicationCodeRegister",
    "InstanceDiscoveryService/registerInstance",
    "InstanceDiscoveryService/heartbeat",
    "ManagementService/keepAlive",
    "skywalking.v3.ManagementService/keepAlive",
];

#[tokio::test]
async fn the_future_of_a_frequent_call_fits_into_a_block_that_the_allocator_keeps() {
    let collector = Collector::start();
    let calls = calls(&collector.services, 1);
    let size = |path| calls.futures.iter().find(|(of, _)| *of == path);
    for path in FREQUENT {
        let (_, size) = size(path).unwrap();
        assert!(*size <= KEPT, "{path}: {size} bytes");
    }
}
