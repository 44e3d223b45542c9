//! Flags and environment variables. A flag wins over its variable.

use std::{fmt, net::SocketAddr, str::FromStr};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
A shop on several nodes that share nothing in process, behind a round-robin balancer.

Usage: example-shop [OPTIONS]

Options:
      --nodes N            nodes behind the balancer, 1 to 64 [default: 5] [env: UNSTICK_SHOP_NODES]
      --listen ADDR        the balancer's address [default: 127.0.0.1:8080] [env: UNSTICK_SHOP_LISTEN]
      --sessions URL       where sessions live, such as sqlite:shop.sqlite or redis://127.0.0.1 [default: a fresh SQLite file]
                             [env: UNSTICK_SHOP_SESSIONS, which keeps a password out of the process list]
      --carts URL          where saved carts are kept, such as sqlite:carts.sqlite [default: a fresh SQLite file]
                             [env: UNSTICK_SHOP_CARTS]
      --mode MODE          unstick, sticky or broken [default: unstick] [env: UNSTICK_SHOP_MODE]
                             unstick  one session store for all nodes, no stickiness: nothing is ever lost;
                                      saved carts in caches that hear of each other's changes
                             sticky   a store in each node's memory, a balancer that pins: lost when the node stops;
                                      with --sessions, nothing is lost and un-pinning can be tried
                             broken   a store in each node's memory, no pinning: lost on the next click;
                                      saved carts in caches that don't hear of each other
      --process-per-node   every node is a process of its own [env: UNSTICK_SHOP_PROCESS_PER_NODE=1]
  -h, --help               this text

Environment:
  UNSTICK_SHOP_KEY         64 hex digits that sign the session cookie [default: a fresh key for each run]
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Print [`HELP`].
    Help,
    /// Run the shop.
    Shop(Options),
    /// Run one node as a child of the shop; hidden from the help.
    Node(NodeOptions),
}

/// How to run the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// How many nodes.
    pub(crate) nodes: usize,
    /// The balancer's address.
    pub(crate) listen: SocketAddr,
    /// The session URL; `None` means the mode's own default.
    pub(crate) sessions: Option<String>,
    /// The URL of saved carts; `None` means a fresh file.
    pub(crate) carts: Option<String>,
    /// Where sessions live and whether the balancer pins.
    pub(crate) mode: Mode,
    /// Whether every node is a process.
    pub(crate) process_per_node: bool,
}

/// How to run one child node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeOptions {
    /// The node's name.
    pub(crate) name: String,
    /// The session URL.
    pub(crate) sessions: String,
    /// The URL of saved carts.
    pub(crate) carts: String,
    /// The fleet's mode.
    pub(crate) mode: Mode,
}

/// Where sessions live and whether the balancer pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One store for all nodes, no stickiness.
    Unstick,
    /// A store per node, a pinning balancer.
    Sticky,
    /// A store per node, no stickiness.
    Broken,
}

impl Mode {
    /// The word on the command line.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unstick => "unstick",
            Self::Sticky => "sticky",
            Self::Broken => "broken",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Unstick, Self::Sticky, Self::Broken].into_iter().find(|mode| mode.as_str() == text).ok_or(())
    }
}

/// Reads the command line; the error is one sentence for the user.
pub(crate) fn parse(args: impl IntoIterator<Item = String>, env: impl Fn(&str) -> Option<String>) -> Result<Command, String> {
    let mut args = args.into_iter().peekable();
    let node = args.next_if(|word| word == "node").is_some();
    let mut flags = Flags::default();
    while let Some(arg) = args.next() {
        let (name, inline) = match arg.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
            _ => (arg, None),
        };
        let slot = match name.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--process-per-node" if inline.is_none() && !node => {
                flags.process_per_node = true;
                continue;
            }
            "--process-per-node" if !node => return Err("--process-per-node takes no value.".to_owned()),
            "--nodes" if !node => &mut flags.nodes,
            "--listen" if !node => &mut flags.listen,
            "--sessions" if !node => &mut flags.sessions,
            "--carts" if !node => &mut flags.carts,
            "--mode" => &mut flags.mode,
            "--name" if node => &mut flags.name,
            other => return Err(format!("{other:?} is not an option of this program; try --help.")),
        };
        if slot.is_some() {
            return Err(format!("{name} is given twice."));
        }
        let value = inline.or_else(|| args.next()).ok_or_else(|| format!("{name} needs a value; try --help."))?;
        *slot = Some(value);
    }
    if node { flags.node(env).map(Command::Node) } else { flags.shop(env).map(Command::Shop) }
}

#[derive(Debug, Default)]
struct Flags {
    nodes: Option<String>,
    listen: Option<String>,
    sessions: Option<String>,
    carts: Option<String>,
    mode: Option<String>,
    name: Option<String>,
    process_per_node: bool,
}

impl Flags {
    fn shop(self, env: impl Fn(&str) -> Option<String>) -> Result<Options, String> {
        // An empty variable counts as unset, as in most programs.
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let pick = |flag: Option<String>, name: &str, variable: &str| {
            flag.map(|value| (name.to_owned(), value)).or_else(|| env(variable).map(|value| (variable.to_owned(), value)))
        };
        let nodes = match pick(self.nodes, "--nodes", "UNSTICK_SHOP_NODES") {
            None => 5,
            Some((name, text)) => match text.parse() {
                Ok(nodes @ 1..=64) => nodes,
                _ => return Err(format!("{name} must be a whole number from 1 to 64, not {text:?}.")),
            },
        };
        let listen = match pick(self.listen, "--listen", "UNSTICK_SHOP_LISTEN") {
            None => SocketAddr::from(([127, 0, 0, 1], 8080)),
            Some((name, text)) => text
                .replacen("localhost:", "127.0.0.1:", 1)
                .parse()
                .map_err(|_| format!("{name} must be an address such as 127.0.0.1:8080, not {text:?}."))?,
        };
        let mode = match pick(self.mode, "--mode", "UNSTICK_SHOP_MODE") {
            None => Mode::Unstick,
            Some((name, text)) => text.parse().map_err(|()| format!("{name} must be unstick, sticky or broken, not {text:?}."))?,
        };
        let sessions = pick(self.sessions, "--sessions", "UNSTICK_SHOP_SESSIONS");
        if let (Some((name, _)), Mode::Broken) = (&sessions, mode) {
            return Err(format!("{name} cannot be combined with the mode {mode}, which keeps sessions in each node's memory."));
        }
        let carts = match pick(self.carts, "--carts", "UNSTICK_SHOP_CARTS") {
            Some((name, url)) if !is_file(&url) => return Err(format!("{name} must name an SQLite file such as sqlite:carts.sqlite.")),
            carts => carts.map(|(_, url)| url),
        };
        let process_per_node = self.process_per_node
            || match env("UNSTICK_SHOP_PROCESS_PER_NODE").as_deref() {
                None | Some("0" | "false") => false,
                Some("1" | "true") => true,
                Some(text) => return Err(format!("UNSTICK_SHOP_PROCESS_PER_NODE must be 1 or 0, not {text:?}.")),
            };
        Ok(Options { nodes, listen, sessions: sessions.map(|(_, url)| url), carts, mode, process_per_node })
    }

    fn node(self, env: impl Fn(&str) -> Option<String>) -> Result<NodeOptions, String> {
        let missing = |name: &str| format!("{name} is missing: the shop itself starts its nodes.");
        Ok(NodeOptions {
            name: self.name.ok_or_else(|| missing("--name"))?,
            sessions: env("UNSTICK_SHOP_SESSIONS").ok_or_else(|| missing("UNSTICK_SHOP_SESSIONS"))?,
            carts: env("UNSTICK_SHOP_CARTS").ok_or_else(|| missing("UNSTICK_SHOP_CARTS"))?,
            mode: self.mode.and_then(|text| text.parse().ok()).ok_or_else(|| missing("--mode"))?,
        })
    }
}

/// A file can be shared by all nodes; a database in memory would be another one on each.
fn is_file(url: &str) -> bool {
    url.strip_prefix("sqlite:").is_some_and(|rest| !rest.is_empty() && !rest.contains(":memory:") && !rest.contains("mode=memory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop(args: &[&str], env: &[(&str, &str)]) -> Result<Options, String> {
        let lookup = |name: &str| env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        match parse(args.iter().map(|arg| (*arg).to_owned()), lookup)? {
            Command::Shop(options) => Ok(options),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn flags_win_over_variables() {
        let env = [("UNSTICK_SHOP_NODES", "3"), ("UNSTICK_SHOP_MODE", "broken"), ("UNSTICK_SHOP_PROCESS_PER_NODE", "1")];
        let options = shop(&["--nodes=7", "--listen", "localhost:0"], &env).unwrap();
        assert_eq!((options.nodes, options.mode, options.process_per_node), (7, Mode::Broken, true));
        assert_eq!(options.listen, SocketAddr::from(([127, 0, 0, 1], 0)));
    }

    #[test]
    fn defaults() {
        let options = shop(&[], &[("UNSTICK_SHOP_MODE", "")]).unwrap();
        assert_eq!((options.nodes, options.mode, options.process_per_node, options.sessions), (5, Mode::Unstick, false, None));
    }

    #[test]
    fn one_sentence_for_each_mistake() {
        for (args, says) in [
            (&["--nodes", "0"][..], "--nodes must be"),
            (&["--nodes"], "--nodes needs a value"),
            (&["--nodes", "2", "--nodes", "3"], "given twice"),
            (&["--mode", "Broken"], "--mode must be"),
            (&["--listen", "8080"], "--listen must be"),
            (&["--process-per-node=yes"], "takes no value"),
            (&["--mode", "broken", "--sessions", "memory:"], "cannot be combined"),
            (&["--carts", "postgres://127.0.0.1/shop"], "--carts must name an SQLite file"),
            (&["--carts", "sqlite::memory:"], "--carts must name an SQLite file"),
            (&["--name", "node-1"], "not an option"),
            (&["serve"], "not an option"),
        ] {
            let sentence = shop(args, &[]).unwrap_err();
            assert!(sentence.contains(says), "{args:?}: {sentence}");
        }
        assert!(shop(&[], &[("UNSTICK_SHOP_NODES", "many")]).unwrap_err().contains("UNSTICK_SHOP_NODES"));
    }
}
