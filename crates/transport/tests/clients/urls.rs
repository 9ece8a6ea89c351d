//! Where a server is, in all the ways people write it.

use super::*;

fn refused(protocol: Protocol, url: &str) -> String {
    let built = (protocol.build)(url, &Clock::real(), Timeouts::default(), None);
    built.map(|client| client.endpoint()).unwrap_err()
}

#[test]
fn a_url_that_cannot_be_used_says_why_and_repeats_no_secret() {
    for protocol in PROTOCOLS {
        for (url, words) in [
            ("http://user:hunter2@h", "a user name or key before `@`"),
            ("hunter2@h:1234", "a user name or key before `@`"),
            ("https://h/v1?key=hunter2", "a query after `?`"),
            ("h#hunter2", "a fragment after `#`"),
            ("ftp://h", "endpoint scheme `ftp` is not http or https"),
            ("h:0", "endpoint port `0` is not a number from 1 to 65535"),
            ("70000", "endpoint port `70000` is not a number"),
            ("h:http", "endpoint port `http` is not a number"),
            ("http://a b", "is not HOST, HOST:PORT, PORT or a URL"),
        ] {
            let message = refused(protocol, url);
            assert!(message.contains(words), "{}: {message}", protocol.name);
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
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
