//! When each call starts and ends, from the recorded gaps and durations.

use std::collections::HashMap;

use crate::graph::Workload;
use crate::seconds::Seconds;

/// The moments of a call, since the start of the earliest session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Where its session starts.
    pub origin: Seconds,
    pub start: Seconds,
    pub end: Seconds,
    /// Gaps and calls from the start of the outermost session to its end.
    pub chain: Seconds,
    /// The call whose end it starts after, as the places of its session and in it; `None` at the start of a session
    /// without a parent.
    pub after: Option<(usize, usize)>,
}

/// The times of every call, by session. A call without a duration takes no time.
pub fn timeline(workload: &Workload) -> Vec<Vec<Times>> {
    let sessions = workload.sessions();
    let ids = sessions.iter().enumerate();
    let ids: HashMap<&str, usize> = ids.map(|(at, session)| (&*session.line.id, at)).collect();
    let mut times = vec![Vec::new(); sessions.len()];
    for (root, session) in workload.roots() {
        let start = session.line.start_s.unwrap_or_default();
        add(
            workload,
            &ids,
            root,
            (start, Seconds::ZERO, None),
            &mut times,
        );
    }
    times
}

/// A moment, the length of the chain up to it, and the call that ends there.
type Moment = (Seconds, Seconds, Option<(usize, usize)>);

/// Adds a session that starts at `begin`, and those below it.
fn add(
    workload: &Workload,
    ids: &HashMap<&str, usize>,
    at: usize,
    begin: Moment,
    times: &mut [Vec<Times>],
) {
    let session = &workload.sessions()[at];
    let (origin, ..) = begin;
    let mut free = begin;
    let mut children = session.children.iter().peekable();
    for (number, call) in session.calls.iter().enumerate() {
        for child in &call.waits_for {
            let child = ids[child.as_str()];
            let last = times[child].len() - 1;
            let Times { end, chain, .. } = times[child][last];
            if end > free.0 {
                free = (end, chain, Some((child, last)));
            }
        }
        let (moment, chain, after) = free;
        let start = moment + call.gap_s;
        let length = call.api_s.unwrap_or_default();
        let here = Times {
            origin,
            start,
            end: start + length,
            chain: chain + call.gap_s + length,
            after,
        };
        times[at].push(here);
        free = (here.end, here.chain, Some((at, number)));
        let is_started = |child: &&usize| {
            let parent = &workload.sessions()[**child].line.parent;
            parent
                .as_ref()
                .is_some_and(|parent| parent.call as usize == number)
        };
        while let Some(child) = children.next_if(is_started) {
            add(workload, ids, *child, free, times);
        }
    }
}
