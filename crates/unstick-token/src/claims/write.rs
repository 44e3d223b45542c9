//! Claims as bytes to be sealed.

use std::{
    fmt::{self, Write},
    str,
};

use serde_json::value::RawValue;
use unstick_core::Timestamp;

use super::{Claims, Names, VERSION, is_deep, read::round_up};
use crate::jose;

/// The claims in the newest format.
pub(crate) fn write(names: Names<'_>, claims: &Claims) -> Vec<u8> {
    let mut to = String::with_capacity(320 + claims.record.fields.size() + claims.record.fields.len() * 8);
    // Writing to a string does not fail.
    let _ = claims_to(&mut to, names, claims);
    to.into_bytes()
}

fn claims_to(to: &mut String, names: Names<'_>, claims: &Claims) -> fmt::Result {
    let (credential, record) = (&claims.credential, &claims.record);
    let seconds = |time: Timestamp| time.as_millis().div_euclid(1000);
    write!(to, r#"{{"iss":{},"aud":{}"#, Text(names.issuer), Text(names.audience))?;
    if let Some(principal) = &record.principal {
        write!(to, r#","sub":{}"#, Text(principal))?;
    }
    let (issued, idle) = (credential.issued(), credential.idle_deadline());
    write!(to, r#","iat":{},"nbf":{},"exp":{},"v":{VERSION}"#, seconds(issued), seconds(claims.not_before), round_up(idle))?;
    let (sid, generation) = (jose::encode(credential.lineage().as_bytes()), jose::encode(credential.secret().as_bytes()));
    write!(to, r#","sid":"{sid}","gen":"{generation}""#)?;
    let [absolute, created] = [credential.absolute_deadline(), record.created].map(Timestamp::as_millis);
    write!(to, r#","ms":[{},{},{absolute},{created}]"#, issued.as_millis(), idle.as_millis())?;
    if claims.epoch != Timestamp::ZERO {
        write!(to, r#","epoch":{}"#, claims.epoch.as_millis())?;
    }
    let mut opening = r#","data":{"#;
    let mut others = Vec::new();
    for (name, field) in record.fields.iter() {
        match as_json(&field.value) {
            Some(json) => {
                write!(to, "{opening}{}:{json}", Text(name))?;
                opening = ",";
            }
            None => others.push((name, &field.value)),
        }
    }
    if opening == "," {
        to.push('}');
    }
    let mut opening = r#","raw":{"#;
    for (name, value) in &others {
        write!(to, r#"{opening}{}:"{}""#, Text(name), jose::encode(value))?;
        opening = ",";
    }
    if !others.is_empty() {
        to.push('}');
    }
    to.push('}');
    Ok(())
}

/// The value if it can stand in the claims as it is and be read again the same.
fn as_json(value: &[u8]) -> Option<&str> {
    let json: &RawValue = serde_json::from_slice(value).ok()?;
    // Not with white space around it, which would not come back.
    (json.get().len() == value.len() && !is_deep(value)).then(|| json.get())
}

/// A JSON string.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self.0).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::MAX_DEPTH, *};

    #[test]
    fn only_what_comes_back_the_same_is_json() {
        for json in [&b"1"[..], b"\"a\"", b"[1, 2]", b"{\"a\" : null}", b"true", b"1e400", b"\"\\ud800\"", "\"\u{e9}\"".as_bytes()] {
            assert_eq!(as_json(json).map(str::as_bytes), Some(json), "{}", json.escape_ascii());
        }
        for other in [&b""[..], b" 1", b"1 ", b"01", b"a", b"{", b"\"\n\"", b"\xff", b"\"\xff\"", b"1 2", b"NaN"] {
            assert_eq!(as_json(other), None, "{}", other.escape_ascii());
        }
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert!(as_json(nested(MAX_DEPTH).as_bytes()).is_some());
        assert!(as_json(nested(MAX_DEPTH + 1).as_bytes()).is_none());
        assert!(as_json(nested(10_000).as_bytes()).is_none());
        assert!(as_json(format!("\"{}\"", "[".repeat(1000)).as_bytes()).is_some(), "brackets in a string are letters");
    }
}
