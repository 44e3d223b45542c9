//! As much of the Redis protocol as tests need for looking and commanding beside the client under test.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// An answer of a Redis server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// There is no value.
    Nil,
    /// A short text such as `OK`.
    Status(String),
    /// A number.
    Int(i64),
    /// A value.
    Bytes(Vec<u8>),
    /// Several answers.
    List(Vec<Reply>),
    /// An error inside a list; an error as the whole answer is an `Err` of the command.
    Error(String),
}

impl Reply {
    /// The text of a status, value, number or error; empty for the others. Bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Status(text) | Self::Error(text) => text.clone(),
            Self::Int(number) => number.to_string(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Nil | Self::List(_) => String::new(),
        }
    }

    /// The number, also when it came as text.
    #[must_use]
    pub fn int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { self.text().parse().ok() }
    }

    /// The parts of a list; empty for the others.
    #[must_use]
    pub fn list(&self) -> &[Reply] {
        if let Self::List(parts) = self { parts } else { &[] }
    }
}

/// Name and password.
#[derive(Debug, Clone, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn open(port: u16, login: &Login, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        let mut connection = Self { stream: BufReader::new(stream) };
        match (&login.user, &login.password) {
            (Some(user), Some(password)) => connection.command(&["AUTH", user, password])?,
            (None, Some(password)) => connection.command(&["AUTH", password])?,
            (_, None) => Reply::Nil,
        };
        Ok(connection)
    }

    pub(crate) fn command(&mut self, words: &[&str]) -> io::Result<Reply> {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
        self.stream.get_mut().write_all(&bytes)?;
        match self.read()? {
            Reply::Error(text) => Err(io::Error::other(text)),
            reply => Ok(reply),
        }
    }

    pub(crate) fn read(&mut self) -> io::Result<Reply> {
        read(&mut self.stream)
    }
}

fn read(stream: &mut impl BufRead) -> io::Result<Reply> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "not the Redis protocol");
    let line = line.strip_suffix("\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let (kind, text) = line.split_at_checked(1).ok_or_else(broken)?;
    let number = || text.parse::<i64>().map_err(|_| broken());
    Ok(match kind {
        "+" => Reply::Status(text.to_owned()),
        "-" => Reply::Error(text.to_owned()),
        ":" => Reply::Int(number()?),
        "$" => match u64::try_from(number()?) {
            Ok(length) => {
                let mut bytes = Vec::new();
                stream.take(length).read_to_end(&mut bytes)?;
                let mut end = [0; 2];
                stream.read_exact(&mut end)?;
                Reply::Bytes(bytes)
            }
            Err(_) => Reply::Nil,
        },
        "*" => match number()? {
            count if count < 0 => Reply::Nil,
            count => Reply::List((0..count).map(|_| read(stream)).collect::<io::Result<_>>()?),
        },
        _ => return Err(broken()),
    })
}

#[cfg(test)]
mod tests {
    use super::{Reply, read};

    #[test]
    fn answers_are_read() {
        let mut bytes: &[u8] = b"*5\r\n+OK\r\n:-3\r\n$4\r\na\r\nb\r\n$-1\r\n-ERR no\r\n";
        let reply = read(&mut bytes).unwrap();
        let parts = ["OK", "-3", "a\r\nb", "", "ERR no"];
        assert_eq!(reply.list().iter().map(Reply::text).collect::<Vec<_>>(), parts);
        assert_eq!(reply.list()[1].int(), Some(-3));
        assert!(bytes.is_empty());
        assert!(read(&mut &b"$4\r\nab"[..]).is_err());
        assert!(read(&mut &b"HTTP/1.1 400\r\n"[..]).is_err());
    }
}
