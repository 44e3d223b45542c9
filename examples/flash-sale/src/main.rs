//! A flash sale on a fleet that grows, breaks and is renewed while people shop. See the README beside this file.

mod app;
mod balancer;
mod chart;
mod cli;
mod fleet;
mod front;
mod journal;
mod measure;
mod node;
mod notes;
mod page;
mod process;
mod report;
mod rng;
mod run;
mod sale;
mod scenario;
mod shopper;
mod table;
mod terminal;
mod till;
mod unpinned;
mod wire;

use std::{error::Error, process::ExitCode};

use crate::cli::Command;

/// What goes wrong before or beside the sale; told to whoever started the program.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("example-flash-sale: {failure}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, Failure> {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match cli::parse(std::env::args().skip(1), |name| std::env::var(name).ok())? {
        Command::Help => {
            print!("{}", cli::HELP);
            Ok(ExitCode::SUCCESS)
        }
        Command::Nodes => runtime()?.block_on(process::serve()).map(|()| ExitCode::SUCCESS),
        Command::Sale(options) => runtime()?.block_on(sale::hold(&options)),
    }
}
