//! What the clients record of a prompt cache: the server's count where it has one, and nothing where it does not.

mod common;

use common::{Bench, virtually};
use domain::Outcome;
use domain::backend::{ChatBackend, Exchange, GenerateCall};
use domain::plan::Timeouts;
use ollama::Settings;

/// The whole prompt and its cached part, as both clients record them for a prompt that comes twice.
fn recorded(version: &str) -> [[(Option<u64>, Option<u64>); 2]; 2] {
    virtually(async {
        let bench =
            Bench::new(|config| version.clone_into(&mut config.profile.server.version)).await;
        let settings = || Settings::new(bench.clock.clone(), Timeouts::default());
        let url = &bench.endpoint;
        let native = ollama::Client::new(settings(), url).expect("a client");
        let v1 = openai::Client::new(settings(), &format!("{url}/v1")).expect("a client");
        [
            twice(&native, "first words").await,
            twice(&v1, "other words").await,
        ]
    })
}

async fn twice(client: &impl ChatBackend, prompt: &str) -> [(Option<u64>, Option<u64>); 2] {
    let mut counts = [(None, None); 2];
    for count in &mut counts {
        let call = GenerateCall {
            model: "gemma3:latest".to_owned(),
            prompt: prompt.to_owned(),
            history: Some(Vec::new()),
            ..GenerateCall::default()
        };
        let mut exchange = Exchange::default();
        let outcome = client.generate(&call, &mut exchange).await;
        assert_eq!(outcome, Outcome::Completed);
        let counters = exchange.times.counters;
        *count = (
            counters.prompt_eval_count,
            counters.prompt_eval_cached_count,
        );
    }
    counts
}

#[test]
fn both_clients_record_cached_tokens_where_the_release_reports_them() {
    for [first, again] in recorded("0.33.3") {
        let (whole, cached) = (first.0.expect("a count"), first.1.expect("a count"));
        assert!(cached < whole, "{cached} of {whole}");
        assert_eq!(again, (Some(whole), Some(whole - 1)));
    }
    for [first, again] in recorded("0.33.2") {
        assert_eq!((first.1, again.1), (None, None));
        assert!(first.0.is_some());
        assert_eq!(again.0, first.0);
    }
}
