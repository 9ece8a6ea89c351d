use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// Passes on the bytes that it takes, and panics at a `!`.
struct Passing(Sender<Vec<u8>>);

impl Reader for Passing {
    fn take(&mut self, bytes: &[u8]) -> ReadOutcome {
        assert!(!bytes.contains(&b'!'), "a panic of the test's own");
        self.0.send(bytes.to_vec()).unwrap();
        if bytes.is_empty() {
            ReadOutcome::Done
        } else {
            ReadOutcome::NeedMore
        }
    }

    fn fail(&mut self, error: &io::Error) {
        panic!("{error}");
    }

    fn waiting_for(&self) -> Option<WaitingFor> {
        Some(WaitingFor::FirstByte)
    }

    fn prefetch(&self) {}
}

/// A socket, its other end, and the bytes that its reader takes.
fn wire(
    reactors: &Reactors<Passing>,
    read_at_once: usize,
) -> (ReactorSocket<Passing>, TcpStream, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    far.set_nodelay(true).unwrap();
    near.set_nonblocking(true).unwrap();
    let wire = reactors.register(near, read_at_once).unwrap();
    let (sender, receiver) = channel();
    wire.with_slot(|slot| slot.attach(Box::new(Passing(sender))));
    (wire, far, receiver)
}

fn taken(bytes: usize, from: &Receiver<Vec<u8>>) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < bytes {
        all.extend(from.recv().unwrap());
    }
    all
}

#[tokio::test]
async fn bytes_come_in_order_and_then_the_end() {
    let reactors = Reactors::default();
    for read_at_once in [1, 7, 65_536] {
        let (_wire, mut far, receiver) = wire(&reactors, read_at_once);
        for words in ["one", "another one", "and the last"] {
            far.write_all(words.as_bytes()).unwrap();
            assert_eq!(taken(words.len(), &receiver), words.as_bytes());
        }
        far.write_all(b"with the end behind it").unwrap();
        drop(far);
        assert_eq!(taken(22, &receiver), b"with the end behind it");
        assert_eq!(receiver.recv().unwrap(), b"");
    }
}

/// A socket that always has more is read in turns with the others.
#[tokio::test]
async fn a_flood_leaves_room_for_others() {
    let reactors = Reactors::default();
    let (flooded, mut flooding, _flood) = wire(&reactors, 64);
    let flooding = std::thread::spawn(move || {
        let flood = vec![b'x'; 65_536];
        while flooding.write_all(&flood).is_ok() {}
    });
    let (quiet, mut far, receiver) = wire(&reactors, 64);
    for _ in 0..100 {
        far.write_all(b"still here").unwrap();
        assert_eq!(taken(10, &receiver), b"still here");
    }
    drop((quiet, flooded, reactors));
    flooding.join().unwrap();
}

/// A reader's panic ends its reactor: every waiting task gets an error, and the next connection has another
/// reactor.
#[tokio::test]
async fn a_panic_ends_every_wait() {
    let reactors = Reactors::default();
    let (broken, mut far, _receiver) = wire(&reactors, 64);
    let (beside, _far, _beside) = wire(&reactors, 64);
    assert!(beside.is_quiet());
    far.write_all(b"!").unwrap();
    for wire in [broken, beside] {
        let ended = std::future::poll_fn(|context| match wire.waiting_for(context) {
            Ok(_) => Poll::Pending,
            Err(error) => Poll::Ready(error.to_string()),
        });
        assert_eq!(ended.await, "the thread that reads sockets has ended");
        assert!(!wire.is_quiet());
    }
    let (_next, mut far, receiver) = wire(&reactors, 64);
    far.write_all(b"on").unwrap();
    assert_eq!(taken(2, &receiver), b"on");
}

#[tokio::test]
async fn sockets_share_a_reactor_until_it_is_busy() {
    let reactors = Reactors::default();
    let wires: Vec<_> = (0..20).map(|_| wire(&reactors, 64)).collect();
    assert_eq!(reactors.0.lock().len(), 1);
    let first = &wires[0].0.reactor;
    assert!(wires.iter().all(|wire| Arc::ptr_eq(&wire.0.reactor, first)));
    for (reactors, least_sockets, threads, another) in [
        (1, 511, 16, false),
        (1, 512, 16, true),
        (1, 10_000, 1, false),
        (16, 600, 16, false),
    ] {
        let found = is_worth_another(reactors, least_sockets, threads);
        assert_eq!(found, another, "{reactors} {least_sockets} {threads}");
    }
}

#[tokio::test]
async fn a_request_that_does_not_fit_is_written_as_there_is_room() {
    let reactors = Reactors::default();
    let (wire, mut far, _receiver) = wire(&reactors, 64);
    let request = vec![b'r'; 16 << 20];
    let reading = std::thread::spawn(move || {
        use std::io::Read as _;
        let mut read = vec![0; 16 << 20];
        far.read_exact(&mut read).unwrap();
        read
    });
    let mut rest = request.as_slice();
    while !rest.is_empty() {
        let written = std::future::poll_fn(|context| wire.poll_write(context, rest)).await;
        rest = &rest[written.unwrap()..];
    }
    assert!(reading.join().unwrap() == request);
}
