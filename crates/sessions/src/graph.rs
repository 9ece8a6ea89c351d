//! A workload: sessions and their calls as a graph without mistakes.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;

use domain::plan::limits::TOKENS;

use crate::file::{Blocks, Call, FORMAT, Header, SessionLine, VERSION};
use crate::seconds::Seconds;

/// Most sessions of a file.
pub(crate) const SESSIONS: usize = 1_000_000;
/// Most calls of a file.
pub(crate) const CALLS: usize = 10_000_000;
/// Most sessions from one without a parent down to one without children.
pub(crate) const DEPTH: u32 = 64;
/// Most notes and most source files of a header.
const IN_HEADER: usize = 100_000;
/// Most characters of a text.
pub(crate) const CHARACTERS: usize = 1_000;

/// Sessions whose calls are numbered, whose parents exist, and whose children are waited for or detached.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    header: Header,
    sessions: Vec<Session>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    pub line: SessionLine,
    /// At least one.
    pub calls: Vec<Call>,
    /// The parent's place among the sessions.
    pub parent: Option<usize>,
    /// Places of the sessions that its calls start, in the order of these calls.
    pub children: Vec<usize>,
    /// Sessions above it.
    pub depth: u32,
}

/// Where a mistake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Header,
    /// The session's place among those given.
    Session(usize),
    /// The call's place among those given.
    Call(usize),
}

/// A mistake and its fix.
pub(crate) type Mistake = (Place, String);

impl Workload {
    /// Puts sessions and calls, each in the order of the file, together. Fails at the first mistake.
    pub(crate) fn new(
        header: Header,
        lines: Vec<SessionLine>,
        calls: Vec<Call>,
    ) -> Result<Self, Mistake> {
        check_header(&header).map_err(|what| (Place::Header, what))?;
        if lines.is_empty() {
            return Err((
                Place::Header,
                "the file holds no session; add a line for each".to_owned(),
            ));
        }
        let mut places = HashMap::new();
        for (at, line) in lines.iter().enumerate() {
            check_session(line).map_err(|what| (Place::Session(at), what))?;
            if places.insert(line.id.clone(), at).is_some() {
                let what = format!("session {} is given twice; rename one of them", line.id);
                return Err((Place::Session(at), what));
            }
        }
        let mut chains: Vec<Vec<Call>> = lines.iter().map(|_| Vec::new()).collect();
        let mut waits = Vec::new();
        for (at, call) in calls.into_iter().enumerate() {
            let here = |what| (Place::Call(at), what);
            let Some(&session) = places.get(&call.session) else {
                let what = format!("no session is called {}; add its line", call.session);
                return Err(here(what));
            };
            check_call(&call, chains[session].last(), header.block_tokens).map_err(here)?;
            waits.extend(
                call.waits_for
                    .iter()
                    .map(|child| (at, session, call.number, child.clone())),
            );
            chains[session].push(call);
        }
        let parents = parents(&lines, &places, &chains)?;
        check_waits(&lines, &places, &waits)?;
        let depths = depths(&parents).map_err(|at| {
            let what = format!(
                "the parents of session {} lead back to it, or are more than {DEPTH}; correct `parent`",
                lines[at].id
            );
            (Place::Session(at), what)
        })?;
        let mut children: Vec<Vec<usize>> = lines.iter().map(|_| Vec::new()).collect();
        for (at, parent) in parents.iter().enumerate() {
            if let Some(parent) = parent {
                children[*parent].push(at);
            }
        }
        for children in &mut children {
            children.sort_by_key(|child| lines[*child].parent.as_ref().map(|parent| parent.call));
        }
        let rest = lines
            .into_iter()
            .zip(chains)
            .zip(parents)
            .zip(children)
            .zip(depths);
        let sessions = rest
            .map(|((((line, calls), parent), children), depth)| Session {
                line,
                calls,
                parent,
                children,
                depth,
            })
            .collect();
        Ok(Self { header, sessions })
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// Sessions that no other one starts.
    pub fn roots(&self) -> impl Iterator<Item = (usize, &Session)> {
        let all = self.sessions.iter().enumerate();
        all.filter(|(_, session)| session.parent.is_none())
    }
}

fn check_header(header: &Header) -> Result<(), String> {
    if header.format != FORMAT {
        return Err(format!("format is `{}`; write {FORMAT}", header.format));
    }
    if header.version != VERSION {
        let version = header.version;
        return Err(format!(
            "version {version} is not read, only {VERSION}; use a tandem that does"
        ));
    }
    if header.notes.len() > IN_HEADER || header.source.files.len() > IN_HEADER {
        return Err(format!("give at most {IN_HEADER} notes and files"));
    }
    let notes = header.notes.iter();
    let mut names = notes.chain(header.source.files.iter().map(|file| &file.name));
    names.try_for_each(|text| check_text("a note or a file's name", text))
}

fn check_text(what: &str, text: &str) -> Result<(), String> {
    let length = text.chars().count();
    if (1..=CHARACTERS).contains(&length) && !text.contains(char::is_control) {
        return Ok(());
    }
    Err(format!(
        "{what} has {length} characters; give 1 to {CHARACTERS}, none of control"
    ))
}

fn check_time(key: &str, time: Option<Seconds>, longest: Seconds) -> Result<(), String> {
    match time.filter(|time| *time > longest) {
        Some(time) => Err(format!(
            "{key} is {}; give 0 to {} seconds",
            time.get(),
            longest.get()
        )),
        None => Ok(()),
    }
}

fn check_session(line: &SessionLine) -> Result<(), String> {
    check_text("id", &line.id)?;
    for (what, text) in [("agent", &line.agent), ("scope", &line.scope)] {
        text.iter().try_for_each(|text| check_text(what, text))?;
    }
    check_time("start_s", line.start_s, Seconds::LATEST)?;
    match (&line.parent, line.start_s) {
        (Some(_), Some(_)) => {
            Err("start_s and parent are both given; leave start_s out, for the gap of the first call says it".to_owned())
        }
        (None, _) if line.detached => {
            Err("detached is given without parent; leave it out".to_owned())
        }
        _ => Ok(()),
    }
}

fn check_call(
    call: &Call,
    before: Option<&Call>,
    block_tokens: Option<NonZeroU32>,
) -> Result<(), String> {
    let expected = before.map_or(0, |before| before.number + 1);
    if call.number != expected {
        let Call {
            session, number, ..
        } = call;
        return Err(format!(
            "call {number} of session {session} comes where call {expected} is due; number the calls of a \
             session from 0, in the order of their lines"
        ));
    }
    call.model
        .iter()
        .try_for_each(|model| check_text("model", model))?;
    let times = [
        ("gap_s", Some(call.gap_s)),
        ("api_s", call.api_s),
        ("ttft_s", call.ttft_s),
    ];
    times
        .into_iter()
        .try_for_each(|(key, time)| check_time(key, time, Seconds::LONGEST))?;
    let tokens = [
        ("prompt_tokens", call.prompt_tokens),
        ("output_tokens", call.output_tokens),
    ];
    for (key, tokens) in tokens {
        if tokens.is_some_and(|n| n > TOKENS.most) {
            return Err(format!(
                "{key} is above {}; give a smaller number",
                TOKENS.most
            ));
        }
    }
    if call
        .cached_tokens
        .zip(call.prompt_tokens)
        .is_some_and(|(cached, prompt)| cached > prompt)
    {
        return Err(
            "cached_tokens is above prompt_tokens, which holds the whole prompt; correct one"
                .to_owned(),
        );
    }
    if call
        .ttft_s
        .zip(call.api_s)
        .is_some_and(|(first, end)| first > end)
    {
        return Err("ttft_s is above api_s; correct one".to_owned());
    }
    let Some(blocks) = &call.blocks else {
        return Ok(());
    };
    let block_tokens =
        block_tokens.ok_or("blocks are given without block_tokens in the first line; add it")?;
    let held = before.map_or(0, count_of_blocks);
    if blocks.kept > held {
        let kept = blocks.kept;
        return Err(format!(
            "kept is {kept}, and the call before has {held} blocks; correct kept"
        ));
    }
    let count = u64::from(blocks.kept) + blocks.new.len() as u64;
    let most = u64::from(call.prompt_tokens.unwrap_or(0)).div_ceil(block_tokens.get().into());
    if count > most {
        return Err(format!(
            "{count} blocks of {block_tokens} tokens are more than the prompt's {most}; correct blocks or prompt_tokens"
        ));
    }
    Ok(())
}

/// Exact, for the blocks of every call up to `call` have been checked.
fn count_of_blocks(call: &Call) -> u32 {
    let count = |blocks: &Blocks| blocks.kept + blocks.new.len() as u32;
    call.blocks.as_ref().map_or(0, count)
}

fn parents(
    lines: &[SessionLine],
    places: &HashMap<String, usize>,
    chains: &[Vec<Call>],
) -> Result<Vec<Option<usize>>, Mistake> {
    let parent = |(at, line): (usize, &SessionLine)| {
        let here = |what| (Place::Session(at), what);
        if chains[at].is_empty() {
            return Err(here(format!(
                "session {} has no call; add one or remove the line",
                line.id
            )));
        }
        let Some(parent) = &line.parent else {
            return Ok(None);
        };
        let place = places.get(&parent.session).copied();
        let place = place.ok_or_else(|| {
            here(format!(
                "no session is called {}; add its line",
                parent.session
            ))
        })?;
        let calls = chains[place].len();
        if parent.call as usize >= calls {
            return Err(here(format!(
                "session {} has {calls} calls and none with number {}; correct parent",
                parent.session, parent.call
            )));
        }
        Ok(Some(place))
    };
    lines.iter().enumerate().map(parent).collect()
}

/// A wait: the place of the call, the place of its session, its number, and the id of the child.
type Wait = (usize, usize, u32, String);

fn check_waits(
    lines: &[SessionLine],
    places: &HashMap<String, usize>,
    waits: &[Wait],
) -> Result<(), Mistake> {
    let mut waited = HashSet::new();
    for (at, session, number, child) in waits {
        let line = places.get(child).map(|place| &lines[*place]);
        let parent = line.and_then(|line| line.parent.as_ref());
        let is_own = parent
            .is_some_and(|parent| parent.session == lines[*session].id && parent.call < *number);
        let what = if !is_own {
            "is not started by an earlier call of this session"
        } else if line.is_some_and(|line| line.detached) {
            "is detached"
        } else if !waited.insert(child) {
            "is waited for twice"
        } else {
            continue;
        };
        return Err((
            Place::Call(*at),
            format!("{child} {what}; correct waits_for"),
        ));
    }
    for (at, line) in lines.iter().enumerate() {
        if line.parent.is_some() && !line.detached && !waited.contains(&line.id) {
            let what = format!(
                "no call waits for session {}; add it to waits_for of a later call of its parent, or \
                 write \"detached\":true",
                line.id
            );
            return Err((Place::Session(at), what));
        }
    }
    Ok(())
}

/// Sessions above each; the place of a session that has too many, or is above itself.
fn depths(parents: &[Option<usize>]) -> Result<Vec<u32>, usize> {
    let above = |at: usize| std::iter::successors(parents[at], |place| parents[*place]);
    let depth = |at| {
        let depth = above(at).take(DEPTH as usize + 1).count() as u32;
        if depth > DEPTH { Err(at) } else { Ok(depth) }
    };
    (0..parents.len()).map(depth).collect()
}
