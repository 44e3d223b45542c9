//! The cache itself.
//!
//! ```
//! use std::time::Duration;
//! use unstick_cache::Cache;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let carts = Cache::<(u64, String, String), Vec<u32>>::local("carts")?
//!     .ttl(Duration::from_secs(600))
//!     .stale_if_error(Duration::from_secs(3600))
//!     .build()?;
//! let key = (7, "saved".to_owned(), "se".to_owned());
//! let cart = carts.get_or_load(key.clone(), || async { Ok::<_, std::io::Error>(vec![1, 2]) }).await.unwrap();
//! assert_eq!(cart, [1, 2]);
//!
//! // The cart was changed in the database:
//! carts.invalidate(&key).await;
//! let cart = carts.get_or_load(key, || async { Ok::<_, std::io::Error>(vec![1, 2, 3]) }).await.unwrap();
//! assert_eq!(cart, [1, 2, 3]);
//!
//! let contradiction = Cache::<u64, u64>::local("prices")?.soft_timeout(Duration::from_secs(1)).build().unwrap_err();
//! assert!(contradiction.to_string().contains("`soft_timeout` needs `stale_if_error`"));
//! # Ok::<(), unstick_core::ConfigError>(()) }).unwrap();
//! ```

mod builder;
mod handle;
mod inner;
mod l1;
mod leased;
mod load;
#[cfg(feature = "quick-cache")]
mod quick;
mod trace;
mod wait;

pub(crate) use self::handle::Answer;
pub(crate) use self::inner::Inner;
pub(crate) use self::wait::within;
pub use self::{builder::CacheBuilder, handle::Cache};
