//! Compiles `proto/` to Rust without a system `protoc`.

use std::error::Error;

const ROOT: &str = "proto";

/// Servers are for tests only.
const FOR_TESTS: &str = "#[cfg(any(test, feature = \"test-util\"))]";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={ROOT}");
    tonic_prost_build::configure()
        // Generated transports would connect in their own way: see `connection`.
        .build_transport(false)
        .server_mod_attribute(".", FOR_TESTS)
        // Values are read in place: a slice of the frame instead of a copy.
        .bytes(".mvccpb.KeyValue.value")
        .include_file("wire.rs")
        .compile_fds(protox::compile(["rpc.proto"], [ROOT])?)?;
    Ok(())
}
