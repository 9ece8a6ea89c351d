use proptest::prelude::*;

use super::made::{BLOCK, workloads};
use super::*;
use crate::detect::open;
use crate::file::{Blocks, Call};
use crate::measure::{Figures, critical_path, prefix_use, timeline};

fn made_up() -> Figures {
    Figures::of(&open(&[repository("fixtures/sessions/weka.json")], None).unwrap())
}

/// The parent calls from 0 to 4 s. Its children start after 0.5 s: one calls from 4.5 to 6.5 s and from 14.5 to 34.5 s,
/// the other from 4.5 to 23.5 s. The parent goes on at 40 s, 5.5 s after the last of them, until 46 s; the user reads for
/// 60 s. The call at 106 s has no duration, so that the gap up to 130 s is unknown. The last one takes 5 s.
#[test]
fn the_critical_path_goes_through_the_child_that_ends_last() {
    let Figures {
        totals,
        critical_path: path,
        sessions,
    } = made_up();
    assert_eq!(path.sessions, ["made-up", "made-up/agent_001"]);
    assert_eq!((path.calls, path.length_s.get()), (6, 135.0));
    let time = path.time;
    let spent = [
        time.in_calls_s,
        time.tool_gaps_s,
        time.user_gaps_s,
        time.unknown_gaps_s,
    ];
    let whole = spent.map(|time| time.nanos() / 1_000_000_000);
    assert_eq!(whole, [37, 14, 60, 24]);
    assert_eq!(path.gap_share, Some(98.0 / 135.0));
    let ends: Vec<_> = sessions
        .iter()
        .map(|s| (s.start_s.get(), s.end_s.get(), s.depth))
        .collect();
    assert_eq!(ends, [(0.0, 135.0, 0), (4.0, 34.5, 1), (4.0, 23.5, 1)]);
    assert_eq!(
        (totals.sessions, totals.sub_agents, totals.work.calls),
        (1, 2, 7)
    );
    assert_eq!((totals.span_s.get(), totals.lasted_s.get()), (135.0, 135.0));
    assert_eq!(totals.work.time.calls_without_time, 1);
}

/// Blocks of 64 tokens. The parent's prompts: 256 tokens; 330, of which 4 blocks are old; 256, of which 2 of the 5 whole
/// blocks before are left, a cut; 320, of which 4 blocks are old. The first child's second prompt of 200 tokens begins
/// with the one block before it.
#[test]
fn what_prompts_share_with_the_one_before() {
    let figures = made_up();
    let [parent, child, alone] = &figures.sessions[..] else {
        panic!("three sessions");
    };
    let prefix = parent.work.prefix;
    assert_eq!((prefix.compared_calls, prefix.cut_calls), (3, 1));
    assert_eq!(
        (prefix.shared_tokens, prefix.compared_tokens),
        (256 + 128 + 256, 330 + 256 + 320)
    );
    // The block before is not full: it has 100 tokens less the 64 that one block holds.
    assert_eq!(
        (child.work.prefix.shared_tokens, child.work.prefix.cut_calls),
        (64, 0)
    );
    assert_eq!(alone.work.prefix.share(), None);
    assert_eq!(figures.totals.work.prefix.shared_tokens, 640 + 64);
}

/// A prompt of 200 tokens has 3 whole blocks of 64 and one that is not full.
#[test]
fn a_block_that_is_not_full_is_not_shared() {
    let blocks = |kept, new: &[u64]| {
        let new = new.to_vec();
        let blocks = Some(Blocks { kept, new });
        Call {
            prompt_tokens: Some(200),
            blocks,
            ..Call::default()
        }
    };
    let calls = [blocks(0, &[1, 2, 3, 4]), blocks(4, &[])];
    let found = prefix_use(&calls, 64.try_into().unwrap());
    assert_eq!((found.shared_tokens, found.cut_calls), (192, 0));
}

/// The lengths of all chains that end with this call.
fn chains(workload: &Workload, session: usize, call: usize) -> Vec<f64> {
    let sessions = workload.sessions();
    let Call {
        gap_s,
        api_s,
        waits_for,
        ..
    } = &sessions[session].calls[call];
    let place = |id: &str| {
        sessions
            .iter()
            .position(|session| session.line.id == id)
            .unwrap()
    };
    let waited = waits_for.iter().map(|id| place(id));
    let mut before: Vec<_> = waited
        .map(|child| (child, sessions[child].calls.len() - 1))
        .collect();
    match (call, &sessions[session].line.parent) {
        (0, Some(parent)) => before.push((place(&parent.session), parent.call as usize)),
        (0, None) => {}
        _ => before.push((session, call - 1)),
    }
    let own = gap_s.get() + api_s.unwrap_or_default().get();
    let longer = |(session, call)| {
        chains(workload, session, call)
            .into_iter()
            .map(move |length| own + length)
    };
    let mut lengths: Vec<f64> = before.into_iter().flat_map(longer).collect();
    if lengths.is_empty() {
        lengths.push(own);
    }
    lengths
}

fn blocks(workload: &Workload, session: usize) -> Vec<Vec<u64>> {
    let mut prompt: Vec<u64> = Vec::new();
    let mut prompts = Vec::new();
    for call in &workload.sessions()[session].calls {
        let blocks = call.blocks.as_ref().unwrap();
        prompt = [&prompt[..blocks.kept as usize], &blocks.new].concat();
        prompts.push(prompt.clone());
    }
    prompts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_critical_path_is_the_longest_of_all_chains(workload in workloads()) {
        let sessions = workload.sessions().iter().enumerate();
        let calls = sessions.flat_map(|(at, session)| (0..session.calls.len()).map(move |call| (at, call)));
        let all = calls.flat_map(|(session, call)| chains(&workload, session, call));
        let longest = all.fold(0.0, f64::max);
        let path = critical_path(&workload, &timeline(&workload));
        prop_assert!((path.length_s.get() - longest).abs() < 1e-9);
    }

    #[test]
    fn shared_prefixes_are_those_of_the_whole_prompts(workload in workloads()) {
        for (at, session) in workload.sessions().iter().enumerate() {
            let prompts = blocks(&workload, at);
            let pairs = || prompts.windows(2).filter(|pair| !pair[0].is_empty());
            let shared = |pair: &[Vec<u64>]| {
                let pairs = pair[0].iter().zip(&pair[1]);
                pairs.take_while(|(a, b)| a == b).count()
            };
            let found = prefix_use(&session.calls, BLOCK);
            let tokens: usize = pairs().map(|pair| shared(pair) * BLOCK.get() as usize).sum();
            let cuts = pairs().filter(|pair| shared(pair) < pair[0].len()).count();
            prop_assert_eq!((found.shared_tokens, found.cut_calls), (tokens as u64, cuts));
            prop_assert_eq!(found.compared_calls, pairs().count());
        }
    }
}
