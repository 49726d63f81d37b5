//! Compiles the `.proto` files in `proto/` to Rust, without a system `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const ROOT: &str = "proto";

/// The protocol of agents.
const AGENTS: [&str; 13] = [
    "application.proto",
    "command.proto",
    "instance.proto",
    "jvm.proto",
    "management.proto",
    "network_address.proto",
    "register.proto",
    "rollcall/agent.proto",
    "segment/v3.proto",
    "segment/v5.proto",
    "service_name.proto",
    "trace.proto",
    "v3/management.proto",
];

/// The protocol between collectors: the feature `remote`.
const COLLECTORS: [&str; 1] = ["remote.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={ROOT}");
    let mut files = AGENTS.to_vec();
    if env::var_os("CARGO_FEATURE_REMOTE").is_some() {
        files.extend(COLLECTORS);
    }
    let descriptors = protox::compile(files, [ROOT])?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is set by cargo")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // Generated `connect` functions would make every user of this crate depend on tonic's transport.
        .build_transport(false)
        .client_mod_attribute(".", "#[cfg(feature = \"client\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"server\")]")
        // Segments are large, so they are read in place: as a slice of the frame, without a copy.
        .bytes(".UpstreamSegment.segment")
        .include_file("wire.rs")
        .compile_fds(descriptors)?;
    Ok(())
}
