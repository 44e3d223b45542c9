//! Unary gRPC calls of tonic 0.14 through a cache, on the server or the client.
//!
//! The typed call is what goes through the cache: a message, and the metadata that came with it. HTTP responses of gRPC cannot be kept, because
//! their status comes after a body that can be read once.
//!
//! ```
//! use tonic::{Code, Request, Response, Status};
//! use unstick_cache::{Namespace, layers::unary::Unary};
//!
//! /// Stands for a generated client.
//! #[derive(Clone)]
//! struct Prices;
//! impl Prices {
//!     async fn price(&mut self, of: Request<u32>) -> Result<Response<String>, Status> {
//!         match of.into_inner() {
//!             0 => Err(Status::not_found("no such thing")),
//!             of => Ok(Response::new(format!("price of {of}"))),
//!         }
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let prices = Namespace::local("shop").unwrap().cache::<u32, Unary<String>>("prices").build().unwrap();
//! let price = async |of: u32| {
//!     let mut client = Prices;
//!     prices.call(of, move || async move { client.price(Request::new(of)).await }).await
//! };
//! assert_eq!(price(7).await.unwrap().into_inner(), "price of 7");
//! assert_eq!(price(7).await.unwrap().into_inner(), "price of 7");
//! assert_eq!(price(0).await.unwrap_err().code(), Code::NotFound);
//! assert_eq!((prices.stats().hits, prices.stats().loads), (1, 2));
//! # });
//! ```
//!
//! # What is kept
//! The message, and its metadata but for what belongs to one call or one client: `set-cookie`, `date`, names that begin with `grpc-` or `unstick-`,
//! and those that tonic sets itself. Extensions are not kept; nobody gets them. Metadata of the request does not count:
//! what the answer depends on must be in the key.
//!
//! # Errors
//! A [`Status`] that the call returns goes to all who waited for it as it is. Those with which the source *answers* (`NotFound`,
//! `PermissionDenied`, `InvalidArgument`, ...) are kept nowhere, and no old value stands in for them. Those that tell that it could not
//! (`Unknown`, `Cancelled`, `DeadlineExceeded`, `ResourceExhausted`, `Aborted`, `Internal`, `Unavailable`, `DataLoss`) are failed loads: an old
//! value is served if there is one ([`stale_if_error`](crate::CacheBuilder::stale_if_error)), and callers get the same status
//! until the [`back_off`](crate::CacheBuilder::back_off) is over.

use std::{error::Error, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use tonic::{Code, Response, Status, metadata::MetadataMap};

use crate::{Cache, CacheKey, LoadError, LoadErrorKind, Loaded};

/// What a cache keeps of a unary call: `Cache<K, Unary<T>>`. See the [module docs](self).
///
/// In a [`shared`](crate::CacheBuilder::shared) cache the message is stored by serde. For messages without it use
/// [`shared_as`](crate::CacheBuilder::shared_as) with [`message`](Self::message) and [`new`](Self::new), which leaves the metadata out.
#[derive(Clone)]
pub struct Unary<T>(Answer<T>);

#[derive(Clone)]
enum Answer<T> {
    Kept {
        message: T,
        metadata: MetadataMap,
    },
    /// Handed to those who wait, and kept nowhere.
    Refused(Status),
}

impl<T> Unary<T> {
    /// A message without metadata.
    #[must_use]
    pub fn new(message: T) -> Self {
        Self(Answer::Kept { message, metadata: MetadataMap::new() })
    }

    fn of(response: Response<T>) -> Self {
        let (metadata, message, _) = response.into_parts();
        Self(Answer::Kept { message, metadata: shareable(metadata) })
    }

    /// The message. What is kept has one.
    #[must_use]
    pub const fn message(&self) -> Option<&T> {
        match &self.0 {
            Answer::Kept { message, .. } => Some(message),
            Answer::Refused(_) => None,
        }
    }

    fn into_response(self) -> Result<Response<T>, Status> {
        match self.0 {
            Answer::Kept { message, metadata } => {
                let mut response = Response::new(message);
                *response.metadata_mut() = metadata;
                Ok(response)
            }
            Answer::Refused(status) => Err(status),
        }
    }
}

impl<K: CacheKey, T: Clone + Send + Sync + 'static> Cache<K, Unary<T>> {
    /// The response to a unary call, from the cache or by `call`. See [`layers::unary`](crate::layers::unary).
    ///
    /// # Errors
    /// The status that the call returned; `Internal` when it panicked, `DeadlineExceeded` or `Unavailable` when it took too long.
    ///
    /// # Cancel safety
    /// Dropping the future stops the waiting. The call goes on.
    pub async fn call<F, C>(&self, key: K, call: F) -> Result<Response<T>, Status>
    where
        F: FnOnce() -> C + Send + 'static,
        C: Future<Output = Result<Response<T>, Status>> + Send + 'static,
    {
        let load = || async move {
            match call().await {
                Ok(response) => Ok(Loaded::new(Unary::of(response))),
                Err(status) if is_answer(status.code()) => Ok(Loaded::new(Unary(Answer::Refused(status))).not_kept()),
                Err(status) => Err(status),
            }
        };
        self.get_or_load(key, load).await?.into_response()
    }
}

/// Whether the source has answered, rather than not been able to.
const fn is_answer(code: Code) -> bool {
    match code {
        Code::Unknown
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => false,
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => true,
    }
}

/// Without what belongs to one call or one client.
fn shareable(metadata: MetadataMap) -> MetadataMap {
    let mut headers = metadata.into_headers();
    let is_private = |name: &str| {
        matches!(name, "set-cookie" | "date" | "te" | "content-type" | "content-length")
            || name.starts_with("grpc-")
            || name.starts_with("unstick-")
    };
    let private: Vec<_> = headers.keys().filter(|name| is_private(name.as_str())).cloned().collect();
    for name in private {
        headers.remove(name);
    }
    MetadataMap::from_headers(headers)
}

impl From<LoadError> for Status {
    /// The status that the loader returned, if it is one; otherwise the code that fits, without the source's own error, which is for the log.
    fn from(error: LoadError) -> Self {
        if let Some(status) = error.source().and_then(|source| source.downcast_ref::<Self>()) {
            return status.clone();
        }
        let code = match error.kind() {
            LoadErrorKind::Absent => Code::NotFound,
            LoadErrorKind::Panicked => Code::Internal,
            LoadErrorKind::Timeout => Code::DeadlineExceeded,
            _ => Code::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}

#[derive(Serialize)]
struct Written<'a, T> {
    message: &'a T,
    metadata: Vec<(&'a str, &'a [u8])>,
}

#[derive(Deserialize)]
struct Read<T> {
    message: T,
    metadata: Vec<(String, Vec<u8>)>,
}

impl<T: Serialize> Serialize for Unary<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Answer::Kept { message, metadata } = &self.0 else { return Err(ser::Error::custom("a status is not kept")) };
        let metadata = metadata.as_ref().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        Written { message, metadata }.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unary<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Read { message, metadata } = Read::deserialize(deserializer)?;
        let mut headers = http::HeaderMap::new();
        for (name, value) in metadata {
            let name = http::HeaderName::try_from(name).map_err(de::Error::custom)?;
            headers.append(name, http::HeaderValue::try_from(value).map_err(de::Error::custom)?);
        }
        Ok(Self(Answer::Kept { message, metadata: MetadataMap::from_headers(headers) }))
    }
}

/// Redacts the message and the metadata.
impl<T> fmt::Debug for Unary<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Answer::Kept { .. } => f.write_str("Unary(..)"),
            Answer::Refused(status) => f.debug_tuple("Unary").field(&status.code()).finish(),
        }
    }
}
