//! Random workloads.

use std::num::NonZeroU32;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::file::{
    Blocks, Call, FORMAT, GapKind, Header, Parent, SessionLine, Source, SourceKind, VERSION,
};
use crate::graph::Workload;
use crate::seconds::Seconds;

pub(super) const BLOCK: NonZeroU32 = NonZeroU32::new(4).unwrap();

/// Prompts as ids of blocks, gaps and durations of calls, in whole seconds.
type MadeCall = (Vec<u64>, u8, Option<u8>, usize);

/// Its calls; the session, the call of it and the later call that it is started by and waited for, where they exist.
type MadeSession = (Vec<MadeCall>, Option<(Index, Index, Index)>);

fn call() -> impl Strategy<Value = MadeCall> {
    (
        vec(0u64..3, 0..6),
        0u8..5,
        proptest::option::of(0u8..5),
        0usize..3,
    )
}

/// Up to five sessions of up to four calls, in which each may be started by an earlier one.
pub(super) fn workloads() -> impl Strategy<Value = Workload> {
    let parent = proptest::option::weighted(0.8, any::<(Index, Index, Index)>());
    let sessions = vec((vec(call(), 1..5), parent), 1..6);
    sessions.prop_map(|sessions| made(&sessions))
}

fn made(made: &[MadeSession]) -> Workload {
    let id = |at: usize| format!("s{at}");
    let (mut lines, mut chains): (Vec<SessionLine>, Vec<Vec<Call>>) = (Vec::new(), Vec::new());
    for (at, (calls, parent)) in made.iter().enumerate() {
        let mut line = SessionLine {
            id: id(at),
            ..SessionLine::default()
        };
        if let Some((session, call, joined)) = parent.filter(|_| at > 0) {
            let session = session.index(at);
            let call = call.index(chains[session].len());
            let joined = call + 1 + joined.index(chains[session].len());
            line.parent = Some(Parent {
                session: id(session),
                call: call as u32,
            });
            match chains[session].get_mut(joined) {
                Some(waits) => waits.waits_for.push(id(at)),
                None => line.detached = true,
            }
        }
        let kinds = [GapKind::Tool, GapKind::User, GapKind::Unknown];
        let mut before: &[u64] = &[];
        let chain = (0..).zip(calls).map(|(number, (blocks, gap, api, kind))| {
            let change = Blocks::after(before, blocks);
            before = blocks;
            Call {
                session: id(at),
                number,
                prompt_tokens: Some(blocks.len() as u32 * BLOCK.get()),
                blocks: Some(change),
                api_s: api.map(seconds),
                gap_s: seconds(*gap),
                gap_kind: kinds[*kind],
                ..Call::default()
            }
        });
        chains.push(chain.collect());
        lines.push(line);
    }
    let header = Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        source: Source {
            kind: SourceKind::Written,
            files: Vec::new(),
        },
        block_tokens: Some(BLOCK),
        notes: Vec::new(),
    };
    Workload::new(header, lines, chains.concat()).unwrap()
}

fn seconds(s: u8) -> Seconds {
    Seconds::try_from(f64::from(s)).unwrap()
}
