//! What the client library and the server report, in this family's words.

use fred::error::ErrorKind as FredKind;
use unstick_core::{Error, ErrorKind};

/// How fred 10.1 says that a command was not sent. Where none of these fits, the outcome counts as unknown.
const NOT_SENT: &[&str] =
    &["Connection closed unexpectedly.", "Failed to route command.", "Client is not initialized.", "Failed to send command to router."];

/// The node that was asked named another one. So says fred 10.1 when it may not follow.
pub(super) fn is_redirection(error: &fred::error::Error) -> bool {
    *error.kind() == FredKind::Routing && error.details() == "Too many redirections."
}

/// The command got no answer, and fred says why.
pub(super) fn unanswered(error: &fred::error::Error) -> Error {
    if NOT_SENT.contains(&error.details()) {
        return not_connected();
    }
    match error.kind() {
        FredKind::Timeout => timeout(),
        // the message names the parameter's limit, never its value
        FredKind::InvalidArgument | FredKind::InvalidCommand | FredKind::Config => {
            Error::new(ErrorKind::Internal, "the client library refused a command")
        }
        _ => interrupted(),
    }
}

pub(super) fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "the connection to redis broke before the answer arrived")
}

/// First words of the errors that a server answers a read with. One that is missing here counts as no answer, and the read is repeated.
const ANSWERS: &[&str] = &[
    "ERR",
    "WRONGTYPE",
    "NOPERM",
    "NOAUTH",
    "WRONGPASS",
    "LOADING",
    "MASTERDOWN",
    "BUSY",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "MOVED",
    "ASK",
    "MISCONF",
    "READONLY",
    "OOM",
];

/// Whether the error is the server's, which fred 10.1 repeats word by word, and not fred's own.
pub(super) fn is_answer(error: &fred::error::Error) -> bool {
    error.details().split(' ').next().is_some_and(|word| ANSWERS.contains(&word))
}

/// The server answered with an error. Only its first word is repeated: the rest may quote what was sent.
pub(super) fn refused(text: &str) -> Error {
    let word = text.split_whitespace().next().unwrap_or_default();
    let kind = match word {
        "OOM" => ErrorKind::Full,
        "WRONGTYPE" => ErrorKind::Corrupt,
        // said before anything is carried out
        "READONLY" | "LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK" | "NOREPLICAS" | "MISCONF"
        | "NOAUTH" | "NOPERM" | "WRONGPASS" => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    };
    Error::new(
        kind,
        match word {
            "OOM" => "redis is out of memory and its policy is to keep what it has: raise `maxmemory`",
            "NOPERM" => "redis refused the command: its user lacks a permission (see the documentation of `RedisClient` for the list)",
            "NOAUTH" | "WRONGPASS" => "redis refused the login",
            "READONLY" => "redis refused the write: the server has become a replica",
            "LOADING" => "redis is still loading its data",
            "MISCONF" => "redis refuses writes because it cannot save its data to disk",
            "NOREPLICAS" => "redis refuses writes because too few replicas are connected (`min-replicas-to-write`)",
            "CLUSTERDOWN" => "the redis cluster is down: not every slot has a master",
            "BUSY" => "redis is busy with a script",
            "WRONGTYPE" => "a key of this prefix holds another type of value: another application writes there",
            "NOSCRIPT" => NO_SCRIPT,
            "MOVED" | "ASK" | "TRYAGAIN" => "the redis cluster is moving the slot",
            _ => "redis refused the command with an error",
        },
    )
}

/// Whether the server refused a command because its keys are in different places. It says so before anything is carried out.
pub(super) fn is_crossing(text: &str) -> bool {
    text.starts_with("CROSSSLOT")
}

/// Whether the command will never be carried out for several keys: they are in different places, it is not permitted, or not known.
pub(super) fn is_for_good(text: &str) -> bool {
    ["CROSSSLOT", "NOPERM", "ERR"].iter().any(|word| text.starts_with(word))
}

const NO_SCRIPT: &str = "redis does not know the script";

pub(super) fn is_no_script(text: &str) -> bool {
    text.starts_with("NOSCRIPT")
}

/// Whether this server will not do, whatever is asked of it: it was a master once.
pub(super) fn is_demoted(text: &str) -> bool {
    text.starts_with("READONLY") || text.starts_with("MASTERDOWN")
}

/// Which node an `ASK` names. Without a host it is that of the node that was asked.
pub(super) fn asked(text: &str, host: &str) -> Option<(String, u16)> {
    let (_slot, place) = text.strip_prefix("ASK ")?.split_once(' ')?;
    let (named, port) = place.rsplit_once(':')?;
    let named = if named.is_empty() { host } else { named };
    Some((named.to_owned(), port.parse().ok()?))
}

pub(super) fn moving() -> Error {
    refused("TRYAGAIN")
}

pub(super) fn not_connected() -> Error {
    Error::new(ErrorKind::Unavailable, "not connected to redis")
}

pub(super) fn timeout() -> Error {
    Error::new(ErrorKind::Timeout, "no answer from redis in time")
}

pub(super) fn late() -> Error {
    Error::new(ErrorKind::Late, "the operation reached redis after its deadline and was refused")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_from_failures_of_the_library() {
        let is_answer = |text: &'static str| is_answer(&fred::error::Error::new(FredKind::Unknown, text));
        assert!(is_answer("WRONGTYPE Operation against a key holding the wrong kind of value"));
        assert!(is_answer("LOADING Redis is loading the dataset in memory"));
        assert!(NOT_SENT.iter().all(|text| !is_answer(text)));
        assert!(!is_answer("Request timed out.") && !is_answer("IO Error: broken pipe") && !is_answer(""));
    }

    #[test]
    fn errors_of_the_server_quote_nothing() {
        for text in
            ["ERR user_script:1: secret-value", "WRONGTYPE secret-value", "secret-value", "", "OOM secret-value", "NOPERM secret-value"]
        {
            assert!(!format!("{:?}", refused(text)).contains("secret-value"));
        }
        assert_eq!(refused("OOM command not allowed when used memory > 'maxmemory'.").kind(), ErrorKind::Full);
        assert_eq!(refused("LOADING Redis is loading the dataset in memory").kind(), ErrorKind::Unavailable);
        assert_eq!(refused("ERR wrong number").kind(), ErrorKind::Internal);
    }

    #[test]
    fn an_ask_names_a_node() {
        assert_eq!(asked("ASK 3999 10.0.0.1:6381", "h"), Some(("10.0.0.1".into(), 6381)));
        assert_eq!(asked("ASK 3999 ::1:6381", "h"), Some(("::1".into(), 6381)));
        assert_eq!(asked("ASK 3999 :6381", "h"), Some(("h".into(), 6381)));
        assert_eq!(asked("MOVED 3999 10.0.0.1:6381", "h"), None);
        assert_eq!(asked("ASK 3999", "h"), None);
    }

    #[test]
    fn doubt_is_never_taken_for_certainty() {
        let unknown = fred::error::Error::new(FredKind::Unknown, "something new");
        assert!(unanswered(&unknown).is_outcome_unknown());
        let lost = fred::error::Error::new(FredKind::IO, "Connection closed.");
        assert_eq!(unanswered(&lost).kind(), ErrorKind::Interrupted);
        let fast = fred::error::Error::new(FredKind::Canceled, "Connection closed unexpectedly.");
        assert_eq!(unanswered(&fast).kind(), ErrorKind::Unavailable);
    }
}
