//! Generates the messages, the server's trait and the client from `proto/shop.proto`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["proto/shop.proto"], ["proto"])?;
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}
