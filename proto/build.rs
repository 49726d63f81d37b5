//! Compiles `proto/` to Rust without a system `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const ROOT: &str = "proto";

const FILES: [&str; 15] = [
    "application.proto",
    "command.proto",
    "etcd/rpc.proto",
    "instance.proto",
    "jvm.proto",
    "management.proto",
    "network_address.proto",
    "register.proto",
    "remote.proto",
    "rollcall/agent.proto",
    "segment/v3.proto",
    "segment/v5.proto",
    "service_name.proto",
    "trace.proto",
    "v3/management.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={ROOT}");
    let descriptors = protox::compile(FILES, [ROOT])?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is set by cargo")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // Generated transports would pull tonic's own into every user of this crate.
        .build_transport(false)
        // Segments are large and read in place: a slice of the frame instead of a copy.
        .bytes(".UpstreamSegment.segment")
        .bytes(".mvccpb.KeyValue.value")
        .include_file("wire.rs")
        .compile_fds(descriptors)?;
    Ok(())
}
