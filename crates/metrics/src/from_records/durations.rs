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
    use super::*;
    use crate::by_hand::{agents_of, lost_ms};
    use crate::cause::WaitedFor;
    use crate::run::RunMetrics;
    use crate::timeline::{at, unloaded};

    /// A is served for 1.1 s, and B, which finds the model ready, waits for all of it.
    fn one_slot() -> RunObservation {
        let agents = agents_of([
            "A: 0 load 100 prefill 100 decode 10x100",
            "B: 0 load 100 slot 1100 prefill 100 decode 10x100 | 1200 load 100 prefill 100 decode 10x100",
        ]);
        unloaded("lies", 1, &agents)
    }

    #[test]
    fn durations_that_can_be_are_kept() {
        let mut runs = [one_slot()];
        assert_eq!(drop_impossible(&mut runs), None);
        assert_eq!(runs[0], one_slot());
        let cause = RunMetrics::of(&runs[0]).cause;
        assert_eq!(lost_ms(&cause.lost.unwrap()), "slot_queue 1100");
        assert_eq!(cause.why_serial.unwrap().waited_for, WaitedFor::SlotQueue);
    }

    /// What cannot be is unexplained, and neither a reload nor our own overhead.
    #[test]
    fn impossible_durations_are_dropped_with_what_they_would_explain() {
        for (changed, durations, dropped) in [
            // B is said to have loaded until after A's end.
            (&[1][..], [None, Some(1200), None, None], &[("load", 1)][..]),
            (&[0, 1, 2, 3], [Some(0); 4], &[("total", 4), ("decode", 4)]),
            // Alone, B's phases before its first token take 0.3 s more than it waited for that token.
            (
                &[3],
                [None, None, Some(500), None],
                &[("load", 1), ("prefill", 1)],
            ),
        ] {
            let mut run = one_slot();
            let requests = run.arms_mut().flat_map(|arm| &mut arm.agents);
            let requests = requests.flat_map(|agent| &mut agent.requests);
            for (_, request) in requests.enumerate().filter(|(at, _)| changed.contains(at)) {
                let of = &mut request.counters;
                let all = [
                    &mut of.total,
                    &mut of.load,
                    &mut of.prompt_eval,
                    &mut of.eval,
                ];
                for (duration, ms) in all.into_iter().zip(durations) {
                    *duration = ms.map(Nanos::from_millis).or(*duration);
                }
            }
            let alone = &run.sequential.as_ref().unwrap().agents[1];
            assert_eq!(alone.requests[0].first_token, Some(at(1500)));
            let mut runs = [run];
            let requests = changed.len() as u32;
            let warning = Warning::ImpossibleDurations([requests, 4], dropped.to_vec());
            assert_eq!(drop_impossible(&mut runs), Some(warning));
            let cause = RunMetrics::of(&runs[0]).cause;
            assert_eq!(lost_ms(&cause.lost.unwrap()), "unexplained 1100");
            assert_eq!(cause.why_serial, None);
        }
    }

    #[test]
    fn a_duration_is_dropped_in_both_arms() {
        // A server whose clock runs twice as fast.
        let mut runs = [one_slot()];
        let together = runs[0].together.as_mut().unwrap();
        together.agents[0].requests[0].counters.total = Some(Nanos::from_millis(2400));
        let warning = Warning::ImpossibleDurations([1, 4], vec![("total", 1)]);
        assert_eq!(drop_impossible(&mut runs), Some(warning));
        let without = runs[0].arms_mut().map(|arm| &arm.agents[0].requests[0]);
        assert!(
            without
                .map(|request| request.counters.total)
                .eq([None, None])
        );
    }
}
