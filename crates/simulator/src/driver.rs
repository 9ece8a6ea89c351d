//! Drives the core in clock time: one task wakes it when it has something to do, handlers put
//! requests in, and each request's notices come out at its own [`Ticket`].

mod log;

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clock::Clock;
use domain::Stamp;
use domain::telemetry::{DeviceFacts, GpuSource, Gpus};
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::sync::CancellationToken;

pub use log::{LogLine, RequestLog};

use crate::core::{Core, Notice, RequestId, RunnerOptions, Work};
use log::Log;

/// The simulated machine, shared by listeners, handlers and samplers.
#[derive(Debug)]
pub(crate) struct World {
    clock: Clock,
    wake: Notify,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    core: Core,
    /// Where the notices of each request come out, bounded by its tokens even if the client does not read.
    outlets: HashMap<RequestId, UnboundedSender<Notice>>,
    next_id: u64,
    /// When the driver will wake up.
    planned: Option<Stamp>,
    log: Log,
}

impl Inner {
    /// Delivers the core's notices and stores its log.
    fn deliver(&mut self) {
        while let Some(notice) = self.core.poll() {
            let Some(outlet) = self.outlets.get(&notice.id) else {
                continue;
            };
            let (id, is_final) = (notice.id, notice.what.is_final());
            // The receiver of a dropped ticket is gone.
            let _ = outlet.send(notice);
            if is_final {
                self.outlets.remove(&id);
            }
        }
        for event in self.core.drain_log() {
            self.log.push(LogLine::Scheduler(event));
        }
    }
}

impl World {
    pub(crate) fn new(core: Core, clock: Clock, log: Option<File>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            wake: Notify::new(),
            inner: Mutex::new(Inner {
                core,
                outlets: HashMap::new(),
                next_id: 1,
                planned: None,
                log: Log::new(log),
            }),
        })
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the core, delivers its notices, and wakes the driver if the next event is earlier.
    fn act<T>(&self, what: impl FnOnce(&mut Inner, Stamp) -> T) -> T {
        let mut inner = self.lock();
        // Read under the lock, so that the core never sees time run backwards.
        let now = self.clock.now();
        let result = what(&mut inner, now);
        inner.deliver();
        let next = inner.core.next_event();
        let sooner = match (next, inner.planned) {
            (Some(next), Some(planned)) => next < planned,
            (Some(_), None) => true,
            (None, _) => false,
        };
        drop(inner);
        if sooner {
            self.wake.notify_one();
        }
        result
    }

    /// Dropping the ticket cancels the request.
    pub(crate) fn submit(self: &Arc<Self>, server: usize, work: Work) -> Ticket {
        self.act(|inner, now| {
            let id = RequestId(inner.next_id);
            inner.next_id += 1;
            let (outlet, notices) = mpsc::unbounded_channel();
            inner.outlets.insert(id, outlet);
            inner.core.submit(now, server, Work { id, ..work });
            Ticket {
                world: Arc::clone(self),
                notices,
                id,
            }
        })
    }

    /// As [`World::act`], on the core alone.
    pub(crate) fn with_core<T>(&self, what: impl FnOnce(&mut Core, Stamp) -> T) -> T {
        self.act(|inner, now| what(&mut inner.core, now))
    }

    /// Tokens of the context that a request with these options gets.
    pub(crate) fn context(&self, server: usize, model: &str, options: &RunnerOptions) -> usize {
        let context = self.lock().core.context(server, model, options);
        context.map_or(usize::MAX, |context| context as usize)
    }

    pub(crate) fn log_request(&self, line: RequestLog) {
        self.lock().log.push(LogLine::Request(line));
    }

    /// The log kept in memory, oldest line first, and how many lines were dropped.
    pub(crate) fn log(&self) -> (Vec<LogLine>, u64) {
        self.act(|inner, now| {
            inner.core.advance(now);
            inner.deliver();
            inner.log.snapshot()
        })
    }

    /// Wakes the core at its events until `stop` is cancelled.
    pub(crate) async fn drive(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let next = {
                let mut inner = self.lock();
                let now = self.clock.now();
                inner.core.advance(now);
                inner.deliver();
                inner.planned = inner.core.next_event();
                inner.planned
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
                () = self.clock.sleep_until(next.unwrap_or_default()), if next.is_some() => {}
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Ticket {
    world: Arc<World>,
    notices: UnboundedReceiver<Notice>,
    id: RequestId,
}

impl Ticket {
    pub(crate) fn id(&self) -> RequestId {
        self.id
    }

    /// The next notice. After the final one there is none, ever.
    pub(crate) async fn next(&mut self) -> Notice {
        match self.notices.recv().await {
            Some(notice) => notice,
            None => std::future::pending().await,
        }
    }

    /// The next notice if there is one already.
    pub(crate) fn next_if_ready(&mut self) -> Option<Notice> {
        self.notices.try_recv().ok()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.world.act(|inner, now| {
            inner.outlets.remove(&self.id);
            // Does nothing for a request that has ended.
            inner.core.cancel(now, self.id);
        });
    }
}

/// The simulated devices, read on the sweep's clock.
pub(crate) fn gpus(world: Arc<World>) -> Gpus {
    let devices = world.with_core(|core, _| core.profile.device_names());
    let source = if devices.is_empty() {
        let reason = "the simulated machine has no GPU".to_owned();
        GpuSource::Absent { reason }
    } else {
        GpuSource::Simulated { devices }
    };
    let read = move |_| {
        world.with_core(|core, now| {
            core.advance(now);
            core.readings(now)
        })
    };
    Gpus {
        source,
        facts: DeviceFacts::new(),
        read: Box::new(read),
    }
}
