//! Counting what reaches a server.

use std::{collections::BTreeMap, io};

use super::{RedisServer, resp::Connection};

impl RedisServer {
    /// How often each command was carried out since the server started: those inside of scripts, too, unlike on the wire. Subcommands
    /// are counted as `config|get`. What this call itself needs (`info`, `auth`) is left out.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub fn command_counts(&self) -> io::Result<CommandCounts> {
        let info = self.info("commandstats")?;
        let count = |(name, value): (&str, &str)| {
            let calls = value.split(',').find_map(|part| part.strip_prefix("calls="))?.parse().ok()?;
            Some((name.strip_prefix("cmdstat_")?.to_owned(), calls))
        };
        let mut counts: BTreeMap<String, u64> = info.lines().filter_map(count).collect();
        counts.retain(|name, _| name != "info" && name != "auth");
        Ok(CommandCounts(counts))
    }

    /// Watches each command that arrives, and what scripts do.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub fn monitor(&self) -> io::Result<Monitor<'_>> {
        let mut connection = self.connection()?;
        connection.command(&["MONITOR"])?;
        Ok(Monitor { server: self, connection, reads: 0 })
    }
}

/// Counts by command name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandCounts(BTreeMap<String, u64>);

impl CommandCounts {
    /// What was added since an earlier look; commands without any are left out.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> BTreeMap<String, u64> {
        let added = |(name, count): (&String, &u64)| (name.clone(), count.saturating_sub(earlier.get(name)));
        self.0.iter().map(added).filter(|(_, count)| *count > 0).collect()
    }

    /// The count of one command, in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }
}

/// A command that a server was seen to carry out. Passwords are never among them: the server hides `AUTH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenCommand {
    /// The client's address, or `lua` for what a script did.
    pub client: String,
    /// The command and its arguments; bytes that are not UTF-8 are replaced.
    pub words: Vec<String>,
}

impl SeenCommand {
    /// The command's name in lower case.
    #[must_use]
    pub fn name(&self) -> String {
        self.words.first().map(|name| name.to_lowercase()).unwrap_or_default()
    }

    /// Whether a client sent it, other than a script's doings.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        self.client != "lua"
    }

    /// `1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`
    fn parse(line: &str) -> Option<Self> {
        let (source, words) = line.split_once('[')?.1.split_once("] ")?;
        let client = source.split_once(' ')?.1.to_owned();
        Some(Self { client, words: unquote(words) })
    }
}

/// A watch on the commands of one server. See [`RedisServer::monitor`].
#[derive(Debug)]
pub struct Monitor<'a> {
    server: &'a RedisServer,
    connection: Connection,
    reads: u32,
}

impl Monitor<'_> {
    /// What was carried out since the watch began or was last read, in order. Nothing is missing: a marker of this call's own shows the end.
    ///
    /// # Errors
    /// As [`RedisServer::command`].
    pub fn read(&mut self) -> io::Result<Vec<SeenCommand>> {
        self.reads += 1;
        let marker = format!("unstick-monitor-{}", self.reads);
        self.server.command(&["ECHO", &marker])?;
        let mut seen = Vec::new();
        loop {
            if let Some(command) = SeenCommand::parse(&self.connection.read()?.text()) {
                if command.words.get(1) == Some(&marker) {
                    return Ok(seen);
                }
                seen.push(command);
            }
        }
    }
}

fn unquote(text: &str) -> Vec<String> {
    let (mut words, mut word, mut bytes) = (Vec::new(), None::<Vec<u8>>, text.bytes());
    while let Some(byte) = bytes.next() {
        match (&mut word, byte) {
            (None, b'"') => word = Some(Vec::new()),
            (None, _) => {}
            (Some(_), b'"') => words.extend(word.take().map(|word| String::from_utf8_lossy(&word).into_owned())),
            (Some(word), b'\\') => word.push(match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'a') => 7,
                Some(b'b') => 8,
                Some(b'x') => {
                    let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16)).unwrap_or_default();
                    u8::try_from(digit() * 16 + digit()).unwrap_or_default()
                }
                other => other.unwrap_or(b'\\'),
            }),
            (Some(word), byte) => word.push(byte),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::SeenCommand;

    #[test]
    fn lines_of_the_monitor_are_read() {
        let seen = SeenCommand::parse(r#"1.5 [0 127.0.0.1:6] "EvalSha" "a \"b\\" "\x00\xc3\xa4\r\n" """#).unwrap();
        assert_eq!((seen.name().as_str(), seen.was_sent()), ("evalsha", true));
        assert_eq!(seen.words[1..], ["a \"b\\", "\0ä\r\n", ""]);
        assert!(!SeenCommand::parse(r#"1.5 [0 lua] "get" "k""#).unwrap().was_sent());
        assert_eq!(SeenCommand::parse("OK"), None);
    }
}
