//! A server's replies, read by the clients over a local socket.

use std::io;
use std::sync::Arc;

use clock::Clock;
use domain::Nanos;
use domain::backend::{ChatBackend, Exchange, GenerateCall};
use domain::plan::Timeouts;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// A local port, and clients of the server on it.
struct Rig {
    runtime: Runtime,
    listener: TcpListener,
    clients: [Box<dyn ChatBackend>; 2],
}

impl Rig {
    fn new() -> Self {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().expect("a runtime");
        let binding = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = binding.expect("a port");
        let server = listener.local_addr().expect("its address").to_string();
        let limit = Nanos::from_secs(3);
        let timeouts = Timeouts {
            connect: limit,
            first_byte: limit,
            between_chunks: limit,
            total: limit,
        };
        let clock = runtime.block_on(async { Clock::real() });
        let settings = ollama::Settings::new(clock, timeouts);
        let ollama = ollama::Client::new(settings.clone(), &server).expect("a client");
        let openai = openai::Client::new(settings, &server).expect("a client");
        Self {
            clients: [Box::new(ollama), Box::new(openai)],
            runtime,
            listener,
        }
    }

    /// Asks both clients for an answer, and with `control` also for the server's facts. Every connection gets the same
    /// reply and is closed.
    fn play(&self, reply: Vec<u8>, control: bool) {
        let size = reply.len();
        let reply: Arc<[u8]> = reply.into();
        self.runtime.block_on(async {
            for client in &self.clients {
                tokio::select! {
                    never = serve(&self.listener, &reply) => never,
                    () = ask(&**client, size, control) => {}
                }
            }
        });
    }
}

async fn serve(listener: &TcpListener, reply: &Arc<[u8]>) {
    loop {
        let (socket, _) = listener.accept().await.expect("a connection");
        let reply = Arc::clone(reply);
        tokio::spawn(async move {
            // A client may have closed before it was answered.
            let _ = answer(socket, &reply).await;
        });
    }
}

/// Reads a request, which ends with an empty line or with its JSON body, and answers.
async fn answer(mut socket: TcpStream, reply: &[u8]) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"}") && !request.ends_with(b"\r\n\r\n") {
        if socket.read_buf(&mut request).await? == 0 {
            break;
        }
    }
    socket.write_all(reply).await?;
    socket.shutdown().await
}

async fn ask(backend: &dyn ChatBackend, size: usize, control: bool) {
    let call = GenerateCall {
        model: "m".to_owned(),
        prompt: "p".to_owned(),
        ..GenerateCall::default()
    };
    let mut exchange = Exchange::default();
    let outcome = backend.generate(&call, &mut exchange).await;
    let length = exchange.text.len() + exchange.thinking.len();
    assert!(length <= size, "no more text than bytes");
    let lacks_end = outcome.is_completed() && exchange.times.done.is_none();
    assert!(!lacks_end, "an answer that completed has its end");
    if control {
        let _ = backend.identify().await;
        let _ = backend.find_model("m").await;
        let _ = backend.loaded().await;
    }
}

thread_local! {
    static RIG: Rig = Rig::new();
}

pub(crate) fn http(input: &[u8]) {
    RIG.with(|rig| rig.play(input.to_vec(), true));
}

pub(crate) fn body(content_type: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\r\n");
    RIG.with(|rig| rig.play([head.as_bytes(), body].concat(), false));
}
