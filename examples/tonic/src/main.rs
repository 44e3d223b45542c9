//! A shop over gRPC, and its client. See the README beside this file.

mod client;
mod pb;
mod server;

use std::{env, error::Error};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let addr = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:50051".to_owned());
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server"] => server::run(&addr).await,
        ["add", thing] => client::add(&addr, thing).await,
        ["watch", count] => client::watch(&addr, count.parse()?).await,
        ["prices", thing] => client::prices(&addr, thing).await,
        _ => Err("say `server`, `add THING`, `watch COUNT` or `prices THING`".into()),
    }
}
