//! Compiles `proto/` to Rust without a system `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const ROOT: &str = "proto";

/// What agents say.
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

/// What collectors say to each other: the feature `remote`.
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
        // Generated transports would pull tonic's own into every user of this crate.
        .build_transport(false)
        .client_mod_attribute(".", "#[cfg(feature = \"client\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"server\")]")
        // Segments are large and read in place: a slice of the frame instead of a copy.
        .bytes(".UpstreamSegment.segment")
        .include_file("wire.rs")
        .compile_fds(descriptors)?;
    Ok(())
}
