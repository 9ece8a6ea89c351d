//! Conversations that share slots: how much of them is read again, worked out by hand in `conversations.txt`, and what
//! holds for any of them.

use proptest::prelude::*;

use domain::Nanos;

use super::rig::{Job, generate};
use super::*;
use crate::core::host_cache::shared;
use crate::profile::PromptCache;

/// Tokens that each turn adds to the prompt.
const ADDED: [usize; 5] = [700, 149, 150, 149, 150];
const ANSWER: u32 = 24;
/// Tokens of the answer that stand in the next prompt.
const KEPT: u32 = ANSWER - 1;

/// The prompts of one agent's turns.
fn prompts(agent: u32) -> Vec<Vec<u32>> {
    let mut own = agent * 100_000..;
    let mut prompt: Vec<u32> = Vec::new();
    let mut turn = |added: &usize| {
        if !prompt.is_empty() {
            prompt.extend((0..KEPT).map(|i| 7_000_000 + i));
        }
        prompt.extend(own.by_ref().take(*added));
        prompt.clone()
    };
    ADDED.iter().map(&mut turn).collect()
}

/// Agents and turns in the order of their requests, with the time of each, seconds.
fn requests(order: &str, agents: u32) -> Vec<(f64, u32, usize)> {
    let turns = 0..ADDED.len();
    let each = |turn: usize| (0..agents).map(move |agent| (agent, turn));
    let mut all: Vec<(u32, usize)> = turns.flat_map(each).collect();
    if order == "in_turn" {
        all.sort_unstable();
    }
    let timed = all.into_iter().enumerate().map(|(i, (agent, turn))| {
        let at = match order {
            "together" => 60.0 * turn as f64,
            _ => 10.0 * i as f64,
        };
        (at, agent, turn)
    });
    timed.collect()
}

/// Plays a row of the table; returns the row as it was found to be.
fn play(row: &str) -> String {
    let (setting, _) = row.split_once(" | ").expect("a setting and results");
    let words: Vec<&str> = setting.split_whitespace().collect();
    let number = |index: usize| -> u32 { words[index].parse().unwrap() };
    let (agents, order) = (number(0), words[3]);
    let mut profile = round();
    profile.server.num_parallel = number(1) as usize;
    profile.server.prompt_cache = PromptCache {
        slot_similarity: Some(0.1),
        cache_ram_mib: u64::from(number(2)),
    };
    profile.models[0].memory.kv_bytes_per_token = 12_288;
    let servers = vec![profile.server()];
    let mut rig = Rig::new(profile, servers);
    let texts: Vec<_> = (0..agents).map(prompts).collect();
    let mut first = Vec::new();
    for (at, agent, turn) in requests(order, agents) {
        let prompt = texts[agent as usize][turn].iter().copied();
        let id = rig.submit(at, &Job::new(generate(prompt, ANSWER)));
        first.extend((turn == 0).then_some(id));
    }
    rig.drain();
    let (mut evaluated, mut missed, mut of) = (0, 0, 0);
    for notice in &rig.notices {
        let NoticeKind::Done { timings, .. } = &notice.what else {
            continue;
        };
        let tokens = timings.prompt_eval_count - timings.cached;
        evaluated += tokens;
        if !first.contains(&notice.id) {
            of += 1;
            missed += u32::from(timings.cached == 0);
        }
        if order != "together" {
            // A millisecond a token, and ten for each batch of 512.
            let took = Nanos::from_millis(u64::from(tokens + 10 * tokens.div_ceil(512)));
            assert_eq!(timings.prompt_eval, took, "{row}");
        }
    }
    format!("{setting} | {evaluated:<5} {missed} {of}")
}

#[test]
fn conversations_that_share_slots_lose_what_was_worked_out() {
    let table = include_str!("conversations.txt");
    for row in table.lines().filter(|line| !line.starts_with('#')) {
        assert_eq!(play(row), row);
    }
}

/// A turn of one of several agents.
#[derive(Debug, Clone)]
struct Turn {
    agent: usize,
    /// How much of the conversation is kept, percent.
    kept: usize,
    added: usize,
    answer: u32,
    /// Since the turn before it, of any agent.
    after_ms: u32,
}

prop_compose! {
    fn turn()(
        agent in 0_usize..4,
        kept in prop_oneof![3 => Just(100_usize), 1 => 0_usize..100],
        added in 1_usize..200,
        answer in 1_u32..40,
        after_ms in 0_u32..1500,
    ) -> Turn {
        Turn { agent, kept, added, answer, after_ms }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn cached_and_evaluated_tokens_are_the_prompt_and_only_what_was_seen_is_cached(
        turns in prop::collection::vec(turn(), 1..20),
        in_common in 0_u32..300,
        parallel in 1_usize..4,
        cache_ram_mib in prop_oneof![Just(0_u64), Just(60), Just(8192)],
        slot_similarity in prop_oneof![Just(None), Just(Some(0.1)), Just(Some(0.7))],
        version in prop_oneof![Just("0.12.10"), Just("0.30.0"), Just("0.33.3")],
    ) {
        let mut profile = round();
        profile.server.num_parallel = parallel;
        profile.server.prompt_cache = PromptCache { slot_similarity, cache_ram_mib };
        version.clone_into(&mut profile.server.version);
        let servers = vec![profile.server()];
        let mut rig = Rig::new(profile, servers);
        let mut said: [Vec<u32>; 4] = std::array::from_fn(|_| (0..in_common).collect());
        let mut own = 1_000_000..;
        let mut at = 0.0;
        let mut prompts = Vec::new();
        for turn in &turns {
            let text = &mut said[turn.agent];
            text.truncate(text.len() * turn.kept / 100);
            text.extend(own.by_ref().take(turn.added));
            at += f64::from(turn.after_ms) / 1e3;
            let prompt = text.clone();
            rig.submit(at, &Job::new(generate(prompt.iter().copied(), turn.answer)));
            text.extend((0..turn.answer).map(|i| 7_000_000 + i));
            prompts.push((prompt, text.clone()));
        }
        rig.drain();
        let nth = |id: RequestId| id.0 as usize - 1;
        let mut seen: Vec<&[u32]> = Vec::new();
        for event in &rig.log {
            let Happened::Served { cached, .. } = event.happened else { continue };
            let (prompt, context) = &prompts[nth(event.id.expect("a request's"))];
            let most = seen.iter().map(|context| shared(context, prompt)).max().unwrap_or(0);
            prop_assert!(cached as usize <= most.min(prompt.len() - 1));
            seen.push(context);
        }
        let mut ended = 0;
        for notice in &rig.notices {
            let NoticeKind::Done { timings, .. } = &notice.what else { continue };
            ended += 1;
            let uncounted = if version == "0.30.0" { timings.cached } else { 0 };
            let whole = (timings.prompt_eval_count + uncounted) as usize;
            prop_assert_eq!(whole, prompts[nth(notice.id)].0.len());
            let reported = (version == "0.33.3").then_some(timings.cached);
            prop_assert_eq!(timings.prompt_eval_cached_count, reported);
        }
        prop_assert_eq!(ended, turns.len());
    }
}
