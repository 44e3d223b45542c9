//! Commands, each within its deadline.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use fred::{
    clients::{Client as Fred, WithOptions},
    error::{Error as FredError, ErrorKind as FredKind},
    interfaces::{ClientLike, KeysInterface},
    types::{ClusterHash, CustomCommand, Resp3Frame, Value, cluster::ClusterRouting, config::Options},
};
use futures_util::future::{join_all, select};
use unstick_core::{Error, ErrorKind, OpCtx, Runtime, Timestamp};

use super::{
    failure,
    link::Link,
    nodes::Node,
    reply::{self, Reply},
    run::Call,
    script::Script,
    watchdog::{Silence, Suspicion},
    wire::{Shared, Wire},
};

/// The narrow client that stores, buses and cache levels are written against. Clones share their connections.
#[derive(Clone)]
pub(crate) struct Client(pub(super) Arc<Shared>);

/// When a call has to be over, by the runtime's monotonic clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due(Duration);

impl Due {
    pub(super) fn within(runtime: &Runtime, time: Duration) -> Self {
        Self(runtime.monotonic().saturating_add(time))
    }

    pub(super) fn left(self, runtime: &Runtime) -> Duration {
        self.left_at(runtime.monotonic())
    }

    pub(super) fn left_at(self, now: Duration) -> Duration {
        self.0.saturating_sub(now)
    }
}

/// Why a command was not answered by the node that it was sent to.
pub(super) enum Failed {
    /// That node has the slot no more, or is giving it away: nothing was done.
    Redirected,
    Error(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Makes the arguments of a command for a node.
pub(super) type Build<'a> = &'a mut (dyn FnMut(&Node) -> Result<Vec<Value>, Error> + Send);

/// Calls that are sent by one command, and counted as unanswered unless it is said otherwise before this is dropped.
struct Flight<'a> {
    node: Option<&'a Node>,
    calls: usize,
}

impl<'a> Flight<'a> {
    fn start(node: &'a Node, calls: usize, now: Duration) -> (Self, Option<Suspicion>) {
        let mut silence = node.silence();
        (0..calls).for_each(|_| silence.sent(now));
        (Self { node: Some(node), calls }, silence.suspicion(now))
    }

    fn answered(mut self, now: Duration) {
        self.land(|silence| silence.answered(now));
    }

    fn broken(mut self) {
        self.land(Silence::broken);
    }

    fn land(&mut self, each: impl Fn(&mut Silence)) {
        if let Some(node) = self.node.take() {
            let mut silence = node.silence();
            (0..self.calls).for_each(|_| each(&mut silence));
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.land(Silence::given_up);
    }
}

impl Client {
    /// Reads a string, by a command of its own.
    pub(crate) fn get<'a>(&'a self, op: &'a OpCtx, key: Bytes) -> impl Future<Output = Result<Option<Bytes>, Error>> + use<'a> {
        self.read(op, key, false)
    }

    /// The same, along with others that are read so at the same time: in no order with anything else.
    pub(crate) fn get_along<'a>(&'a self, op: &'a OpCtx, key: Bytes) -> impl Future<Output = Result<Option<Bytes>, Error>> + use<'a> {
        self.read(op, key, true)
    }

    /// Runs a script on `key`, with the deadline on the server's clock before the arguments.
    pub(crate) fn run<'a>(
        &'a self,
        op: &OpCtx,
        script: &'a Script,
        key: Bytes,
        args: Vec<Bytes>,
    ) -> impl Future<Output = Result<Vec<Reply>, Error>> + use<'a> {
        self.run_by(op, script, key, args, true)
    }

    /// The same for what may be lost: replicas are not waited for, whatever the settings say.
    pub(crate) fn run_unconfirmed<'a>(
        &'a self,
        op: &OpCtx,
        script: &'a Script,
        key: Bytes,
        args: Vec<Bytes>,
    ) -> impl Future<Output = Result<Vec<Reply>, Error>> + use<'a> {
        self.run_by(op, script, key, args, false)
    }

    fn run_by<'a>(
        &'a self,
        op: &OpCtx,
        script: &'a Script,
        key: Bytes,
        args: Vec<Bytes>,
        confirmed: bool,
    ) -> impl Future<Output = Result<Vec<Reply>, Error>> + use<'a> {
        let call = self.begin(op).map(|due| Call { key, args, due });
        // looked at where it is: a copy would be part of the future, too
        async move {
            match &call {
                Ok(call) => self.run_until(script, call, confirmed).await,
                Err(error) => Err(error.clone()),
            }
        }
    }

    /// Runs a script on many keys, which may belong to different nodes: sent in order, without waiting for answers in between.
    pub(crate) async fn run_each(&self, op: &OpCtx, script: &Script, calls: Vec<(Bytes, Vec<Bytes>)>) -> Vec<Result<Vec<Reply>, Error>> {
        let due = match self.begin(op) {
            Ok(due) => due,
            Err(error) => return calls.iter().map(|_| Err(error.clone())).collect(),
        };
        // asking for the time first, so that nothing has to wait in between
        for (key, _) in &calls {
            let wire = self.0.wire();
            if let Ok(node) = owner(&wire, slot_of(&wire, key)) {
                _ = self.know_clock(&wire, &node, due).await; // the call itself will say what is wrong
            }
        }
        let calls: Vec<Call> = calls.into_iter().map(|(key, args)| Call { key, args, due }).collect();
        join_all(calls.iter().map(|call| self.run_until(script, call, true))).await
    }

    /// Clocks and tasks as configured.
    pub(crate) fn runtime(&self) -> Runtime {
        self.0.settings.runtime.clone()
    }

    /// Sends to every subscriber; tells how many of one node got it.
    pub(crate) async fn publish(&self, op: &OpCtx, channel: &str, payload: Bytes) -> Result<u64, Error> {
        let due = self.begin(op)?;
        let channel = Bytes::copy_from_slice(channel.as_bytes());
        let wire = self.0.wire();
        let slot = slot_of(&wire, &channel);
        let mut args = |_: &Node| Ok(vec![Value::Bytes(channel.clone()), Value::Bytes(payload.clone())]);
        let (frame, _) = self.route(&wire, &wire.link, ("PUBLISH", 1), slot, due, &mut args).await?;
        let reply = Reply::read(frame)?;
        reply.number().and_then(|count| u64::try_from(count).ok()).ok_or_else(reply::unexpected)
    }

    /// The time that the operation has, by its own clock and budget and by the configured maximum.
    fn begin(&self, op: &OpCtx) -> Result<Due, Error> {
        let settings = &self.0.settings;
        let left = op.deadline.since(settings.runtime.wall()).min(op.budget()).min(settings.deadline);
        if left.is_zero() { Err(failure::late()) } else { Ok(Due::within(&settings.runtime, left)) }
    }

    /// Asks again once when the connection broke: a read changes nothing.
    async fn read(&self, op: &OpCtx, key: Bytes, along: bool) -> Result<Option<Bytes>, Error> {
        let due = self.begin(op)?;
        let first = self.read_once(due, &key, along).await;
        let reply = match first {
            Err(error) if error.kind() == ErrorKind::Interrupted => Box::pin(self.read_again(due, &key, error)).await,
            other => other,
        };
        match reply? {
            Reply::Nil => Ok(None),
            value => value.into_bytes().map(Some),
        }
    }

    async fn read_again(&self, due: Due, key: &Bytes, error: Error) -> Result<Reply, Error> {
        let runtime = &self.0.settings.runtime;
        let wire = self.0.wire();
        select(pin!(wire.link.fred.wait_for_connect()), pin!(runtime.sleep(due.left(runtime)))).await;
        if due.left(runtime).is_zero() { Err(error) } else { self.read_once(due, key, false).await }
    }

    async fn read_once(&self, due: Due, key: &Bytes, along: bool) -> Result<Reply, Error> {
        if along
            && let Some(outcome) = self.go_along(None, || Call { key: key.clone(), args: Vec::new(), due })
            && let Some(met) = outcome.await?
        {
            return Ok(met.reply);
        }
        // in a box: it is large, and moved with every future around it, also by those that go along
        Box::pin(self.read_alone(due, key, along)).await
    }

    async fn read_alone(&self, due: Due, key: &Bytes, along: bool) -> Result<Reply, Error> {
        let wire = self.0.wire();
        let _alone = along.then(|| wire.reads.alone());
        let slot = slot_of(&wire, key);
        let mut args = |_: &Node| Ok(vec![Value::Bytes(key.clone())]);
        let (frame, _) = self.route(&wire, &wire.link, ("GET", 1), slot, due, &mut args).await?;
        Reply::read(frame)
    }

    /// Sends to the owner of the slot, also when that changes meanwhile. The owner's clock is known when the arguments are made.
    /// The command goes with the number of calls that it stands for.
    pub(super) async fn route(
        &self,
        wire: &Arc<Wire>,
        link: &Link,
        (command, calls): (&'static str, usize),
        slot: u16,
        due: Due,
        build: Build<'_>,
    ) -> Result<(Resp3Frame, Arc<Node>), Error> {
        // the library has looked who owns the slot before it reports a redirection
        for _ in 0..2 {
            let node = owner(wire, slot)?;
            if command.starts_with("EVAL") {
                self.know_clock(wire, &node, due).await?;
            }
            match self.send(wire, link, &node, (command, calls), slot, build(&node)?, due).await {
                Ok(frame) => return Ok((frame, node)),
                Err(Failed::Redirected) => _ = wire.look_around(),
                Err(Failed::Error(error)) => return Err(error),
            }
        }
        Box::pin(self.ask(wire, command, slot, due, build)).await
    }

    #[allow(clippy::too_many_arguments, reason = "where, until when, and what for")]
    pub(super) async fn wait_for_replicas(
        &self,
        wire: &Arc<Wire>,
        link: &Link,
        node: &Arc<Node>,
        slot: u16,
        due: Due,
        replicas: u32,
        time: Duration,
    ) -> Result<(), Error> {
        let time = time.min(due.left(&self.0.settings.runtime));
        // zero would mean for ever
        let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX).max(1);
        let args = vec![Value::Integer(replicas.into()), Value::Integer(millis)];
        let confirmed = match self.send(wire, link, node, ("WAIT", 1), slot, args, due).await {
            Ok(frame) => Reply::read(frame)?,
            Err(Failed::Error(error)) if error.is_outcome_unknown() => return Err(error),
            // the write was answered, whatever became of the question behind it
            Err(_) => Reply::Nil,
        };
        if confirmed.number().is_some_and(|confirmed| confirmed >= i64::from(replicas)) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Interrupted, format!("applied, but not on {replicas} replicas in time (`wait_replicas`)")))
    }

    async fn know_clock(&self, wire: &Arc<Wire>, node: &Arc<Node>, due: Due) -> Result<(), Error> {
        if node.clock.at(Timestamp::system_now()).is_some() {
            return Ok(());
        }
        Box::pin(self.learn_clock(wire, &wire.link, node, due)).await
    }

    /// Asks the server for its time.
    pub(super) async fn learn_clock(&self, wire: &Arc<Wire>, link: &Link, node: &Arc<Node>, due: Due) -> Result<(), Error> {
        let sent = Timestamp::system_now();
        let reply = match self.send(wire, link, node, ("TIME", 1), node.slot, Vec::new(), due).await {
            Ok(frame) => Reply::read(frame)?,
            // nothing of the operation was sent yet
            Err(_) => return Err(failure::not_connected()),
        };
        let received = Timestamp::system_now();
        let Reply::Many(parts) = &reply else { return Err(reply::unexpected()) };
        let (Some(seconds), Some(micros)) = (parts.first().and_then(Reply::number), parts.get(1).and_then(Reply::number)) else {
            return Err(reply::unexpected());
        };
        node.clock.learn(sent, received, Timestamp::from_millis(seconds.saturating_mul(1000).saturating_add(micros / 1000)));
        Ok(())
    }

    /// One command to one node, with the number of calls that it stands for; sent at most once, given up when it is due.
    #[allow(clippy::too_many_arguments, reason = "where, what, and until when")]
    pub(super) async fn send(
        &self,
        wire: &Arc<Wire>,
        link: &Link,
        node: &Arc<Node>,
        (command, calls): (&'static str, usize),
        slot: u16,
        args: Vec<Value>,
        due: Due,
    ) -> Result<Resp3Frame, Failed> {
        let runtime = &self.0.settings.runtime;
        let now = runtime.monotonic();
        let left = due.0.saturating_sub(now);
        if left.is_zero() {
            return Err(failure::late().into());
        }
        if !link.is_connected() {
            node.silence().refused(now);
            self.suspect(wire, node);
            return Err(failure::not_connected().into());
        }
        let (flight, suspicion) = Flight::start(node, calls, now);
        self.follow(wire, node, suspicion);
        let options = Options {
            // one, so that nothing is repeated silently; the library counts a redirection as one more, so it may follow none
            max_attempts: Some(1),
            // the only timer of the call: it also tells the library that nobody waits, so that it does not send what is in its queue
            timeout: Some(left),
            fail_fast: true,
            ..Options::default()
        };
        // the library's future is some 7 KB, which would be part of the future of every operation, and moved with it
        let call = Box::pin(sent(link.fred.with_options(&options), command, slot, args));
        match call.await {
            Ok(frame) => {
                flight.answered(runtime.monotonic());
                self.0.healed(node, "answers");
                if reply::is_demoted(&frame) {
                    self.probe(wire, node, Suspicion::Demoted);
                }
                Ok(frame)
            }
            Err(error) if failure::is_redirection(&error) => {
                flight.answered(runtime.monotonic());
                Err(Failed::Redirected)
            }
            Err(error) => {
                let error = failure::unanswered(&error);
                if error.kind() == ErrorKind::Timeout {
                    drop(flight);
                    self.suspect(wire, node);
                } else {
                    flight.broken();
                }
                Err(error.into())
            }
        }
    }
}

/// Sends by the library. It gathers commands of its own kinds and sends what has come together at once, but everything custom, and every
/// script, in a packet of its own, which costs both sides more than the command itself: so reads go by their own kind.
async fn sent(fred: WithOptions<Fred>, command: &'static str, slot: u16, args: Vec<Value>) -> Result<Resp3Frame, FredError> {
    let ("GET", [Value::Bytes(key)]) = (command, args.as_slice()) else {
        return fred.custom_raw(CustomCommand::new_static(command, ClusterHash::Custom(slot), false), args).await;
    };
    match fred.get::<Value, _>(key.clone()).await {
        Ok(Value::Null) => Ok(Resp3Frame::Null),
        Ok(Value::Bytes(data)) => Ok(Resp3Frame::BlobString { data, attributes: None }),
        Ok(Value::String(text)) => Ok(Resp3Frame::BlobString { data: text.into_inner(), attributes: None }),
        Ok(_) => Err(FredError::new(FredKind::Protocol, "GET was answered with no string")),
        Err(error) if failure::is_answer(&error) => Ok(Resp3Frame::SimpleError { data: error.details().into(), attributes: None }),
        Err(error) => Err(error),
    }
}

pub(super) fn slot_of(wire: &Wire, key: &[u8]) -> u16 {
    if wire.link.fred.is_clustered() { ClusterRouting::hash_key(key) } else { 0 }
}

pub(super) fn owner(wire: &Wire, slot: u16) -> Result<Arc<Node>, Error> {
    wire.nodes().owner(slot).cloned().ok_or_else(failure::not_connected)
}
