//! The level itself: arguments in, answers out.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{try_join, try_join_all};
use unstick_core::{
    ConfigError, Error, ErrorKind, Filled, Held, LeaseToken, Level, LevelKey, LevelValue, Looked, OpCtx, Position, TagKey, Target, Want,
};

use super::packed::{self, Packed};
use crate::{
    RedisClient,
    answer::Answer,
    client::{Client, Script},
    error,
    prefix::{self, Prefix},
};

/// Times beyond some 100 000 years are cut off there: scripts count in doubles.
const EXACT: u64 = 4_000_000_000_000_000;
/// A tag is known for longer than the values that carry it, by what a fill may take.
const SLACK: Duration = Duration::from_secs(60);
/// So often a value is found, and found to be invalidated, before the caller is told that the level cannot answer.
const ROUNDS: usize = 8;

/// A shared cache level. Clones share their connections. See the [module docs](super) for layout, trips and what a failover can do.
///
/// ```no_run
/// use std::time::Duration;
/// use unstick_core::*;
/// use unstick_redis::RedisLevel;
///
/// # async fn example(op: OpCtx) -> Result<(), Box<dyn std::error::Error>> {
/// let level = RedisLevel::connect("redis://127.0.0.1:6379?prefix=shop:").await?;
/// let (key, minute) = (LevelKey::from("carts:7"), Duration::from_secs(60));
/// let want = Want { schema: 1, more_than: Duration::ZERO, lease: Duration::from_secs(2) };
/// if let Looked::Leased { token, start, .. } = level.read_or_lease(op, &key, &want).await? {
///     let value = LevelValue { bytes: "[7]".into(), tags: vec!["customer:7".into()], fresh: minute, kept: minute };
///     level.fill(op, &key, Held { schema: 1, token, start }, &value).await?;
/// }
/// level.invalidate(op, &Target::Tag("customer:7".into())).await?;
/// assert_eq!(level.read(op, &key, 1).await?, None);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RedisLevel(Arc<Inner>);

struct Inner {
    client: Client,
    prefix: Prefix,
    meta: Bytes,
    scripts: Scripts,
    /// As it was seen last, 0 at first. Only a guess that saves a trip.
    epoch: AtomicU64,
}

struct Scripts {
    read: Script,
    lease: Script,
    extend: Script,
    fill: Script,
    key: Script,
    meta: Script,
    tag: Script,
}

impl fmt::Debug for RedisLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLevel").field("client", &self.0.client).field("prefix", &self.0.prefix).finish_non_exhaustive()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).map_or(EXACT, |millis| millis.min(EXACT))
}

fn text(number: impl ToString) -> Bytes {
    number.to_string().into()
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Error::new(ErrorKind::Internal, "the operating system gave no randomness"))?;
    Ok(bytes)
}

/// What a fill may do by one of its tags.
enum Claim {
    Granted,
    /// Not known yet; under this mark it can become so.
    New(Bytes),
    Invalidated,
}

impl RedisLevel {
    /// Connects with default settings: an address as [`RedisClient`] takes it, such as `redis://127.0.0.1:6379?prefix=shop:`.
    ///
    /// # Errors
    /// One sentence that names the setting, or the hosts and what is the matter with them.
    pub async fn connect(address: &str) -> Result<Self, ConfigError> {
        Self::new(&RedisClient::connect(address).await?)
    }

    /// On connections that others may share. The keys start with the client's prefix, `unstick:` by default.
    ///
    /// # Errors
    /// When the prefix is not 1 to 64 of A-Z, a-z, 0-9 and `:_-./`.
    pub fn new(client: &RedisClient) -> Result<Self, ConfigError> {
        let prefix = Prefix::new(client.prefix.as_deref().unwrap_or(prefix::DEFAULT))?;
        let scripts = Scripts {
            read: Script::new(include_str!("../../lua/level_read.lua")),
            lease: Script::new(include_str!("../../lua/level_lease.lua")),
            extend: Script::new(include_str!("../../lua/level_extend.lua")),
            fill: Script::new(include_str!("../../lua/level_fill.lua")),
            key: Script::new(include_str!("../../lua/level_key.lua")),
            meta: Script::new(include_str!("../../lua/level_meta.lua")),
            tag: Script::new(include_str!("../../lua/level_tag.lua")),
        };
        let (meta, epoch) = (prefix.meta(), AtomicU64::new(0));
        Ok(Self(Arc::new(Inner { client: client.client.clone(), prefix, meta, scripts, epoch })))
    }
}

impl Inner {
    /// Where the level stands. Made when it is not there.
    async fn position(&self, op: &OpCtx) -> Result<Position, Error> {
        let at = match self.client.get(op, self.meta.clone()).await? {
            Some(meta) => packed::position(meta)?,
            None => self.advance(op, "", false).await?,
        };
        self.epoch.store(at.epoch, Ordering::Relaxed);
        Ok(at)
    }

    async fn advance(&self, op: &OpCtx, what: &'static str, confirmed: bool) -> Result<Position, Error> {
        let epoch = u64::from_be_bytes(random()?).max(1);
        let args = vec![Bytes::copy_from_slice(&epoch.to_be_bytes()), what.into(), operation(op)];
        let answer = match confirmed {
            true => self.client.run(op, &self.scripts.meta, self.meta.clone(), args).await,
            false => self.client.run_unconfirmed(op, &self.scripts.meta, self.meta.clone(), args).await,
        };
        let mut answer = Answer::new(answer?)?;
        match answer.status() {
            b"DONE" => packed::position(answer.bytes()?),
            b"NEWER" => Err(packed::newer()),
            _ => Err(error::unexpected()),
        }
    }

    async fn on_key(&self, op: &OpCtx, script: &Script, place: &Bytes, args: Vec<Bytes>) -> Result<Answer, Error> {
        Answer::new(self.client.run_unconfirmed(op, script, place.clone(), args).await?)
    }

    async fn on_tag(&self, op: &OpCtx, tag: &TagKey, args: Vec<Bytes>) -> Result<Answer, Error> {
        self.on_key(op, &self.scripts.tag, &self.prefix.tag(&tag.0), args).await
    }

    /// Whether no tag was invalidated since the load began.
    async fn allows(&self, op: &OpCtx, tags: &[TagKey], seq: u64) -> Result<bool, Error> {
        let read = tags.iter().map(|tag| async { Ok(packed::allows(self.client.get(op, self.prefix.tag(&tag.0)).await?, seq)) });
        match tags {
            [] => Ok(true),
            _ => try_join_all(read).await.map(|all| all.into_iter().all(|allowed| allowed)),
        }
    }

    /// A value beside a lease; without, when it cannot be made sure of.
    async fn stale(&self, op: &OpCtx, packed: Option<Packed>, now: i64) -> Option<LevelValue> {
        let packed = packed?;
        self.allows(op, &packed.tags, packed.seq).await.ok().filter(|allowed| *allowed)?;
        packed.at(now)
    }

    /// Makes every tag known, and tells whether none was invalidated since `start`.
    async fn claim(&self, op: &OpCtx, tags: &[TagKey], start: Position, kept: Duration) -> Result<bool, Error> {
        let mark = Bytes::copy_from_slice(&random::<16>()?);
        let args = [text(start.seq), text(millis(kept.saturating_add(SLACK))), mark];
        let claims = tags.iter().map(|tag| async {
            let args = std::iter::once("claim".into()).chain(args.clone()).collect();
            let mut answer = self.on_tag(op, tag, args).await?;
            match answer.status() {
                b"OK" => Ok(Claim::Granted),
                b"OVER" => Ok(Claim::Invalidated),
                b"NEW" => Ok(Claim::New(answer.bytes()?)),
                _ => Err(error::unexpected()),
            }
        });
        let (at, claims) = try_join(self.position(op), try_join_all(claims)).await?;
        let mut granted = at.epoch == start.epoch && !claims.iter().any(|claim| matches!(claim, Claim::Invalidated));
        let new: Vec<_> = tags
            .iter()
            .zip(&claims)
            .filter_map(|(tag, claim)| if let Claim::New(mark) = claim { Some((tag, mark)) } else { None })
            .collect();
        if !new.is_empty() {
            // only now: what was invalidated before the marks were there has a number that this one is not below
            let now = self.position(op).await?;
            let settle = new.into_iter().map(|(tag, mark)| async move {
                let args = vec!["settle".into(), mark.clone(), text(now.seq), text(start.seq)];
                Ok::<_, Error>(self.on_tag(op, tag, args).await?.status() == b"OK")
            });
            granted &= try_join_all(settle).await?.into_iter().all(|settled| settled) && now.epoch == start.epoch;
        }
        Ok(granted)
    }

    /// Gives a lease back; whether somebody waits, or nothing when it was lost.
    async fn give_back(&self, op: &OpCtx, place: &Bytes, lease: Held, value: Option<Vec<Bytes>>) -> Result<Option<bool>, Error> {
        let mut args = vec![text(lease.schema), token(lease.token)];
        args.extend(value.into_iter().flatten());
        let mut answer = self.on_key(op, &self.scripts.fill, place, args).await?;
        match answer.status() {
            b"DONE" => answer.flag().map(Some),
            b"GONE" => Ok(None),
            _ => Err(error::unexpected()),
        }
    }
}

fn operation(op: &OpCtx) -> Bytes {
    Bytes::copy_from_slice(&op.op_id.as_u128().to_be_bytes())
}

fn token(token: LeaseToken) -> Bytes {
    Bytes::copy_from_slice(&token.0.to_be_bytes())
}

impl Level for RedisLevel {
    async fn read(&self, op: OpCtx, key: &LevelKey, schema: u32) -> Result<Option<LevelValue>, Error> {
        let (inner, place) = (&*self.0, self.0.prefix.cached(&key.0));
        let read = inner.on_key(&op, &inner.scripts.read, &place, vec![text(schema)]);
        let (at, mut answer) = try_join(inner.position(&op), read).await?;
        let now = answer.int()?;
        let Some(packed) = Packed::read(answer.bytes()?).filter(|packed| packed.epoch == at.epoch) else { return Ok(None) };
        let allowed = inner.allows(&op, &packed.tags, packed.seq).await?;
        Ok(packed.at(now).filter(|_| allowed))
    }

    async fn read_or_lease(&self, op: OpCtx, key: &LevelKey, want: &Want) -> Result<Looked, Error> {
        let (inner, place) = (&*self.0, self.0.prefix.cached(&key.0));
        let lease = LeaseToken(u128::from_be_bytes(random()?));
        let (mut epoch, mut sure, mut void) = (inner.epoch.load(Ordering::Relaxed), false, Bytes::new());
        if epoch == 0 {
            epoch = inner.position(&op).await?.epoch;
        }
        for _ in 0..ROUNDS {
            let args = vec![
                text(want.schema),
                text(millis(want.more_than)),
                text(millis(want.lease).max(1)),
                token(lease),
                Bytes::copy_from_slice(&epoch.to_be_bytes()),
                void.clone(),
                text(u8::from(sure)),
            ];
            let look = inner.on_key(&op, &inner.scripts.lease, &place, args);
            let (start, mut answer) = try_join(inner.position(&op), look).await?;
            if start.epoch != epoch || answer.status() == b"ELSE" {
                (epoch, sure) = (start.epoch, true);
                continue;
            }
            let now = answer.int()?;
            let stored = answer.bytes()?;
            let lease_of = stored.get(33..49).map(Bytes::copy_from_slice);
            let packed = Packed::read(stored);
            match (answer.status(), packed) {
                (b"FOUND", Some(packed)) => {
                    if inner.allows(&op, &packed.tags, packed.seq).await? {
                        let found = packed.at(now).ok_or_else(error::unexpected)?;
                        return Ok(Looked::Found(found));
                    }
                    void = packed.lease;
                }
                // damaged behind its head: it counts as missing
                (b"FOUND", None) => void = lease_of.ok_or_else(error::unexpected)?,
                (b"LEASED", packed) => return Ok(Looked::Leased { token: lease, start, stale: inner.stale(&op, packed, now).await }),
                (b"HELD", packed) => {
                    let remaining = Duration::from_millis(u64::try_from(answer.int()?).unwrap_or(0));
                    return Ok(Looked::Held { remaining, stale: inner.stale(&op, packed, now).await });
                }
                _ => return Err(error::unexpected()),
            }
        }
        Err(Error::new(ErrorKind::Contended, "the cached value was filled and invalidated again and again while it was looked at"))
    }

    async fn extend(&self, op: OpCtx, key: &LevelKey, schema: u32, lease: LeaseToken, time: Duration) -> Result<bool, Error> {
        let (inner, place) = (&*self.0, self.0.prefix.cached(&key.0));
        let args = vec![text(schema), token(lease), text(millis(time).max(1))];
        let (at, mut answer) = try_join(inner.position(&op), inner.on_key(&op, &inner.scripts.extend, &place, args)).await?;
        match answer.status() {
            b"DONE" => Ok(answer.bytes()? == at.epoch.to_be_bytes()[..]),
            b"GONE" => Ok(false),
            _ => Err(error::unexpected()),
        }
    }

    async fn fill(&self, op: OpCtx, key: &LevelKey, lease: Held, value: &LevelValue) -> Result<Filled, Error> {
        let (inner, place) = (&*self.0, self.0.prefix.cached(&key.0));
        let kept = value.kept.max(value.fresh);
        let epoch = Bytes::copy_from_slice(&lease.start.epoch.to_be_bytes());
        let args = vec![text(millis(value.fresh)), text(millis(kept)), epoch, text(lease.start.seq), packed::body(value)?];
        let filled = if value.tags.is_empty() {
            // readers compare the epoch themselves: what is put in under an old one is not found
            let (at, filled) = try_join(inner.position(&op), inner.give_back(&op, &place, lease, Some(args))).await?;
            filled.filter(|_| at.epoch == lease.start.epoch)
        } else if inner.claim(&op, &value.tags, lease.start, kept).await? {
            inner.give_back(&op, &place, lease, Some(args)).await?
        } else {
            inner.give_back(&op, &place, lease, None).await?;
            None
        };
        Ok(filled.map_or(Filled::Refused, |awaited| Filled::Done { awaited }))
    }

    async fn release(&self, op: OpCtx, key: &LevelKey, lease: Held) -> Result<bool, Error> {
        let place = self.0.prefix.cached(&key.0);
        Ok(self.0.give_back(&op, &place, lease, None).await?.unwrap_or(false))
    }

    async fn invalidate(&self, op: OpCtx, target: &Target) -> Result<(), Error> {
        let inner = &*self.0;
        let answer = match target {
            Target::Key(key) => inner.client.run(&op, &inner.scripts.key, inner.prefix.cached(&key.0), vec![operation(&op)]).await?,
            Target::Tag(tag) => {
                // a number that a failover loses is not given out again, so no replica need have it
                let next = inner.advance(&op, "tag", false).await?;
                let args = vec!["raise".into(), text(next.seq), operation(&op)];
                inner.client.run(&op, &inner.scripts.tag, inner.prefix.tag(&tag.0), args).await?
            }
            // a target that this release does not know is part of everything
            _ => {
                let at = inner.advance(&op, "all", true).await?;
                inner.epoch.store(at.epoch, Ordering::Relaxed);
                return Ok(());
            }
        };
        match Answer::new(answer)?.status() {
            b"DONE" | b"AGAIN" => Ok(()),
            _ => Err(error::unexpected()),
        }
    }
}
