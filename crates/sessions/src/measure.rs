//! What a workload holds, from its recorded times and lengths. `docs/sessions.md` defines the words.

mod prefix;
mod timeline;

use itertools::Itertools as _;
use serde::Serialize;

use crate::file::{Call, GapKind};
use crate::graph::{Session, Workload};
use crate::seconds::Seconds;

pub use prefix::{PrefixUse, prefix_use};
pub use timeline::{Times, timeline};

/// Time in gaps by kind, and in calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TimeSpent {
    pub in_calls_s: Seconds,
    pub tool_gaps_s: Seconds,
    pub user_gaps_s: Seconds,
    pub unknown_gaps_s: Seconds,
    /// Calls whose duration is unknown and counts as zero.
    pub calls_without_time: usize,
}

impl TimeSpent {
    fn add(&mut self, call: &Call) {
        *match call.gap_kind {
            GapKind::Tool => &mut self.tool_gaps_s,
            GapKind::User => &mut self.user_gaps_s,
            GapKind::Unknown => &mut self.unknown_gaps_s,
        } += call.gap_s;
        self.in_calls_s += call.api_s.unwrap_or_default();
        self.calls_without_time += usize::from(call.api_s.is_none());
    }

    pub fn gaps_s(&self) -> Seconds {
        self.tool_gaps_s + self.user_gaps_s + self.unknown_gaps_s
    }
}

/// The sum over calls. Unknown values are left out of sums and counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Work {
    pub calls: usize,
    pub prompt_tokens: u64,
    pub output_tokens: u64,
    /// Calls without a count of prompt or output tokens.
    pub calls_without_tokens: usize,
    /// Tokens that the server of the recording took from its cache; `None` where no call has them.
    pub cached_tokens: Option<u64>,
    #[serde(flatten)]
    pub prefix: PrefixUse,
    #[serde(flatten)]
    pub time: TimeSpent,
}

impl Work {
    fn of(session: &Session, workload: &Workload) -> Self {
        let mut work = Self {
            prefix: workload
                .header()
                .block_tokens
                .map(|block| prefix_use(&session.calls, block))
                .unwrap_or_default(),
            ..Self::default()
        };
        for call in &session.calls {
            work.calls += 1;
            work.prompt_tokens += u64::from(call.prompt_tokens.unwrap_or(0));
            work.output_tokens += u64::from(call.output_tokens.unwrap_or(0));
            let is_known = call.prompt_tokens.is_some() && call.output_tokens.is_some();
            work.calls_without_tokens += usize::from(!is_known);
            work.cached_tokens = sum(work.cached_tokens, call.cached_tokens.map(u64::from));
            work.time.add(call);
        }
        work
    }

    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.prompt_tokens += other.prompt_tokens;
        self.output_tokens += other.output_tokens;
        self.calls_without_tokens += other.calls_without_tokens;
        self.cached_tokens = sum(self.cached_tokens, other.cached_tokens);
        self.prefix.add(&other.prefix);
        let (time, more) = (&mut self.time, &other.time);
        time.in_calls_s += more.in_calls_s;
        time.tool_gaps_s += more.tool_gaps_s;
        time.user_gaps_s += more.user_gaps_s;
        time.unknown_gaps_s += more.unknown_gaps_s;
        time.calls_without_time += more.calls_without_time;
    }
}

/// The sum of what is known; `None` when nothing is.
fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).reduce(|a, b| a + b)
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionFigures {
    pub id: String,
    pub parent: Option<String>,
    pub agent: Option<String>,
    /// Sessions above it.
    pub depth: u32,
    /// Sessions that its calls start, without theirs.
    pub children: usize,
    /// Each model once, in the order of appearance.
    pub models: Vec<String>,
    /// Seconds since the start of the earliest session.
    pub start_s: Seconds,
    /// The end of its last call, or of a later one of the sessions below it.
    pub end_s: Seconds,
    #[serde(flatten)]
    pub work: Work,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Sessions that no other one starts.
    pub sessions: usize,
    pub sub_agents: usize,
    /// From the first start to the last end.
    pub span_s: Seconds,
    /// The sum over sessions, sub-agents included, of the time from start to end.
    pub lasted_s: Seconds,
    #[serde(flatten)]
    pub work: Work,
}

/// The longest chain of calls and gaps, each at its recorded length. It begins where a session begins.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CriticalPath {
    pub length_s: Seconds,
    /// Share of it that is gaps; `None` when it is empty.
    pub gap_share: Option<f64>,
    pub calls: usize,
    /// Ids of the sessions it leads through, each once, in the order in which it first enters them.
    pub sessions: Vec<String>,
    #[serde(flatten)]
    pub time: TimeSpent,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    pub totals: Totals,
    pub critical_path: CriticalPath,
    /// Each session before its children.
    pub sessions: Vec<SessionFigures>,
}

impl Figures {
    pub fn of(workload: &Workload) -> Self {
        let times = timeline(workload);
        let mut figures = Self {
            totals: Totals::default(),
            critical_path: critical_path(workload, &times),
            sessions: Vec::with_capacity(workload.sessions().len()),
        };
        for (root, _) in workload.roots() {
            let place = figures.sessions.len();
            figures.add(workload, &times, root);
            let added = &figures.sessions[place];
            let lasted = Seconds::between(added.start_s.nanos(), added.end_s.nanos());
            figures.totals.lasted_s += lasted;
            figures.totals.span_s = figures.totals.span_s.max(added.end_s);
            figures.totals.sessions += 1;
        }
        figures.totals.sub_agents = figures.sessions.len() - figures.totals.sessions;
        figures
    }

    /// Adds a session and those below it, and returns the end of the last one.
    fn add(&mut self, workload: &Workload, times: &[Vec<Times>], at: usize) -> Seconds {
        let session = &workload.sessions()[at];
        let work = Work::of(session, workload);
        self.totals.work.add(&work);
        let models = session.calls.iter().filter_map(|call| call.model.clone());
        let place = self.sessions.len();
        let last = times[at].last().map(|times| times.end).unwrap_or_default();
        self.sessions.push(SessionFigures {
            id: session.line.id.clone(),
            parent: session
                .line
                .parent
                .as_ref()
                .map(|parent| parent.session.clone()),
            agent: session.line.agent.clone(),
            depth: session.depth,
            children: session.children.len(),
            models: models.unique().collect(),
            start_s: times[at]
                .first()
                .map(|times| times.origin)
                .unwrap_or_default(),
            end_s: last,
            work,
        });
        let end = session.children.iter().fold(last, |end, child| {
            end.max(self.add(workload, times, *child))
        });
        self.sessions[place].end_s = end;
        end
    }
}

/// The longest chain: back from the latest end, through what each call followed.
pub fn critical_path(workload: &Workload, times: &[Vec<Times>]) -> CriticalPath {
    let sessions = workload.sessions();
    let places = times.iter().enumerate();
    let ends =
        places.flat_map(|(session, times)| times.iter().enumerate().map(move |at| (session, at)));
    // Of two chains of one length, the first in the file.
    let longest = ends.rev().max_by_key(|(_, (_, times))| times.chain);
    let mut path = CriticalPath::default();
    let mut next = longest.map(|(session, (call, _))| (session, call));
    let mut ids: Vec<&str> = Vec::new();
    while let Some((session, call)) = next {
        path.calls += 1;
        path.time.add(&sessions[session].calls[call]);
        ids.push(&sessions[session].line.id);
        next = times[session][call].after;
    }
    path.length_s = path.time.in_calls_s + path.time.gaps_s();
    path.gap_share = path.time.gaps_s().share_of(path.length_s);
    path.sessions = ids.into_iter().rev().unique().map(str::to_owned).collect();
    path
}
