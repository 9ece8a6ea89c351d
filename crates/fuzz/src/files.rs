//! Files and flags that a person writes.

use std::path::Path;

use analysis::audit::{Claims, Sources};
use metrics::compare::Gate;
use metrics::limit::Objective;
use sessions::trace::Trace;
use simulator::faults::FaultRules;
use simulator::profile::Profile;

thread_local! {
    static SOURCES: Sources = {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/tr113");
        Sources::load(Path::new(folder)).expect("TR113's data are there")
    };
}

fn text(input: &[u8]) -> &str {
    std::str::from_utf8(input).unwrap_or_default()
}

pub(crate) fn plan(input: &[u8]) {
    if let Ok(plan) = domain::plan::parse("plan.toml", text(input)) {
        plan.hash();
        plan.scenarios();
    }
}

pub(crate) fn profile(input: &[u8]) {
    if let Ok(profile) = Profile::parse("profile.toml", text(input)) {
        let written = profile.to_toml();
        Profile::parse("profile.toml", &written).expect("a profile reads its own text");
    }
}

pub(crate) fn faults(input: &[u8]) {
    let _ = FaultRules::parse("faults.toml", text(input));
}

pub(crate) fn claims(input: &[u8]) {
    if let Ok(claims) = Claims::parse(Path::new("claims.toml"), text(input)) {
        SOURCES.with(|sources| {
            if let Ok(ledger) = claims.audit(sources) {
                ledger.to_text();
            }
        });
    }
}

pub(crate) fn trace(input: &[u8]) {
    for name in ["trace.csv", "trace.jsonl"] {
        if let Ok(trace) = Trace::parse(Path::new(name), text(input)) {
            trace.sessions();
        }
    }
}

pub(crate) fn sessions(input: &[u8]) {
    use sessions::SourceKind as Kind;

    let sources = [
        Kind::Weka,
        Kind::ClaudeCode,
        Kind::Codex,
        Kind::Otel,
        Kind::Trace,
    ];
    for from in std::iter::once(None).chain(sources.map(Some)) {
        let path = Path::new("sessions.jsonl");
        if let Ok(workload) = sessions::parse(path, text(input), from) {
            sessions::measure::Figures::of(&workload);
            let mut written = Vec::new();
            workload
                .write_lines(&mut written)
                .expect("memory takes every line");
            let again = sessions::Workload::parse(path, text(&written));
            assert_eq!(again.expect("a workload reads its own text"), workload);
        }
    }
}

pub(crate) fn flags(input: &[u8]) {
    let text = text(input);
    let _ = text.parse::<Gate>();
    let level = text.parse::<Objective>();
    for limits in [level, Objective::of_requests(text)].into_iter().flatten() {
        let written = limits.to_string();
        let again = written.parse();
        let again = again.or_else(|_| Objective::of_requests(&written));
        let again = again.expect("limits read their own text");
        assert_eq!(again.to_string(), written);
    }
    let endpoints = [ollama::endpoint(text), openai::endpoint(text)];
    for endpoint in endpoints.into_iter().flatten() {
        let shown = endpoint.to_string();
        assert!(!shown.contains('@'), "no credentials are shown: {shown}");
    }
}
