//! The simulator's table of conversations, played on a real llama.cpp server one request at a time: of their prompts the
//! server must evaluate as many tokens as the table says of the simulator.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Findings;
use crate::delegate::root;
use crate::engine::{Engine, http};

const TABLE: &str = "crates/simulator/src/core/tests/conversations.txt";
/// Tokens that each turn adds to the prompt, and those of its answer that the next prompt repeats.
const ADDED: [usize; 5] = [700, 149, 150, 149, 150];
const KEPT: usize = 23;
/// Tokens of the model that are a character, from this id on.
const CHARACTERS: usize = 259;

pub(super) fn check(engine: &Engine, findings: &mut Findings) -> Result<()> {
    let table = fs::read_to_string(root().join(TABLE)).context(TABLE)?;
    for row in table.lines().filter(|row| !row.starts_with('#')) {
        let (setting, _) = row.split_once(" | ").context("a row without results")?;
        let words: Vec<&str> = setting.split_whitespace().collect();
        let &[agents, slots, cache_ram, order] = words.as_slice() else {
            continue;
        };
        // Together is no single order of requests, and 32 MiB hold another number of this model's tokens.
        if order == "together" || cache_ram == "32" || agents == "6" {
            continue;
        }
        let mut server = engine.start(&["--slots", slots, "--cache-ram", cache_ram], false)?;
        let results = play(server.url(), agents.parse()?, order)?;
        drop(server.child.stdin.take());
        server.child.wait()?;
        let found = format!("{setting} | {results}");
        say!("engine: conversations: {found}");
        findings.slots = slots.parse()?;
        findings.expect(found == row, format_args!("{found}, not {row}"));
    }
    Ok(())
}

/// The results of a row: tokens evaluated, later turns that found nothing, and later turns.
fn play(url: &str, agents: usize, order: &str) -> Result<String> {
    let turns = 0..ADDED.len();
    let each = |turn: usize| (0..agents).map(move |agent| (agent, turn));
    let mut requests: Vec<(usize, usize)> = turns.flat_map(each).collect();
    if order == "in_turn" {
        requests.sort_unstable();
    }
    let mut said: Vec<Vec<usize>> = vec![Vec::new(); agents];
    let (mut evaluated, mut missed, mut of) = (0, 0, 0);
    for (agent, turn) in requests {
        let prompt = &mut said[agent];
        // No two agents begin with the same token.
        let character = |i: usize| CHARACTERS + (agent + i * (agent + 3)) % 90;
        prompt.extend((0..ADDED[turn]).map(character));
        let body =
            json!({"prompt": prompt, "n_predict": KEPT + 1, "seed": 1, "return_tokens": true});
        let answer = http::request(url, "/completion", &body.to_string())?;
        let answer: Value = serde_json::from_slice(&answer)?;
        let timings = &answer["timings"];
        evaluated += timings["prompt_n"].as_u64().context("no prompt_n")?;
        let cached = timings["cache_n"].as_u64().context("no cache_n")?;
        if turn > 0 {
            of += 1;
            missed += u32::from(cached == 0);
        }
        let tokens: Vec<usize> = serde_json::from_value(answer["tokens"].clone())?;
        prompt.extend(&tokens[..KEPT]);
    }
    Ok(format!("{evaluated:<5} {missed} {of}"))
}
