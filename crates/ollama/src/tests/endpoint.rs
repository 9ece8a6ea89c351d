use crate::endpoint;

#[test]
fn hosts_are_read_as_ollama_reads_them() {
    for (text, url) in [
        ("", "http://127.0.0.1:11434"),
        ("  127.0.0.1  ", "http://127.0.0.1:11434"),
        ("localhost:1234", "http://localhost:1234"),
        ("11500", "http://127.0.0.1:11500"),
        (":11500", "http://127.0.0.1:11500"),
        ("\"0.0.0.0:9\"", "http://127.0.0.1:9"),
        ("[::]:9", "http://[::1]:9"),
        ("::1", "http://[::1]:11434"),
        ("[fe80::1]", "http://[fe80::1]:11434"),
        ("http://gpu-box", "http://gpu-box:80"),
        ("HTTP://gpu-box:8080/", "http://gpu-box:8080"),
        ("https://llm.example", "https://llm.example:443"),
        ("https://llm.example/a/b//", "https://llm.example:443/a/b"),
        ("gpu-box/ollama", "http://gpu-box:11434/ollama"),
    ] {
        assert_eq!(endpoint(text).unwrap().to_string(), url, "{text}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_without_repeating_secrets() {
    for (text, word) in [
        ("http://user:hunter2@host", "credential"),
        ("hunter2@host:11434", "credential"),
        ("https://host/?key=hunter2", "credential"),
        ("host#hunter2", "credential"),
        ("user:hunter2@x://host", "credential"),
        ("ftp://host", "`ftp`"),
        ("host:notaport", "`notaport`"),
        ("host:0", "`0`"),
        ("70000", "`70000`"),
        ("http://a b", "is not HOST"),
    ] {
        let message = endpoint(text).unwrap_err().to_string();
        assert!(message.contains(word), "{text}: {message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}
