//! Sessions, traces, work between requests, and a disk that does not keep up.

use domain::backend::Role;

use super::*;

pub(super) fn turns(count: u32, think_ms: u64) -> Turns {
    Turns {
        count: agents(count),
        think: Nanos::from_millis(think_ms),
        follow_up: "Go on.".to_owned(),
    }
}

#[test]
fn an_agents_sessions_follow_each_other_and_keep_their_conversation() {
    let mut case = Case::new(closed(2, 1000), 10);
    case.plan.turns = Some(turns(3, 20));
    case.script = only(2, Reply::Refused);
    let ran = case.run();
    let calls = ran.servers[0].calls();
    let lengths = calls.iter().map(|c| c.history.as_ref().unwrap().len());
    // The refused turn, agent 0's second, is not in its conversation.
    assert!(lengths.eq([0, 0, 2, 2, 2, 4, 0, 0, 2, 2]));
    let [user, model] = &calls[3].history.as_ref().unwrap()[..] else {
        panic!()
    };
    assert_eq!((user.role, model.role), (Role::User, Role::Assistant));
    assert!(user.text.ends_with("Say something.") && model.text == "xyzzy ".repeat(5));
    assert_eq!(calls[3].prompt, "Go on.");
    let mut openings: BTreeSet<_> = calls.iter().map(|call| &call.prompt).collect();
    openings.remove(&"Go on.".to_owned());
    assert_eq!(openings.len(), 4, "each session has a nonce of its own");
}

#[test]
fn a_trace_is_replayed_at_its_times_with_its_lengths() {
    let text = "start_ms,prompt_tokens,output_tokens,session\n\
                100,5,7,a\n300,9,8,a\n200,5,,b\n";
    let ran = Case::new(replay(text, 2.0), 3).run();
    let at = |r: &RequestRecord| r.times.scheduled.0 / 1_000_000;
    let seen = ran.records_as(|r| (at(r), r.agent, r.call, r.options.num_predict));
    let expected = [(0, 0, 0, Some(7)), (50, 1, 0, None), (100, 0, 1, Some(8))];
    assert_eq!(seen, expected);
    let calls = ran.servers[0].calls();
    let words = |n: usize| calls[n].prompt.split(' ').count();
    assert_eq!((words(0), words(1), words(2)), (5, 5, 9));
    assert!(calls[2].prompt.starts_with(&calls[0].prompt), "one session");
    assert_ne!(calls[1].prompt, calls[0].prompt);
    let first_two = Case::new(replay(text, 1.0), 2).run().end;
    assert_eq!(first_two.started_requests, 2);
}

#[tokio::test]
async fn a_full_backlog_holds_the_next_request_back_and_no_other() {
    let backlog = Arc::new(Backlog::new(10));
    backlog.add(8);
    backlog.add(9);
    let clock = Clock::real();
    let held = tokio::spawn({
        let (backlog, clock) = (Arc::clone(&backlog), clock.clone());
        async move { backlog.room(&clock).await }
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!held.is_finished());
    backlog.take(8);
    held.await.unwrap();
    backlog.room(&clock).await;
    assert_eq!((backlog.waits(), backlog.most()), (1, 17));
    assert!(backlog.waited() > Nanos::ZERO);
}

#[test]
fn virtual_time_stands_still_while_the_disk_catches_up() {
    let backlog = Arc::new(Backlog::new(10));
    backlog.add(11);
    let disk = std::thread::spawn({
        let backlog = Arc::clone(&backlog);
        move || {
            while backlog.waits() == 0 {
                std::thread::yield_now();
            }
            backlog.take(11);
        }
    });
    clock::virtual_runtime().unwrap().block_on(async {
        let clock = Clock::start_virtual();
        backlog.room(&clock).await;
        assert_eq!(clock.now(), Stamp::ZERO);
    });
    disk.join().unwrap();
    assert_eq!((backlog.waits(), backlog.waited()), (1, Nanos::ZERO));
}
