//! The ways in which people write a server's address.

use std::fmt::Write as _;

use super::*;

/// A JSON list of texts.
const WRITTEN: &str = include_str!("urls.json");

/// Errors give the reason and repeat no secret.
#[test]
fn urls_are_read_as_people_write_them() {
    let mut text = String::new();
    for written in serde_json::from_str::<Vec<String>>(WRITTEN).unwrap() {
        writeln!(text, "{written:?}").unwrap();
        for protocol in PROTOCOLS {
            let built = (protocol.build)(protocol.settings(&Clock::real(), LIMITS), &written);
            let endpoint = (protocol.endpoint)(&written);
            assert_eq!(built.is_ok(), endpoint.is_ok(), "{written}");
            let read = match endpoint {
                Ok(endpoint) => endpoint.to_string(),
                Err(error) => error.to_string(),
            };
            assert!(!read.contains("hunter2"), "{read}");
            writeln!(text, "  {}: {read}", protocol.name).unwrap();
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
