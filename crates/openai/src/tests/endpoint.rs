use crate::endpoint;

fn url(text: &str) -> String {
    endpoint(text).unwrap().to_string()
}

#[test]
fn a_base_url_may_end_in_v1_or_not() {
    for text in [
        "gpu-box:8000",
        "http://gpu-box:8000",
        "http://gpu-box:8000/",
        "http://gpu-box:8000/v1",
        "http://gpu-box:8000/v1/",
        "gpu-box:8000/v1/chat/completions",
        " 'http://gpu-box:8000/v1' ",
    ] {
        assert_eq!(url(text), "http://gpu-box:8000", "{text}");
    }
    assert_eq!(url("https://h/openai/v1"), "https://h:443/openai");
    assert_eq!(url("https://h/v1beta"), "https://h:443/v1beta");
}

#[test]
fn ipv6_and_addresses_to_listen_on() {
    assert_eq!(url("[::1]:8000/v1"), "http://[::1]:8000");
    assert_eq!(url("::1"), "http://[::1]:8080");
    assert_eq!(url("http://[2001:db8::2]/v1"), "http://[2001:db8::2]:80");
    assert_eq!(url("0.0.0.0:8000"), "http://127.0.0.1:8000");
    assert_eq!(url("[::]:8000"), "http://[::1]:8000");
}

#[test]
fn a_key_in_a_url_is_refused_and_not_repeated() {
    for text in [
        "http://sk-secret@h/v1",
        "https://user:sk-secret@h",
        "http://h/v1?api_key=sk-secret",
        "http://h/v1#sk-secret",
    ] {
        let error = endpoint(text).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        assert!(error.contains("TANDEM_API_KEY"), "{error}");
    }
}

#[test]
fn what_is_no_endpoint_says_why() {
    for (text, words) in [
        ("ftp://h", "endpoint scheme `ftp` is not http or https"),
        ("h:0", "endpoint port `0` is not a number from 1 to 65535"),
        (
            "h:http",
            "endpoint port `http` is not a number from 1 to 65535",
        ),
        ("a b", "is not HOST, HOST:PORT, PORT or a URL"),
    ] {
        let error = endpoint(text).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
