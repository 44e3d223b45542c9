//! A shop on several nodes that share nothing in process, behind a round-robin balancer, with its sessions in one place.

mod balancer;
mod cart;
mod carts;
mod cli;
mod error;
mod events;
mod fleet;
mod front;
mod metrics;
mod node;
mod pool;
mod process;
mod routes;
mod sessions;
mod shop;
mod slot;

use std::process::ExitCode;

use crate::{cli::Command, error::Failure};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("example-shop: {failure}");
            failure.exit_code()
        }
    }
}

fn run() -> Result<(), Failure> {
    let command = cli::parse(std::env::args().skip(1), |name| std::env::var(name).ok()).map_err(Failure::Usage)?;
    let runtime = || {
        let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        built.map_err(|error| Failure::start(format!("the runtime cannot be started: {error}.")))
    };
    match command {
        Command::Help => {
            print!("{}", cli::HELP);
            Ok(())
        }
        Command::Shop(options) => runtime()?.block_on(shop::run(&options)),
        Command::Node(options) => runtime()?.block_on(process::run_node(&options)),
    }
}
