//! A session store that keeps one file per session in a directory: all that it takes to bring a backend of your own.
//!
//! The rules (who may write, what a write does, what is over) are functions of [`Record`]. A backend has to run them in one atomic
//! step per session, which here is a lock on a file, and to keep the record's bytes.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use unstick::core::{
    Applied, Change, Created, Ended, Error, ErrorKind, Life, Loaded, NewRecord, OpCtx, Presented, Record, RecordKey, Renewal, Rotated,
    Rotation, Scope, Store, Timestamp, decode_record, encode_record, end_in_place,
};

/// How long an expired session is kept for late writers to find.
const SLACK: Duration = Duration::from_secs(300);
/// Files with locks; a session's is told by the first byte of its key, so that a session's file can be replaced and deleted.
const LOCKS: usize = 256;

/// Sessions in a directory. Processes of one host may share it; clones share everything.
#[derive(Debug, Clone)]
pub struct FileStore {
    dir: Arc<PathBuf>,
}

impl FileStore {
    /// The sessions in `dir`, which is made if it is missing, for this user alone: they hold what people have put into them.
    ///
    /// # Errors
    /// When the directory cannot be written to.
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<Self> {
        let dir = dir.into();
        DirBuilder::new().recursive(true).mode(0o700).create(dir.join("locks"))?;
        for number in 0..LOCKS {
            File::options().create(true).append(true).open(dir.join("locks").join(number.to_string()))?;
        }
        Ok(Self { dir: Arc::new(dir) })
    }

    /// Where the sessions are.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, key: RecordKey) -> PathBuf {
        self.dir.join(key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    /// Runs one step on a session, alone among all processes. What the step leaves is on disk before anybody is told of it.
    async fn step<T: Send + 'static>(
        &self,
        key: RecordKey,
        late: Option<OpCtx>,
        step: impl FnOnce(&mut Option<Record>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let store = self.clone();
        let work = move || {
            let lock = File::open(store.dir.join("locks").join(key.as_bytes()[0].to_string())).map_err(failed)?;
            lock.lock().map_err(failed)?;
            // Whether an operation is too late is judged where nobody can overtake it any more.
            late.map_or(Ok(()), |op| op.refuse_if_late(op.now.max(Timestamp::system_now())))?;
            let (path, new) = (store.path(key), store.path(key).with_extension("new"));
            let mut record = match fs::read(&path) {
                Ok(bytes) => Some(decode_record(bytes.into())?),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(failed(error)),
            };
            let before = record.clone();
            let answer = step(&mut record);
            if record != before {
                match &record {
                    // Renaming is what makes it all or nothing. A crash of the machine is another matter: see the README.
                    Some(record) => fs::write(&new, encode_record(record)).and_then(|()| fs::rename(&new, &path)).map_err(unknown)?,
                    None => fs::remove_file(&path).map_err(unknown)?,
                }
            }
            Ok(answer)
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| Error::with_source(ErrorKind::Internal, "the step did not end", error))?
    }
}

fn failed(error: io::Error) -> Error {
    Error::with_source(ErrorKind::Unavailable, "the directory of sessions cannot be read", error)
}

/// The answer to a write that may be in.
fn unknown(error: io::Error) -> Error {
    Error::with_source(ErrorKind::Interrupted, "the session's file could not be written", error)
}

/// A record that cannot be read is left alone, and that is an answer.
fn or_unreadable<T>(answer: Result<T, Error>, unreadable: impl FnOnce(ErrorKind) -> T) -> Result<T, Error> {
    answer.or_else(|error| match error.kind() {
        kind @ (ErrorKind::UnknownFormat | ErrorKind::Corrupt) => Ok(unreadable(kind)),
        _ => Err(error),
    })
}

impl Store for FileStore {
    fn scope(&self) -> Scope {
        Scope::Host
    }

    fn name(&self) -> &'static str {
        "files"
    }

    async fn create(&self, op: OpCtx, key: RecordKey, new: &NewRecord) -> Result<Created, Error> {
        let mut new = Record::new(new.clone());
        new.applied.push((op.op_id, op.deadline));
        let step = move |record: &mut Option<Record>| match record {
            Some(Record { life: Life::Ended { at, .. }, .. }) => Created::Ended { at: *at },
            Some(there) if there.applied.iter().any(|(id, _)| *id == op.op_id) => Created::Done,
            Some(_) => Created::Exists,
            None => {
                *record = Some(new);
                Created::Done
            }
        };
        or_unreadable(self.step(key, Some(op), step).await, |_| Created::Exists)
    }

    async fn load(&self, op: OpCtx, key: RecordKey, presented: Presented, renewal: Option<Renewal>) -> Result<Loaded, Error> {
        let step = move |record: &mut Option<Record>| {
            let Some(record) = record else { return Loaded::Missing };
            if renewal.is_some() {
                record.apply(&op, &presented, &Change { renewal, ..Change::new() });
            }
            Loaded::judge(record, &presented, op.now)
        };
        or_unreadable(self.step(key, renewal.map(|_| op), step).await, Loaded::Unreadable)
    }

    async fn apply(&self, op: OpCtx, key: RecordKey, presented: Presented, change: &Change) -> Result<Applied, Error> {
        let change = change.clone();
        let step = move |record: &mut Option<Record>| record.as_mut().map_or(Applied::Missing, |it| it.apply(&op, &presented, &change));
        or_unreadable(self.step(key, Some(op), step).await, Applied::Unreadable)
    }

    async fn rotate(
        &self,
        op: OpCtx,
        key: RecordKey,
        presented: Presented,
        rotation: &Rotation,
        change: &Change,
    ) -> Result<Rotated, Error> {
        let (rotation, change) = (rotation.clone(), change.clone());
        let step = move |record: &mut Option<Record>| match record {
            Some(record) => record.rotate(&op, &presented, &rotation, &change),
            None => Rotated::Refused(Applied::Missing),
        };
        or_unreadable(self.step(key, Some(op), step).await, |kind| Rotated::Refused(Applied::Unreadable(kind)))
    }

    async fn end(&self, op: OpCtx, key: RecordKey, presented: Option<Presented>, until: Timestamp) -> Result<Ended, Error> {
        let step = move |record: &mut Option<Record>| {
            end_in_place(record.get_or_insert_with(|| Record::tombstone(op.now, until)), op.now, presented.as_ref(), until)
        };
        self.step(key, Some(op), step).await
    }

    async fn sweep(&self, op: OpCtx, limit: usize) -> Result<usize, Error> {
        let (names, mut swept) = (fs::read_dir(&*self.dir).map_err(failed)?.flatten().map(|entry| entry.file_name()), 0);
        for key in names.filter_map(|name| key_of(name.to_str()?)) {
            if swept == limit {
                break;
            }
            let step = move |record: &mut Option<Record>| record.take_if(|it| it.is_collectable(op.now, SLACK)).is_some();
            swept += usize::from(or_unreadable(self.step(key, None, step).await, |_| false)?);
        }
        Ok(swept)
    }
}

fn key_of(name: &str) -> Option<RecordKey> {
    let bytes: Vec<u8> = (0..name.len() / 2).map_while(|at| u8::from_str_radix(name.get(2 * at..2 * at + 2)?, 16).ok()).collect();
    (name.len() == 64).then(|| bytes.try_into().ok().map(RecordKey::from_bytes))?
}
