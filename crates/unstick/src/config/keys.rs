//! The key ring.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};
use unstick_core::{ConfigError, Key, KeyRing};

use super::{
    secret::Secret,
    value::{FromTextOrTable, text_or_table},
};

/// The keys, each in its role.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    signing: Secret,
    previous: Several,
    next: Several,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    env: Option<String>,
    file: Option<PathBuf>,
    signing: Option<Secret>,
    #[serde(default)]
    previous: Several,
    #[serde(default)]
    next: Several,
}

/// One key or a list.
#[derive(Debug, Clone, Default)]
struct Several(Vec<Secret>);

impl<'de> Deserialize<'de> for Several {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> serde::de::Visitor<'de> for Any {
            type Value = Several;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a key, or a list of keys")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Several, E> {
                Ok(Several(vec![Secret::Given(text.to_owned())]))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Several, A::Error> {
                Secret::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(|key| Several(vec![key]))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, list: A) -> Result<Several, A::Error> {
                Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(list)).map(Several)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl FromTextOrTable for Keys {
    type Table = Table;
    const EXPECTED: &'static str = "a signing key, where it is (`env` or `file`), or a table with `signing`, `previous` and `next`";

    fn text(text: &str) -> Result<Self, String> {
        Ok(Self { signing: Secret::Given(text.to_owned()), previous: Several::default(), next: Several::default() })
    }

    fn table(table: Table) -> Result<Self, String> {
        let signing = match (table.signing, table.env.is_some() || table.file.is_some()) {
            (Some(signing), false) => signing,
            (Some(_), true) => return Err("`keys` has `signing` and also `env` or `file`: write one of them".to_owned()),
            (None, true) => Secret::at(table.env, table.file)?,
            (None, false) => return Err("`keys` has no `signing`: write `signing = { env = \"NAME\" }`".to_owned()),
        };
        Ok(Self { signing, previous: table.previous, next: table.next })
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_table(deserializer)
    }
}

impl Keys {
    /// The ring; `setting` is what they are called where they stand.
    pub(super) fn ring(&self, setting: &str) -> Result<KeyRing, ConfigError> {
        let key = |secret: &Secret, role: &str| {
            let setting = format!("{setting}.{role}");
            Key::from_hex(&secret.read(&setting)?).map_err(|error| ConfigError::new(format!("`{setting}`: {error}")))
        };
        let mut ring = KeyRing::new(key(&self.signing, "signing")?);
        for secret in &self.previous.0 {
            ring = ring.previous(key(secret, "previous")?);
        }
        for secret in &self.next.0 {
            ring = ring.next(key(secret, "next")?);
        }
        Ok(ring)
    }
}
