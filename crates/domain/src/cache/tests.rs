use super::*;
use crate::Outcome;
use crate::record::{RequestTimes, RunKey, Turn};

/// A completed request: prompt tokens, cached ones if counted, and its prefill in ms.
fn request(prompt: u64, cached: Option<u64>, prefill_ms: u64) -> RequestRecord {
    let mut times = RequestTimes {
        outcome: Outcome::Completed,
        ..RequestTimes::default()
    };
    times.counters.prompt_eval_count = Some(prompt);
    times.counters.prompt_eval_cached_count = cached;
    times.counters.prompt_eval = Some(Nanos::from_millis(prefill_ms));
    RequestRecord::new(RunKey::of_load(Topology::Shared), Arm::Together, times)
}

fn of(records: &[RequestRecord]) -> CacheCheck {
    let mut check = CacheCheck::default();
    for record in records {
        check.add(record);
    }
    check
}

#[test]
fn a_template_in_a_cache_is_no_help_and_half_a_prompt_is() {
    let check = of(&[request(43, Some(4), 9), request(43, Some(0), 9)]);
    assert_eq!(check.warning(), None);
    let expected = "By the server's count 4 of 86 prompt tokens of 2 requests came from a cache, in none of them half of \
                    the prompt or more.";
    assert_eq!(check.in_words(), expected);
    let check = of(&[request(43, Some(42), 1), request(43, Some(4), 9)]);
    assert_eq!((check.helped, check.counted), (1, 2));
    let warning = check.warning().unwrap();
    let expected = "in 1 of 2 requests (46 of 86 prompt tokens in all)";
    assert!(warning.contains(expected), "{warning}");
    assert_eq!(check.in_words(), format!("But {warning}."));
}

#[test]
fn later_turns_failures_and_servers_that_count_nothing_say_nothing() {
    let (session, turn) = (0, 2);
    let mut later = request(90, Some(80), 1);
    later.turn = Some(Turn { session, turn });
    let mut failed = request(43, Some(42), 1);
    failed.times.outcome = Outcome::Incomplete;
    let check = of(&[later, failed, request(43, None, 9)]);
    assert_eq!((check.requests, check.counted), (1, 0));
    assert_eq!((check.warning(), check.counts_in_words()), (None, None));
    assert!(check.in_words().contains("is not known"));
}

#[test]
fn a_prefill_far_below_the_first_repetitions_is_reported_where_nothing_is_counted() {
    use Arm::{Sequential, Together};
    let at = |repetition, arm, prefill_ms| {
        let mut record = request(43, None, prefill_ms);
        record.run.repetition = repetition;
        record.arm = arm;
        record
    };
    let check = |records: &[RequestRecord]| {
        let (mut check, mut first) = (CacheCheck::default(), FirstPrefills::default());
        for record in records {
            check.add_of_sweep(record, &mut first);
        }
        check
    };
    // Together, the order in which they come decides who pays for a load.
    let usual = [
        at(1, Together, 4000),
        at(1, Sequential, 1000),
        at(2, Together, 100),
        at(2, Sequential, 300),
        at(3, Sequential, 1100),
    ];
    let found = check(&usual);
    assert_eq!((found.compared, found.faster), (2, 0));
    let words = found.in_words();
    assert!(words.contains("of 2 prefill times none"), "{words}");
    let found = check(&[at(1, Sequential, 1000), at(2, Sequential, 240)]);
    assert_eq!((found.compared, found.faster), (1, 1));
    let warning = found.warning().unwrap();
    assert!(warning.starts_with("a prompt cache may have helped"));
    // Too short to tell from a step of the server.
    let found = check(&[at(1, Sequential, 19), at(2, Sequential, 1)]);
    assert_eq!(found.compared, 0);
}
