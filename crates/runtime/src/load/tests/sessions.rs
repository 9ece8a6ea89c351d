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

/// Session, turn, agent and planned start, in ms.
fn places(ran: &Ran) -> Vec<(u32, u32, u32, u64)> {
    ran.records_as(|r| {
        let (turn, at) = (r.turn.unwrap(), r.times.scheduled.0 / 1_000_000);
        (turn.session, turn.turn, r.agent, at)
    })
}

#[test]
fn an_agents_sessions_follow_each_other_and_keep_their_conversation() {
    let mut case = Case::new(closed(2, 1000), 10);
    case.plan.turns = Some(turns(3, 20));
    case.script = only(2, Reply::Refused);
    let ran = case.run();
    // 100 ms an answer, 20 ms between turns, 1 s between sessions; the third request is refused at once.
    assert_eq!(
        places(&ran),
        [
            (0, 1, 0, 0),
            (1, 1, 1, 0),
            (0, 2, 0, 120),
            (1, 2, 1, 120),
            (0, 3, 0, 140),
            (1, 3, 1, 240),
            (2, 1, 0, 1240),
            (3, 1, 1, 1340),
            (2, 2, 0, 1360),
            (3, 2, 1, 1460),
        ]
    );
    let calls = ran.servers[0].calls();
    let lengths: Vec<_> = calls
        .iter()
        .map(|c| c.history.as_ref().unwrap().len())
        .collect();
    // The refused turn, agent 0's second, is not in its conversation.
    assert_eq!(lengths, [0, 0, 2, 2, 2, 4, 0, 0, 2, 2]);
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
fn sessions_of_an_open_loop_start_on_time_and_take_their_turns() {
    for most in [None, Some(5)] {
        let mut case = Case::new(constant(5.0, most), 5);
        case.plan.turns = Some(turns(2, 50));
        assert_eq!(
            places(&case.run()),
            [
                (0, 1, 0, 0),
                (0, 2, 0, 150),
                (1, 1, 1, 200),
                (1, 2, 1, 350),
                (2, 1, 2, 400),
            ]
        );
    }
    // One agent for all: each session waits for the one before.
    let mut case = Case::new(constant(5.0, Some(1)), 4);
    case.plan.turns = Some(turns(2, 50));
    let ran = case.run();
    assert_eq!(ran.sent(), [0, 150, 250, 400]);
    assert_eq!(
        places(&ran)[2],
        (1, 1, 0, 200),
        "it keeps its planned start"
    );
}

#[test]
fn a_trace_is_replayed_at_its_times_with_its_lengths() {
    let text = "start_ms,prompt_tokens,output_tokens,session\n\
                100,5,7,a\n300,9,8,a\n200,5,,b\n";
    let ran = Case::new(replay(text, 2.0), 3).run();
    assert_eq!(ran.scheduled(), [0, 50, 100]);
    let seen = ran.records_as(|r| (r.agent, r.call, r.options.num_predict));
    assert_eq!(seen, [(0, 0, Some(7)), (1, 0, None), (0, 1, Some(8))]);
    let calls = ran.servers[0].calls();
    let words = |n: usize| calls[n].prompt.split(' ').count();
    assert_eq!((words(0), words(1), words(2)), (5, 5, 9));
    assert!(calls[2].prompt.starts_with(&calls[0].prompt), "one session");
    assert_ne!(calls[1].prompt, calls[0].prompt);
    let first_two = Case::new(replay(text, 1.0), 2).run().end;
    assert_eq!(first_two.started_requests, 2);
}

#[test]
fn work_comes_before_each_request_and_queues_for_the_pool() {
    let mut case = Case::new(closed(3, 0), 6);
    case.plan.work.cpu = Some("primes:200000".parse().unwrap());
    let ran = case.run();
    // Two threads: the third agent waits for one of them. A request is due when its work is done.
    let us = |n: Nanos| n.0 / 1_000;
    let of = |r: &RequestRecord| {
        let (work, scheduled) = (r.work.unwrap(), r.times.scheduled);
        assert_eq!(work.cpu_ns, Some(Nanos(10_700_000)));
        // The work is no part of the client's queue.
        assert_eq!(r.times.sent, Some(scheduled));
        (r.agent, r.call, us(work.queue_ns), scheduled.0 / 1_000)
    };
    let mut seen = ran.records_as(of);
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            (0, 0, 0, 10_700),
            (0, 1, 0, 121_400),
            (1, 0, 0, 10_700),
            (1, 1, 0, 121_400),
            (2, 0, 10_700, 21_400),
            (2, 1, 0, 132_100),
        ]
    );
    assert_eq!(ran.end.peak_in_flight, 3);
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
