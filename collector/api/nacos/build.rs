//! Compiles `proto/` to Rust without a system `protoc`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(["nacos_grpc_service.proto"], ["proto"])?;
    tonic_prost_build::configure()
        // The face reads and writes the envelope itself; only tests and the demo use this client.
        .build_server(false)
        .build_transport(false)
        .bytes(".Body.value")
        .include_file("wire.rs")
        .compile_fds(descriptors)?;
    Ok(())
}
