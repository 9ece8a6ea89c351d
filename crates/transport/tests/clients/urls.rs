//! The ways in which people write a server's address.

use std::fmt::Write as _;

use super::*;

const WRITTEN: &[&str] = &[
    "",
    "  127.0.0.1  ",
    "localhost:1234",
    "11500",
    ":11500",
    "\"0.0.0.0:9\"",
    "0.0.0.0:8000",
    "[::]:9",
    "::1",
    "[::1]:8000/v1",
    "[fe80::1]",
    "http://[2001:db8::2]/v1",
    "http://gpu-box",
    "HTTP://gpu-box:8080/",
    "gpu-box/ollama",
    "https://llm.example",
    "https://llm.example/a/b//",
    "gpu-box:8000",
    "http://gpu-box:8000",
    "http://gpu-box:8000/",
    "http://gpu-box:8000/v1",
    "http://gpu-box:8000/v1/",
    "gpu-box:8000/v1/chat/completions",
    " 'http://gpu-box:8000/v1' ",
    "https://h/openai/v1",
    "https://h/v1beta",
    "http://user:hunter2@h",
    "hunter2@h:1234",
    "user:hunter2@x://host",
    "https://h/v1?key=hunter2",
    "h#hunter2",
    "ftp://h",
    "h:0",
    "70000",
    "h:http",
    "http://a b",
];

/// Errors give the reason and repeat no secret.
#[test]
fn urls_are_read_as_people_write_them() {
    let mut text = String::new();
    for written in WRITTEN {
        writeln!(text, "{written:?}").unwrap();
        for protocol in PROTOCOLS {
            let read = match (protocol.endpoint)(written) {
                Ok(endpoint) => endpoint.to_string(),
                Err(error) => error.to_string(),
            };
            assert!(!read.contains("hunter2"), "{read}");
            writeln!(text, "  {}: {read}", protocol.name).unwrap();
            let built = (protocol.build)(Builder::new(Clock::real()), written);
            assert_eq!(
                built.is_ok(),
                (protocol.endpoint)(written).is_ok(),
                "{written}"
            );
        }
    }
    insta::assert_snapshot!(text);
}

#[tokio::test(start_paused = true)]
async fn ipv6_and_the_ends_of_a_base_url() {
    let clock = Clock::start_virtual();
    for protocol in PROTOCOLS {
        let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else {
            println!("skipped: no IPv6 loopback here");
            return;
        };
        let forms: &[&str] = match protocol.name {
            "openai" => &["", "/", "/v1", "/v1/", "/v1/chat/completions"],
            _ => &["", "/"],
        };
        let scripts = forms.iter().map(|_| protocol.whole()).collect();
        let server = Server::on(listener, &clock, scripts);
        for form in forms {
            let client = protocol.client(&format!("http://{}{form}", server.address), &clock);
            assert_eq!(client.endpoint(), format!("http://{}", server.address));
            let seen = generate(&*client).await;
            assert_eq!(seen.outcome, Outcome::Completed, "{form}");
        }
    }
}
