//! The command line.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::Failure;

pub(crate) const HELP: &str = "\
Holds a flash sale three times, each time on other sessions, and says what the shoppers lost.

Usage: example-flash-sale [OPTIONS]

  --nodes A,B,C        nodes before, during and after the rush (default 10,30,50)
  --shoppers N         people, each with 16 clicks to make (default 300)
  --seconds S          how long a run takes (default 22)
  --seed N             makes the same people again (default 1)
  --quick              3,6,9 nodes, 60 people, 5 seconds
  --modes LIST         of sticky,round-robin,unstick (default all)
  --sessions URL       where unstick keeps sessions: sqlite:PATH, redis://…, postgres://… (default a fresh SQLite file)
  --bus URL            what carries its caches' notices: redis://…, postgres://… (default within the process)
                       (every user of the machine can read a command line: a URL with a password belongs into the environment,
                       as FLASH_SALE_SESSIONS and FLASH_SALE_BUS)
  --processes N        nodes run in N processes, 3 or more, and a kill is kill -9 of one
  --balancer PRODUCT   own, haproxy or nginx (default own)
  --page PORT          shows the sale on http://127.0.0.1:PORT (0: any port) until Ctrl-C
  --out DIR            writes report.html and report.json
  --help
";

/// What the program is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    /// A process of nodes, started by the sale.
    Nodes,
    Sale(Box<Options>),
}

/// What keeps sessions and who chooses nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The balancer pins, each node has sessions of its own.
    Sticky,
    /// The balancer does not pin, each node has sessions of its own.
    RoundRobin,
    /// The balancer pins, the nodes un-pin, sessions are in one place.
    Unstick,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::Sticky, Self::RoundRobin, Self::Unstick];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sticky => "sticky",
            Self::RoundRobin => "round-robin",
            Self::Unstick => "unstick",
        }
    }

    /// For people.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Sticky => "sticky balancer, sessions per node",
            Self::RoundRobin => "round robin, sessions per node",
            Self::Unstick => "unstick, sessions in one place",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// Who chooses nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    Own,
    HaProxy,
    Nginx,
}

impl Product {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::HaProxy => "haproxy",
            Self::Nginx => "nginx",
        }
    }

    /// The name of its pin cookie.
    pub(crate) const fn pin(self) -> &'static str {
        match self {
            Self::Own => "SALEPIN",
            Self::HaProxy => "SRV",
            Self::Nginx => "route",
        }
    }
}

/// A URL that may hold a password, or a key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// How the sale is held.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) nodes: [usize; 3],
    pub(crate) shoppers: usize,
    pub(crate) seconds: u64,
    pub(crate) seed: u64,
    pub(crate) modes: Vec<Mode>,
    pub(crate) sessions: Option<Secret>,
    pub(crate) bus: Option<Secret>,
    pub(crate) processes: Option<usize>,
    pub(crate) balancer: Product,
    pub(crate) page: Option<u16>,
    pub(crate) out: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: [10, 30, 50],
            shoppers: 300,
            seconds: 22,
            seed: 1,
            modes: Mode::ALL.into(),
            sessions: None,
            bus: None,
            processes: None,
            balancer: Product::Own,
            page: None,
            out: None,
        }
    }
}

/// Instead of `--sessions` and `--bus`, which go before them.
pub(crate) const SESSIONS: &str = "FLASH_SALE_SESSIONS";
pub(crate) const BUS: &str = "FLASH_SALE_BUS";

/// Reads the arguments, and what `variable` says.
pub(crate) fn parse(mut args: impl Iterator<Item = String>, variable: impl Fn(&str) -> Option<String>) -> Result<Command, Failure> {
    let url = |name| variable(name).filter(|url| !url.is_empty()).map(Secret);
    let mut options = Options { sessions: url(SESSIONS), bus: url(BUS), ..Options::default() };
    let mut explicit = (false, false, false);
    let mut quick = false;
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "nodes" => return Ok(Command::Nodes),
            "--quick" => quick = true,
            "--nodes" => (options.nodes, explicit.0) = (nodes(&value()?)?, true),
            "--shoppers" => (options.shoppers, explicit.1) = (whole(&arg, &value()?, 1, 5000)?, true),
            "--seconds" => (options.seconds, explicit.2) = (whole(&arg, &value()?, 1, 600)?, true),
            "--seed" => options.seed = value()?.parse().map_err(|_| "--seed must be a whole number")?,
            "--modes" => options.modes = modes(&value()?)?,
            "--sessions" => options.sessions = Some(Secret(value()?)),
            "--bus" => options.bus = Some(Secret(value()?)),
            "--processes" => options.processes = Some(whole(&arg, &value()?, 3, 16)?),
            "--balancer" => options.balancer = product(&value()?)?,
            "--page" => options.page = Some(whole(&arg, &value()?, 0, 65_535)?),
            "--out" => options.out = Some(value()?.into()),
            _ => return Err(format!("{arg} is no option; --help lists them").into()),
        }
    }
    if quick {
        options.nodes = if explicit.0 { options.nodes } else { [3, 6, 9] };
        options.shoppers = if explicit.1 { options.shoppers } else { 60 };
        options.seconds = if explicit.2 { options.seconds } else { 5 };
    }
    if options.processes.is_some_and(|processes| processes > options.nodes[0]) {
        return Err("--processes must not be more than the nodes before the rush: each process holds some".into());
    }
    Ok(Command::Sale(Box::new(options)))
}

fn whole<T: TryFrom<u64>>(name: &str, text: &str, least: u64, most: u64) -> Result<T, Failure> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("{name} must be a whole number from {least} to {most}").into())
}

fn nodes(text: &str) -> Result<[usize; 3], Failure> {
    let all: Vec<usize> = text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    match <[usize; 3]>::try_from(all) {
        Ok(all) if all[0] >= 3 && all[0] < all[1] && all[1] < all[2] && all[2] <= 100 && text.split(',').count() == 3 => Ok(all),
        _ => Err("--nodes must be three whole numbers that grow, from 3 to 100, such as 10,30,50".into()),
    }
}

fn modes(text: &str) -> Result<Vec<Mode>, Failure> {
    let refused = || "--modes must be one or more of sticky,round-robin,unstick";
    text.split(',').map(|name| Mode::of(name.trim()).ok_or_else(|| refused().into())).collect()
}

fn product(text: &str) -> Result<Product, Failure> {
    let all = [Product::Own, Product::HaProxy, Product::Nginx];
    all.into_iter().find(|product| product.name() == text).ok_or_else(|| "--balancer must be own, haproxy or nginx".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale(line: &str) -> Result<Options, String> {
        match parse(line.split_whitespace().map(str::to_owned), |_| None) {
            Ok(Command::Sale(options)) => Ok(*options),
            Ok(other) => panic!("{other:?}"),
            Err(failure) => Err(failure.to_string()),
        }
    }

    #[test]
    fn quick_gives_way_to_what_is_said() {
        let quick = sale("--shoppers 7 --quick").unwrap();
        assert_eq!((quick.nodes, quick.shoppers, quick.seconds), ([3, 6, 9], 7, 5));
        assert_eq!(sale("").unwrap().nodes, [10, 30, 50]);
    }

    #[test]
    fn passwords_are_not_shown() {
        let options = sale("--sessions redis://:hidden@127.0.0.1 --bus redis://:hidden@127.0.0.1").unwrap();
        assert!(!format!("{options:?}").contains("hidden") && options.bus.unwrap().0.contains("hidden"));
    }

    #[test]
    fn urls_may_come_by_the_environment() {
        let of = |line: &str| {
            let variable = |name: &str| match name {
                SESSIONS => Some("redis://:hidden@127.0.0.1".to_owned()),
                _ => Some(String::new()),
            };
            match parse(line.split_whitespace().map(str::to_owned), variable) {
                Ok(Command::Sale(options)) => (options.sessions.map(|url| url.0), options.bus.map(|url| url.0)),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(of(""), (Some("redis://:hidden@127.0.0.1".to_owned()), None));
        assert_eq!(of("--sessions sqlite:a --bus b"), (Some("sqlite:a".to_owned()), Some("b".to_owned())));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for line in [
            "--nodes 10,30",
            "--nodes 3,3,9",
            "--nodes 3,6,x,9",
            "--nodes 2,6,9",
            "--shoppers 0",
            "--seconds 9999",
            "--modes sticky,odd",
            "--balancer f5",
            "--page 70000",
            "--processes 4 --quick",
            "--processes 2",
            "--nodes",
            "--what",
        ] {
            assert!(sale(line).is_err(), "{line}");
        }
    }
}
