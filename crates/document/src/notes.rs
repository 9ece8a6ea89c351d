//! What a reader must know about the data, in words.

use domain::Outcome;
use metrics::notes::{Note, RequestFault, RunWarning, Unusable, Warning};
use metrics::{ConfigSummary, Summary};
use serde_json::{Value, json};

use crate::words::plural;

pub fn warnings(summary: &Summary) -> Vec<String> {
    summary.warnings.iter().map(warning).collect()
}

/// The configurations for JSON, with their notes in words.
pub fn configs(summary: &Summary) -> Value {
    let one = |config: &ConfigSummary| {
        let mut value = json!(config);
        value["notes"] = config.notes.iter().map(note).collect();
        value
    };
    summary.configs.iter().map(one).collect()
}

pub fn warning(warning: &Warning) -> String {
    match warning {
        Warning::Text(words) => words.clone(),
        Warning::ArmUnfinished(run, arm) => format!(
            "{} ({}, repetition {}): the {arm} arm did not run to its end and is left out",
            run.config, run.topology, run.repetition
        ),
        Warning::NoRequestOf(run, arm, agent) => format!(
            "{} ({}, repetition {}, {arm}) is left out: the journal has no request of agent {agent}",
            run.config, run.topology, run.repetition
        ),
        Warning::ServerChanged(url, servers, arms) => {
            let servers = servers.each_ref();
            let [before, now] = servers.map(|server| format!("{} {}", server.kind, server.version));
            let arms = plural(*arms as u64, "arm");
            format!(
                "the server at {url} was {before} when the sweep began and {now} in {arms}, which cannot be compared \
                 with the others"
            )
        }
        Warning::ImpossibleDurations([wrong, requests], dropped) => {
            let named = dropped.iter().map(|(name, n)| format!("{name} {n}"));
            let named = named.collect::<Vec<_>>().join(", ");
            format!(
                "durations that the server reports for {wrong} of {requests} requests cannot be, by our own \
                 stamps ({named}): they are left out, and the time that they would explain counts as unexplained"
            )
        }
        Warning::Responses(note, responses) => note.counted(*responses),
        Warning::Run(config, repetition, what) => {
            format!("{config} run {repetition}: {}", of_run(what))
        }
    }
}

fn of_run(warning: &RunWarning) -> String {
    match warning {
        RunWarning::SequentialLeftOut(why) => format!("sequential arm left out: {}", because(why)),
        RunWarning::Clocks(arm, [contradicting, all], figure, by_ns) => format!(
            "{arm} arm: the clocks of {contradicting} of {all} requests contradict each other; the \
             largest step is {figure} short by {:.6} s",
            -(*by_ns as f64) / 1e9
        ),
    }
}

fn because(why: &Unusable) -> String {
    match why {
        Unusable::NoTogetherArm => "there is no together arm".to_owned(),
        Unusable::NoAgents => "it has no agents".to_owned(),
        Unusable::Unfinished => "it was not finished".to_owned(),
        Unusable::NoTime => "no time passed between the first send and the last answer".to_owned(),
        Unusable::OtherAgents => "its agents are not those of the together arm".to_owned(),
        Unusable::NoTokensAlone => "an agent generated tokens together but none alone".to_owned(),
        Unusable::NoRequest(place, name) => format!("agent {place} ({name}) sent no request"),
        Unusable::Request(place, name, request, fault) => {
            let what = at_fault(fault);
            format!("agent {place} ({name}), request {request} {what}")
        }
    }
}

fn at_fault(fault: &RequestFault) -> String {
    match fault {
        RequestFault::NotCompleted(Outcome::Completed) => "completed".to_owned(),
        RequestFault::NotCompleted(Outcome::Incomplete) => {
            "ended without the final object".to_owned()
        }
        RequestFault::Lacks(missing) => format!("is incomplete: {}", missing.in_words()),
        RequestFault::NotCompleted(Outcome::Failed { message, .. }) => format!("failed: {message}"),
        RequestFault::NotCompleted(Outcome::Cancelled) => "was cancelled".to_owned(),
        RequestFault::NotCompleted(Outcome::TimedOut { .. }) => "timed out".to_owned(),
        RequestFault::NoStamp => "is completed but lacks a stamp".to_owned(),
        RequestFault::EndsBeforeItBegins(by) => {
            format!("ends {by} before it was sent: the clock stepped")
        }
    }
}

pub fn note(note: &Note) -> String {
    match note {
        Note::LeftOut(repetition, why) => {
            let is_missing = matches!(why, Unusable::NoTogetherArm);
            let arm = if is_missing { "" } else { "together arm: " };
            format!("run {repetition} is left out: {arm}{}", because(why))
        }
        Note::FewRuns(0) => "no run can be used".to_owned(),
        Note::FewRuns(1) => "single run: no interval, no deviation".to_owned(),
        Note::FewRuns(_) => "two runs: no interval, no deviation".to_owned(),
        Note::OneAgent => "one agent: it never runs together with another".to_owned(),
        Note::EstimatedTokens => "token counts are estimated: chunks were counted".to_owned(),
        Note::FarFromOthers {
            figure,
            repetition,
            factor,
            first,
        } => {
            let first = if *first {
                "the first repetition ran from another server state: "
            } else {
                ""
            };
            format!(
                "{first}{figure} of run {repetition} lies far from the others ({factor:.2} times \
                 theirs); it is kept"
            )
        }
        Note::OnlyPublished => "only a published row is known".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::backend::ServerIdentity;
    use domain::record::ResponseNote;
    use domain::{FailureKind, Nanos};

    #[test]
    fn notes_and_warnings_name_what_they_are_about() {
        let server = |version: &str| ServerIdentity {
            kind: "ollama".to_owned(),
            version: version.to_owned(),
        };
        let identities = [server("0.32.1"), server("0.33.0")];
        let changed = Warning::ServerChanged("http://a:1".to_owned(), identities, 3);
        let of = |fault| Unusable::Request(1, "writer".to_owned(), 2, fault);
        let failed = RequestFault::NotCompleted(Outcome::Failed {
            failure: FailureKind::MidStream,
            message: "out of memory".to_owned(),
        });
        let sequential = |fault| of_run(&RunWarning::SequentialLeftOut(of(fault)));
        let left_out = |why| note(&Note::LeftOut(3, why));
        let words = [
            warning(&changed),
            left_out(of(failed)),
            sequential(RequestFault::NotCompleted(Outcome::Cancelled)),
            sequential(RequestFault::Lacks(ResponseNote::NoFinishReason)),
            left_out(of(RequestFault::EndsBeforeItBegins(Nanos::from_millis(5)))),
            left_out(Unusable::NoTogetherArm),
        ];
        insta::assert_snapshot!(words.join("\n"), @r"
        the server at http://a:1 was ollama 0.32.1 when the sweep began and ollama 0.33.0 in 3 arms, which cannot be compared with the others
        run 3 is left out: together arm: agent 1 (writer), request 2 failed: out of memory
        sequential arm left out: agent 1 (writer), request 2 was cancelled
        sequential arm left out: agent 1 (writer), request 2 is incomplete: the stream ended without a finish reason
        run 3 is left out: together arm: agent 1 (writer), request 2 ends 0.005 s before it was sent: the clock stepped
        run 3 is left out: there is no together arm
        ");
    }
}
