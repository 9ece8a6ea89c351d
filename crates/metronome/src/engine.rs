//! The thread: connections, requests, and two queues of due tokens.

use std::collections::VecDeque;
use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clock::Clock;
use domain::{Nanos, Stamp};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token as Id, Waker};
use slab::Slab;

use crate::connection::{Connection, Turn};
use crate::wire::{OPERATIONS, Operation, Parts};
use crate::{Pace, Shared};

const LISTENER: Id = Id(usize::MAX);
const WAKER: Id = Id(usize::MAX - 1);

/// Tokens sent between two polls, so that a new request is read soon even when many tokens are due.
const BURST: usize = 64;

/// How long not to accept connections after file descriptors ran out.
const BREATH: Nanos = Nanos::from_millis(10);

#[derive(Debug, Clone, Copy)]
struct Due {
    at: Stamp,
    slot: usize,
    /// The slot's connection when this was queued; another may have the slot when it is due.
    connection: u64,
}

pub(crate) struct Engine {
    pace: Pace,
    listener: TcpListener,
    clock: Clock,
    shared: Arc<Shared>,
    poll: Poll,
    parts: [Parts; 4],
    slots: Slab<Connection>,
    accepted: u64,
    /// First tokens. All wait equally long from their requests, which come in order, so that the
    /// front is always the next one.
    firsts: VecDeque<Due>,
    /// Later tokens, each put here when the one before is sent: in order for the same reason.
    nexts: VecDeque<Due>,
    paused_until: Option<Stamp>,
    scratch: Vec<u8>,
}

impl Engine {
    pub(crate) fn new(
        pace: Pace,
        listener: StdListener,
        clock: Clock,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::from_std(listener);
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            pace,
            listener,
            clock,
            shared,
            poll,
            parts: OPERATIONS.each_ref().map(Operation::parts),
            slots: Slab::new(),
            accepted: 0,
            firsts: VecDeque::new(),
            nexts: VecDeque::new(),
            paused_until: None,
            scratch: vec![0; 64 * 1024],
        })
    }

    pub(crate) fn waker(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), WAKER)
    }

    /// Records which thread this is, so that its CPU time can be read.
    pub(crate) fn note_thread(&self) {
        if let Ok(task) = std::fs::read_link("/proc/thread-self") {
            *self.shared.task.lock() = Some(std::path::Path::new("/proc").join(task));
        }
    }

    pub(crate) fn run(&mut self) {
        let mut events = Events::with_capacity(1024);
        while !self.shared.stop.load(Ordering::Acquire) {
            match self.poll.poll(&mut events, self.time_to_next()) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                // The poll itself is broken: nothing can be served any more.
                Err(_) => break,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    WAKER => {}
                    Id(slot) => self.serve(slot, event.is_readable(), event.is_writable()),
                }
            }
            if self.paused_until.is_some_and(|at| at <= self.clock.now()) {
                self.paused_until = None;
                self.accept();
            }
            self.send_due();
        }
        for slot in 0..self.slots.capacity() {
            self.close(slot);
        }
    }

    fn time_to_next(&self) -> Option<Duration> {
        let next = [
            self.firsts.front().map(|due| due.at),
            self.nexts.front().map(|due| due.at),
            self.paused_until,
        ];
        let next = next.into_iter().flatten().min()?;
        Some(next.since(self.clock.now()).as_duration())
    }

    fn accept(&mut self) {
        loop {
            let mut socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                // Out of file descriptors, or a connection that was gone before it was accepted.
                Err(_) => {
                    self.paused_until = Some(self.clock.now() + BREATH);
                    return;
                }
            };
            let accepted = self.clock.now();
            let slot = self.slots.vacant_entry();
            let (id, both) = (Id(slot.key()), Interest::READABLE | Interest::WRITABLE);
            let ready = socket
                .set_nodelay(true)
                .and_then(|()| self.poll.registry().register(&mut socket, id, both));
            if ready.is_ok() {
                slot.insert(Connection::new(socket, self.accepted, accepted));
                self.accepted += 1;
            }
        }
    }

    fn serve(&mut self, slot: usize, readable: bool, writable: bool) {
        let Some(connection) = self.slots.get_mut(slot) else {
            return;
        };
        let mut turn = Turn::Waits;
        if writable {
            turn = connection.flush();
        }
        if readable && turn != Turn::Gone {
            turn = connection.read(&mut self.scratch, self.pace, &self.clock);
        }
        self.follow(slot, turn);
    }

    fn follow(&mut self, slot: usize, turn: Turn) {
        match turn {
            Turn::Waits => {}
            Turn::Gone => self.close(slot),
            Turn::Begins => {
                let connection = &self.slots[slot];
                let due = connection.stream.as_ref().map(|stream| Due {
                    at: stream.log.asked + self.pace.ttft,
                    slot,
                    connection: connection.number,
                });
                self.firsts.extend(due);
            }
        }
    }

    fn close(&mut self, slot: usize) {
        let Some(mut connection) = self.slots.try_remove(slot) else {
            return;
        };
        // A socket that is closed leaves the poll by itself where this fails.
        let _ = self.poll.registry().deregister(&mut connection.socket);
        // A stream that has not ended is logged as far as it went.
        if let Some(stream) = connection.stream {
            self.shared.log.lock().push(stream.log);
        }
    }

    fn send_due(&mut self) {
        let mut now = self.clock.now();
        for _ in 0..BURST {
            let queue = match (self.firsts.front(), self.nexts.front()) {
                (Some(first), Some(next)) if next.at < first.at => &mut self.nexts,
                (Some(_), _) => &mut self.firsts,
                (None, _) => &mut self.nexts,
            };
            let Some(due) = queue.pop_front_if(|due| due.at <= now) else {
                return;
            };
            let connection = self.slots.get_mut(due.slot);
            let Some(connection) = connection.filter(|c| c.number == due.connection) else {
                continue;
            };
            let Some((ended, returned)) = connection.tick(&self.parts, now, &self.clock) else {
                self.close(due.slot);
                continue;
            };
            now = returned;
            let Some(log) = ended else {
                self.nexts.push_back(Due {
                    at: due.at + self.pace.gap,
                    ..due
                });
                continue;
            };
            self.shared.log.lock().push(log);
            if connection.is_over() {
                self.close(due.slot);
            } else {
                let turn = connection.answer(self.pace, &self.clock);
                self.follow(due.slot, turn);
            }
        }
    }
}
