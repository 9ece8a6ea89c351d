//! Durations that a server reports and that cannot be, by our own stamps or by the other arm.

use domain::plan::Arm;
use domain::{Nanos, Stamp};

use crate::notes::Warning;
use crate::observation::{ArmObservation, RequestTimes, RunObservation, StampSource};
use crate::spans::Spans;

/// A load beside another agent's decoding that is longer than this, above the same agent's loads in turn, is
/// none: Ollama asks a loading model every 250 ms whether it is ready.
const LOAD_BESIDE: Nanos = Nanos::from_millis(250);

/// The figures that are checked, as the warning names them.
const NAMES: [&str; 4] = ["total", "load", "prefill", "decode"];

/// Which durations of a request cannot be, in the order of [`NAMES`].
type Impossible = [bool; 4];

/// Drops durations that cannot be, of a call in both arms alike: what was dropped in one arm only would look
/// like time gained or lost. With any other duration the total goes too, for what is left of it would be taken
/// for a wait. Returns what was dropped; none where all can be.
pub(super) fn drop_impossible(runs: &mut [RunObservation]) -> Option<Warning> {
    let (mut requests, mut wrong, mut dropped) = (0, 0, [0_u32; 4]);
    for run in runs {
        let mut calls = std::collections::BTreeMap::<(usize, usize), Impossible>::new();
        for arm in run.arms() {
            for (place, agent) in arm.agents.iter().enumerate() {
                for (call, request) in agent.requests.iter().enumerate() {
                    requests += 1;
                    let mut found = by_stamps(request);
                    found[1] |=
                        arm.arm == Arm::Together && loads_beside_decoding(run, arm, place, request);
                    if found == Impossible::default() {
                        continue;
                    }
                    wrong += 1;
                    let known = calls.entry((place, call)).or_default();
                    for (i, found) in found.into_iter().enumerate() {
                        dropped[i] += u32::from(found);
                        known[i] |= found;
                    }
                }
            }
        }
        for arm in run.arms_mut() {
            for ((place, call), [_, load, prefill, decode]) in &calls {
                let agent = arm.agents.get_mut(*place);
                let Some(request) = agent.and_then(|a| a.requests.get_mut(*call)) else {
                    continue;
                };
                let counters = &mut request.counters;
                counters.total = None;
                counters.load = counters.load.filter(|_| !load);
                counters.prompt_eval = counters.prompt_eval.filter(|_| !prefill);
                counters.eval = counters.eval.filter(|_| !decode);
            }
        }
    }
    let dropped = NAMES.into_iter().zip(dropped).filter(|(_, n)| *n > 0);
    (wrong > 0).then(|| Warning::ImpossibleDurations([wrong, requests], dropped.collect()))
}

/// Durations that do not fit into the time between our own stamps, and those that last less than half of the
/// time in which we saw tokens arrive.
fn by_stamps(request: &RequestTimes) -> Impossible {
    let (Some(sent), Some(done)) = (request.sent, request.done) else {
        return Impossible::default();
    };
    if !request.outcome.is_completed() || request.stamps == StampSource::Rebuilt || done < sent {
        return Impossible::default();
    }
    let whole = done.since(sent);
    let first = request.first_token.unwrap_or(done);
    let until_first = first.since(sent);
    let arriving = request.last_token.unwrap_or(first).since(first);
    // What stamps and counters of a millisecond, and clocks of two machines, may be apart.
    let apart = Nanos(20_000_000 + whole.0 / 50);
    let fits = |duration: Option<Nanos>, into: Nanos| duration.is_none_or(|d| d <= into + apart);
    let least = Nanos(arriving.0 / 2).saturating_sub(apart);
    let lasts = |duration: Option<Nanos>| duration.is_none_or(|d| d >= least);
    let c = &request.counters;
    let [load, prefill] = [c.load, c.prompt_eval].map(Option::unwrap_or_default);
    let both_fit = fits(Some(Nanos(load.0.saturating_add(prefill.0))), until_first);
    [
        !fits(c.total, whole) || !lasts(c.total),
        load > Nanos::ZERO && !both_fit,
        prefill > Nanos::ZERO && !both_fit,
        !fits(c.eval, whole) || !lasts(c.eval),
    ]
}

/// True when a request is said to have loaded the model while it decoded for another agent: where all agents
/// of a server want the same runner, one that decodes for one of them is ready for all. Such a load holds a
/// wait that is no load.
fn loads_beside_decoding(
    run: &RunObservation,
    arm: &ArmObservation,
    place: usize,
    request: &RequestTimes,
) -> bool {
    let agent = &arm.agents[place];
    let (Some(sent), Some(load)) = (request.sent, request.counters.load) else {
        return false;
    };
    let in_turn = run.sequential.as_ref();
    let in_turn = in_turn.and_then(|arm| arm.agents.get(place));
    let loads = in_turn.iter().flat_map(|a| &a.requests);
    let least = loads.filter_map(|r| r.counters.load).min();
    let others = arm.peers(agent).filter(|peer| peer.agent != agent.agent);
    let requests = others.flat_map(|peer| &peer.requests);
    let decoding = Spans::union(requests.filter_map(|r| Some((r.first_token?, r.last_token?))));
    let overlap_ns = decoding.within(sent, Stamp(sent.0.saturating_add(load.0)));
    request.stamps == StampSource::Taken
        && arm.peers(agent).all(|peer| peer.shares_runner(agent))
        && Nanos(overlap_ns) > LOAD_BESIDE
        && load > least.unwrap_or_default() + LOAD_BESIDE
}

#[cfg(test)]
mod tests {
    use itertools::Itertools as _;

    use super::*;
    use crate::cause::WaitedFor;
    use crate::run::RunMetrics;
    use crate::timeline::{Calls, at, request, unloaded};

    const MS: i64 = 1_000_000;

    /// A is served for 1.1 s, and B, which finds the model ready, waits for all of it.
    fn one_slot() -> RunObservation {
        let call = |sent| request(sent).load(100).prefill(100).decode(10, 100);
        let agents = [
            Calls::new(&[call(0)], &[call(0)]),
            Calls::new(&[call(0).slot(1100)], &[call(1200)]),
        ];
        unloaded("lies", 1, &agents)
    }

    fn requests(run: &mut RunObservation) -> impl Iterator<Item = &mut RequestTimes> {
        let agents = run.arms_mut().flat_map(|arm| &mut arm.agents);
        agents.flat_map(|agent| &mut agent.requests)
    }

    /// The parts of the loss in milliseconds that are not zero, and the warning.
    fn loss_and_warning(run: RunObservation) -> (String, Option<Warning>) {
        let mut runs = [run];
        let warning = drop_impossible(&mut runs);
        let cause = RunMetrics::of(&runs[0]).cause;
        let lost = cause.lost.unwrap();
        let parts = lost.named().into_iter().filter(|(_, ns)| *ns != 0);
        let mut parts = parts.map(|(name, ns)| format!("{name} {}", ns / MS));
        assert!(warning.is_none() || cause.why_serial.is_none(), "{cause:?}");
        (parts.join(", "), warning)
    }

    /// The warning that durations of `requests` of the four were dropped.
    fn dropped(requests: u32, what: &[(&'static str, u32)]) -> Warning {
        Warning::ImpossibleDurations([requests, 4], what.to_vec())
    }

    #[test]
    fn durations_that_can_be_are_kept() {
        let kept = ("slot_queue 1100".to_owned(), None);
        assert_eq!(loss_and_warning(one_slot()), kept);
        let mut runs = [one_slot()];
        assert_eq!(drop_impossible(&mut runs), None);
        assert_eq!(runs[0], one_slot());
        let why = RunMetrics::of(&runs[0]).cause.why_serial.unwrap();
        assert_eq!(why.waited_for, WaitedFor::SlotQueue);
    }

    #[test]
    fn what_cannot_be_is_unexplained_and_neither_a_reload_nor_our_own_overhead() {
        let mut run = one_slot();
        let waited = &mut run.together.as_mut().unwrap().agents[1].requests[0];
        waited.counters.load = Some(Nanos::from_millis(1200));
        let warning = Some(dropped(1, &[("load", 1)]));
        assert_eq!(
            loss_and_warning(run),
            ("unexplained 1100".to_owned(), warning)
        );
        let mut run = one_slot();
        for request in requests(&mut run) {
            let counters = &mut request.counters;
            let durations = [&mut counters.total, &mut counters.load];
            let phases = [&mut counters.prompt_eval, &mut counters.eval];
            durations
                .into_iter()
                .chain(phases)
                .for_each(|of| *of = Some(Nanos::ZERO));
        }
        let warning = Some(dropped(4, &[("total", 4), ("decode", 4)]));
        assert_eq!(
            loss_and_warning(run),
            ("unexplained 1100".to_owned(), warning)
        );
    }

    #[test]
    fn durations_longer_than_we_waited_are_dropped_in_both_arms() {
        // B's phases before its first token take 0.3 s more than it waited for that token.
        let mut run = one_slot();
        let alone = &mut run.sequential.as_mut().unwrap().agents[1].requests[0];
        alone.counters.prompt_eval = Some(Nanos::from_millis(500));
        assert_eq!(alone.first_token, Some(at(1500)));
        let warning = Some(dropped(1, &[("load", 1), ("prefill", 1)]));
        assert_eq!(
            loss_and_warning(run),
            ("unexplained 1100".to_owned(), warning)
        );
        // A server whose clock runs twice as fast.
        let mut run = one_slot();
        let one = &mut run.together.as_mut().unwrap().agents[0].requests[0];
        one.counters.total = Some(Nanos::from_millis(2400));
        let mut runs = [run];
        let warning = drop_impossible(&mut runs);
        assert_eq!(warning, Some(dropped(1, &[("total", 1)])));
        let without = requests(&mut runs[0]).filter(|r| r.counters.total.is_none());
        assert_eq!(without.count(), 2);
    }
}
