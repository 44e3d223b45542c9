//! A struct as a session: each top-level field is a session key, and only changed fields are saved.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use unstick_core::ErrorKind;

use super::{Session, write::encode};
use crate::SessionError;

/// A typed view of a session. Made by [`Session::typed`], written back by [`store`](Typed::store).
///
/// Two requests that change different fields of the struct both survive, as with [`Session::insert`].
pub struct Typed<T> {
    session: Session,
    value: T,
    loaded: Vec<(String, Bytes)>,
}

impl Session {
    /// The session read as a struct; absent keys are absent fields, so give them `#[serde(default)]` or make them `Option`s.
    ///
    /// # Errors
    /// When the backend could not answer, or the keys do not make a `T` ([`ErrorKind::Codec`]).
    ///
    /// # Cancel safety
    /// As [`load`](Session::load).
    pub async fn typed<T: Serialize + DeserializeOwned>(&self) -> Result<Typed<T>, SessionError> {
        let mut object = Map::new();
        for key in self.keys().await? {
            let Some(bytes) = self.get_bytes(&key).await? else { continue };
            if let Ok(value) = serde_json::from_slice(&bytes) {
                object.insert((*key).to_owned(), value);
            }
        }
        // The decoder's own words would repeat a value.
        let value: T = serde_json::from_value(Value::Object(object)).map_err(|_| {
            let sentence = format!("the session's keys do not make the requested type {}", std::any::type_name::<T>());
            SessionError::new(ErrorKind::Codec, sentence)
        })?;
        let loaded = split(&value)?;
        Ok(Typed { session: self.clone(), value, loaded })
    }
}

fn split<T: Serialize>(value: &T) -> Result<Vec<(String, Bytes)>, SessionError> {
    let value = serde_json::to_value(value)
        .map_err(|error| unstick_core::Error::with_source(ErrorKind::Codec, "the typed session cannot be JSON", error))?;
    let Value::Object(object) = value else {
        return Err(SessionError::new(ErrorKind::Codec, "a typed session must be a struct with named fields, or a map"));
    };
    object
        .into_iter()
        .map(|(key, value)| Ok((encode(&key, &value)?, key)))
        .map(|pair| pair.map(|(bytes, key)| (key, bytes.into())))
        .collect()
}

impl<T: Serialize> Typed<T> {
    /// Buffers the fields that differ from what was read; the others are left to whoever changes them.
    ///
    /// # Errors
    /// As [`Session::insert`].
    pub fn store(&mut self) -> Result<(), SessionError> {
        let now = split(&self.value)?;
        let was = |key: &str| self.loaded.iter().find(|(name, _)| name == key).map(|(_, bytes)| bytes);
        for (key, bytes) in &now {
            if was(key) != Some(bytes) {
                self.session.insert_bytes(key, bytes.clone())?;
            }
        }
        for (key, _) in &self.loaded {
            if !now.iter().any(|(name, _)| name == key) {
                self.session.remove(key)?;
            }
        }
        self.loaded = now;
        Ok(())
    }
}

impl<T> Deref for Typed<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Typed<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> fmt::Debug for Typed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typed").field("session", &self.session).finish_non_exhaustive()
    }
}
