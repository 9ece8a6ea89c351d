//! The workflow of one agent in one arm, step by step.

use std::future::Future;

use domain::backend::{Exchange, GenerateCall};
use domain::exit::causes;
use domain::hash::sha256_hex;
use domain::plan::{AgentSpec, ProtocolKind, WorkflowKind};
use domain::record::{AgentSpan, RequestRecord, RequestRole, ResponseNote, StepRecord};
use domain::{ModelOptions, Nanos, Outcome, Stamp};
use tracing::Instrument as _;

use crate::analyse::{THINK_MODELLED, read_modelled, think};
use crate::ingest::read_tables;
use crate::job::{AgentJob, Memory};
use crate::prompts;
use crate::write::{artefact, artefact_path, write_artefact};

/// Duration of writing an artefact in virtual time; an assumed value.
const WRITE_MODELLED: Nanos = Nanos::from_millis(1);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentEnd {
    /// From its first step's beginning to its last step's end.
    pub span: AgentSpan,
    /// Whether it ran to its end, successfully or not; false if it was stopped.
    pub finished: bool,
    /// The step at which it gave up, and the reason.
    pub gave_up: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Ingest,
    Think,
    /// The agent's CPU and file work before the n-th call.
    Work(u32),
    /// The n-th call, from 0.
    Generate(u32),
    Write,
}

impl Step {
    fn of(spec: &AgentSpec) -> Vec<Self> {
        let calls = (0..spec.calls.get()).flat_map(|call| {
            let work = (!spec.work.is_empty()).then_some(Self::Work(call));
            work.into_iter().chain([Self::Generate(call)])
        });
        match spec.workflow {
            WorkflowKind::SingleCall => calls.collect(),
            WorkflowKind::Full => [Self::Ingest, Self::Think]
                .into_iter()
                .chain(calls)
                .chain([Self::Write])
                .collect(),
        }
    }

    /// The step's name for an agent of `calls` calls, and its kind.
    fn name_and_kind(self, calls: u32) -> (String, &'static str) {
        let (name, call, kind) = match self {
            Self::Ingest => ("ingest", None, "ingest"),
            Self::Think => ("analyse", None, "think"),
            Self::Work(call) => ("work", Some(call), "think"),
            Self::Generate(call) => ("generate", Some(call), "generate"),
            Self::Write => ("write", None, "write"),
        };
        match call.filter(|_| calls > 1) {
            Some(call) => (format!("{name}_{}", call + 1), kind),
            None => (name.to_owned(), kind),
        }
    }
}

enum Stopped {
    /// It failed; the workflow continues.
    Failed(String),
    /// It failed, and the workflow ends with it.
    GaveUp(String),
    Dropped,
}

/// Runs the workflow of an agent. `scheduled` is the planned start of its first step; each later step is scheduled at
/// the end of the one before.
///
/// A request that fails is recorded and the workflow continues. A failure to read the benchmark files ends the
/// workflow, which has nothing to write about then.
pub async fn run_agent(job: &AgentJob, mut scheduled: Stamp) -> AgentEnd {
    let started = job.clock.now();
    let mut memory = Memory::default();
    let mut end = AgentEnd {
        span: AgentSpan {
            started,
            ended: started,
        },
        finished: true,
        gave_up: None,
    };
    for step in Step::of(&job.spec) {
        if job.stop.is_cancelled() || job.cancel.is_cancelled() {
            end.finished = false;
            break;
        }
        let (name, kind) = step.name_and_kind(job.spec.calls.get());
        let began = job.clock.now();
        let span = tracing::debug_span!("step", agent = job.spec.name, step = name);
        let done = run_step(job, step, &name, scheduled, &mut memory);
        let done = done.instrument(span).await;
        let ended = job.clock.now();
        end.span.ended = ended;
        let (error, goes_on) = match done {
            Ok(()) => (None, true),
            Err(Stopped::Failed(why)) => (Some(why), true),
            Err(Stopped::GaveUp(why)) => {
                end.gave_up = Some(format!("{name}: {why}"));
                (Some(why), false)
            }
            Err(Stopped::Dropped) => {
                end.finished = false;
                (Some(StepRecord::CANCELLED.to_owned()), false)
            }
        };
        job.recorder.step(StepRecord {
            run: job.run.clone(),
            arm: job.arm,
            attempt: job.attempt,
            agent: job.agent,
            step: name,
            kind: kind.to_owned(),
            started: began,
            ended,
            queue_ns: memory.queued.take(),
            error,
        });
        if !goes_on {
            break;
        }
        scheduled = ended;
    }
    end
}

/// Sends one short request with the agent's options to measure the `load` of a model that is ready. The caller has
/// loaded the model with these options just before. Returns the outcome and the `load`.
pub async fn run_probe(job: &AgentJob, scheduled: Stamp) -> (Outcome, Option<Nanos>) {
    let prompt = job.prompt_as_sent(&prompts::probe(), "probe");
    let options = ModelOptions {
        num_predict: Some(1),
        ..job.options(0)
    };
    let role = RequestRole::Probe;
    let answer = job.request(role, "probe", 0, prompt, options, scheduled);
    let answer = answer.await;
    (answer.outcome, answer.load)
}

async fn run_step(
    job: &AgentJob,
    step: Step,
    name: &str,
    scheduled: Stamp,
    memory: &mut Memory,
) -> Result<(), Stopped> {
    let clock = &job.clock;
    match step {
        Step::Ingest => {
            let folder = job.benchmarks.clone();
            // In virtual time, the time for reading depends on what was read, so it follows.
            let reading = clock.compute(Nanos::ZERO, move || read_tables(&folder));
            let tables = (job.uncancelled(reading).await?)
                .map_err(|e| Stopped::GaveUp(format!("reading failed: {e}")))?
                .map_err(|e| Stopped::GaveUp(with_causes(&e)))?;
            if clock.is_virtual() {
                let took = clock.sleep(read_modelled(&tables));
                job.uncancelled(took).await?;
            }
            memory.tables = tables;
        }
        Step::Think => {
            let agent = job.spec.name.clone();
            let tables = std::mem::take(&mut memory.tables);
            let thinking = clock.compute(THINK_MODELLED, move || think(&agent, &tables));
            let thought = job.uncancelled(thinking).await?;
            let failed = |e| Stopped::GaveUp(format!("thinking failed: {e}"));
            memory.findings = Some(thought.map_err(failed)?);
        }
        Step::Work(_) => {
            let work = job.pool.run(clock, job.spec.work);
            let done = job.uncancelled(work).await?;
            let done = done.map_err(|e| Stopped::Failed(with_causes(&e)))?;
            memory.queued = Some(done.queue_ns);
        }
        Step::Generate(call) => generate(job, call, name, scheduled, memory).await?,
        Step::Write => {
            let (path, text) = (artefact_path(job), artefact(job, memory));
            let shown = path.display().to_string();
            let writing = clock.compute(WRITE_MODELLED, move || write_artefact(&path, &text));
            (job.uncancelled(writing).await?)
                .map_err(|e| Stopped::Failed(format!("writing failed: {e}")))?
                .map_err(|e| Stopped::Failed(format!("failed to write {shown}: {e}")))?;
        }
    }
    Ok(())
}

async fn generate(
    job: &AgentJob,
    call: u32,
    name: &str,
    scheduled: Stamp,
    memory: &mut Memory,
) -> Result<(), Stopped> {
    let data = memory.findings.as_ref().map_or("", |f| f.text.as_str());
    let first = prompts::first(&job.spec.name, job.spec.workflow, data);
    let prompt = match call {
        0 => first,
        _ => prompts::further(&first, &memory.answer),
    };
    let prompt = job.prompt_as_sent(&prompt, &call.to_string());
    let (role, options) = (RequestRole::Main, job.options(call));
    let answer = job.request(role, name, call, prompt, options, scheduled);
    let answer = answer.await;
    if !memory.answer.is_empty() && !answer.text.is_empty() {
        memory.answer.push_str("\n\n");
    }
    memory.answer.push_str(&answer.text);
    let end = in_words(&answer.outcome, answer.missing);
    memory.ends.push(end.clone());
    match answer.outcome {
        Outcome::Completed => Ok(()),
        Outcome::Cancelled => Err(Stopped::Dropped),
        _ => Err(Stopped::Failed(end)),
    }
}

impl AgentJob {
    /// The options of a call. The rigorous protocol adds a sampling seed that is equal in both arms; the agents of
    /// TR113 sent none.
    fn options(&self, call: u32) -> ModelOptions {
        let mut options = self.spec.options.clone();
        if self.plan.protocol.kind == ProtocolKind::Rigorous && options.seed.is_none() {
            let (config, repetition) = (&self.run.config, self.run.repetition);
            options.seed = Some((self.plan).call_seed(config, repetition, self.agent, call));
        }
        options
    }

    fn prompt_as_sent(&self, prompt: &str, what: &str) -> String {
        let (run, arm, attempt, agent) = (&self.run, self.arm, self.attempt, self.agent);
        let nonce = prompts::nonce(self.nonce, run, arm, attempt, agent, what);
        prompts::under(self.plan.protocol.cache, &nonce, prompt)
    }

    /// Fails if the job is cancelled before the future is ready.
    async fn uncancelled<F: Future>(&self, future: F) -> Result<F::Output, Stopped> {
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = self.cancel.cancelled() => Err(Stopped::Dropped),
        }
    }

    /// Sends one request and records it, whether or not it succeeds.
    async fn request(
        &self,
        role: RequestRole,
        step: &str,
        call: u32,
        prompt: String,
        options: ModelOptions,
        scheduled: Stamp,
    ) -> Answer {
        let wanted = GenerateCall {
            model: self.plan.model.clone(),
            prompt,
            options,
            ..GenerateCall::default()
        };
        let mut exchange = Exchange {
            progress: self.progress.clone(),
            ..Exchange::default()
        };
        let seen_before = self.progress.get();
        let endpoint = self.endpoint;
        let span = tracing::debug_span!("request", agent = self.spec.name, step, call, endpoint);
        let generating = self.backend.generate(&wanted, &mut exchange);
        let outcome = self.uncancelled(generating.instrument(span)).await;
        let outcome = outcome.unwrap_or(Outcome::Cancelled);
        let (mut times, text) = (exchange.times, exchange.text);
        times.end(scheduled, self.clock.now(), outcome.clone());
        // Adds the chunks of a backend that does not count as they arrive.
        let seen = self.progress.get() - seen_before;
        let chunks = times.chunks.len() as u64;
        self.progress.add(chunks.saturating_sub(seen));
        let load = times.counters.load;
        let missing = times.notes.iter().copied().find(|note| note.is_missing());
        self.recorder.request(RequestRecord {
            attempt: self.attempt,
            role,
            agent: self.agent,
            agent_name: self.spec.name.clone(),
            step: step.to_owned(),
            call,
            endpoint: self.endpoint,
            model: wanted.model,
            options: exchange.options_sent.unwrap_or(wanted.options),
            prompt_sha256: sha256_hex(wanted.prompt.as_bytes()),
            done_reason: exchange.done_reason,
            output_chars: text.chars().count() as u64,
            ..RequestRecord::new(self.run.clone(), self.arm, times)
        });
        Answer {
            outcome,
            text,
            missing,
            load,
        }
    }
}

struct Answer {
    outcome: Outcome,
    text: String,
    /// What an incomplete response lacks.
    missing: Option<ResponseNote>,
    load: Option<Nanos>,
}

fn in_words(outcome: &Outcome, missing: Option<ResponseNote>) -> String {
    match (outcome, missing) {
        (Outcome::Failed { message, .. }, _) => format!("failed: {message}"),
        (Outcome::TimedOut { phase }, _) => format!("timed out {phase}"),
        (Outcome::Incomplete, Some(missing)) => format!("incomplete: {}", missing.in_words()),
        (other, _) => other.class().to_owned(),
    }
}

fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let words: Vec<_> = causes(error).map(ToString::to_string).collect();
    words.join(": ")
}
