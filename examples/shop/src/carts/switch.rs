//! A bus that can be switched off, as if its connections were down.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use tokio::sync::watch;
use unstick::core::{Bus, BusEvent, Error, ErrorKind, OpCtx, Published, Subscription};

/// Switches all buses that were made with it.
#[derive(Debug, Clone)]
pub(crate) struct Switch(Arc<watch::Sender<bool>>);

impl Switch {
    /// Switched on or off.
    pub(crate) fn new(on: bool) -> Self {
        Self(Arc::new(watch::Sender::new(on)))
    }

    /// Switches.
    pub(crate) fn set(&self, on: bool) {
        self.0.send_replace(on);
    }

    /// Whether notices get through.
    pub(crate) fn is_on(&self) -> bool {
        *self.0.borrow()
    }
}

/// `inner` behind a switch.
#[derive(Debug)]
pub(crate) struct Switched<B> {
    inner: B,
    switch: Switch,
}

impl<B> Switched<B> {
    pub(crate) const fn new(inner: B, switch: Switch) -> Self {
        Self { inner, switch }
    }
}

impl<B: Bus> Bus for Switched<B> {
    type Subscription = Listening<B::Subscription>;

    async fn publish(&self, op: OpCtx, payload: Bytes) -> Result<Published, Error> {
        if !self.switch.is_on() {
            return Err(Error::new(ErrorKind::Unavailable, "the bus is switched off"));
        }
        self.inner.publish(op, payload).await
    }

    async fn subscribe(&self) -> Result<Self::Subscription, Error> {
        let inner = self.inner.subscribe().await?;
        Ok(Listening { inner, switch: self.switch.0.subscribe(), was_on: true, due: VecDeque::new() })
    }

    fn is_transactional(&self) -> bool {
        self.inner.is_transactional()
    }
}

/// Hears nothing while the switch is off, and says so.
#[derive(Debug)]
pub(crate) struct Listening<S> {
    inner: S,
    switch: watch::Receiver<bool>,
    was_on: bool,
    due: VecDeque<BusEvent>,
}

impl<S: Subscription> Subscription for Listening<S> {
    async fn next(&mut self) -> Option<BusEvent> {
        loop {
            if let Some(event) = self.due.pop_front() {
                return Some(event);
            }
            let on = *self.switch.borrow_and_update();
            if on != self.was_on {
                self.was_on = on;
                // What was swallowed meanwhile is a gap, also if it was nothing.
                self.due.extend(if on { &[BusEvent::Gap, BusEvent::Restored][..] } else { &[BusEvent::Cut] }.iter().cloned());
                continue;
            }
            tokio::select! {
                changed = self.switch.changed() => if changed.is_err() { return None },
                event = self.inner.next() => match event {
                    Some(_) if !on => {}
                    event => return event,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::mpsc;
    use unstick::core::{Notice, OpId, PublisherId, Timestamp};

    use super::*;

    /// Delivers to its one listener.
    #[derive(Debug)]
    struct Pipe(mpsc::UnboundedSender<BusEvent>, Mutex<Option<mpsc::UnboundedReceiver<BusEvent>>>);

    #[derive(Debug)]
    struct End(mpsc::UnboundedReceiver<BusEvent>);

    impl Subscription for End {
        async fn next(&mut self) -> Option<BusEvent> {
            self.0.recv().await
        }
    }

    impl Bus for Pipe {
        type Subscription = End;

        async fn publish(&self, _: OpCtx, payload: Bytes) -> Result<Published, Error> {
            let notice = Notice { publisher: PublisherId(1), incarnation: 1, seq: None, payload };
            self.0.send(BusEvent::Notice(notice)).unwrap();
            Ok(Published::Confirmed)
        }

        async fn subscribe(&self) -> Result<End, Error> {
            Ok(End(self.1.lock().unwrap().take().unwrap()))
        }
    }

    #[tokio::test]
    async fn what_is_missed_is_a_gap() {
        let (to, from) = mpsc::unbounded_channel();
        let switch = Switch::new(true);
        let bus = Switched::new(Pipe(to.clone(), Mutex::new(Some(from))), switch.clone());
        let mut listening = bus.subscribe().await.unwrap();
        let now = Timestamp::from_millis(1);
        let op = OpCtx { now, deadline: now, op_id: OpId::from_u128(1) };
        bus.publish(op, Bytes::from_static(b"a")).await.unwrap();
        assert!(matches!(listening.next().await, Some(BusEvent::Notice(_))));

        switch.set(false);
        assert_eq!(bus.publish(op, Bytes::from_static(b"b")).await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(listening.next().await, Some(BusEvent::Cut));
        to.send(BusEvent::Gap).unwrap();
        tokio::select! {
            biased;
            event = listening.next() => panic!("{event:?} while the bus is off"),
            () = tokio::task::yield_now() => {}
        }

        switch.set(true);
        assert_eq!([listening.next().await, listening.next().await], [Some(BusEvent::Gap), Some(BusEvent::Restored)]);
        bus.publish(op, Bytes::from_static(b"c")).await.unwrap();
        assert!(matches!(listening.next().await, Some(BusEvent::Notice(notice)) if notice.payload == "c"));
        drop((bus, to));
        assert_eq!(listening.next().await, None);
    }
}
