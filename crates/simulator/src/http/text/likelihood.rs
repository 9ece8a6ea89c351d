//! Token probabilities: invented, but well formed and always the same.

use serde_json::{Value, json};

use super::generate::WORDS;
use crate::core::tokens;

/// The log probability decreases by this from one alternative to the next.
const STEP: f64 = 0.75;

fn entry(token: &str, logprob: f64) -> Value {
    json!({"token": token, "logprob": logprob, "bytes": token.as_bytes()})
}

/// An entry for each token of a text, with the `top` likeliest alternatives: itself, then others.
pub(in crate::http) fn of(text: &str, top: usize) -> impl Iterator<Item = Value> {
    tokens::pieces(text).into_iter().map(move |piece| {
        let id = tokens::id(piece);
        let logprob = -f64::from(id % 500) / 1000.0;
        let mut token = entry(piece, logprob);
        if top > 0 {
            let others = WORDS.iter().cycle().skip(id as usize % WORDS.len());
            let others = others.filter(|word| **word != piece).take(top - 1);
            let others = others.zip(1_u32..);
            let others = others.map(|(word, rank)| entry(word, logprob - STEP * f64::from(rank)));
            token["top_logprobs"] = std::iter::once(entry(piece, logprob))
                .chain(others)
                .collect();
        }
        token
    })
}
