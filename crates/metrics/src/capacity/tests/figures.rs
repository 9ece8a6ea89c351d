//! Figures and windows worked by hand.

use domain::{Nanos, Stamp};

use domain::record::capacity::*;

use super::super::*;
use super::{failed, request};
use crate::by_hand::assert_figures;
use crate::timeline::at;

/// Two agents, requests of 100 ms with two tokens each, the second agent's every other one.
fn two_agents() -> Vec<domain::record::RequestRecord> {
    let both = |at: u64| {
        let second = at
            .is_multiple_of(200)
            .then(|| request(1, at, &[at + 150, at + 200]));
        std::iter::once(request(0, at, &[at + 50, at + 100])).chain(second)
    };
    (0..10).flat_map(|i| both(i * 100)).collect()
}

fn window(from: u64, to: u64) -> Window {
    Window {
        from: at(from),
        to: at(to),
    }
}

#[test]
fn a_window_lies_between_the_last_warm_up_and_what_is_known() {
    let records = two_agents();
    let of = |warmup, think, stopped| {
        steady_window(&records, 2, warmup, Nanos::from_millis(think), stopped)
    };
    // The second agent's first request ends at 200 ms; both have ended all by 1 s.
    assert_eq!(of(1, 0, None), Some(window(200, 1000)));
    assert_eq!(of(2, 0, None).unwrap().from, at(400));
    assert_eq!(of(1, 30, None).unwrap().to, at(1030));
    assert_eq!(of(1, 0, Some(at(700))).unwrap().to, at(700));
    assert_eq!(of(0, 0, None).unwrap().from, Stamp::ZERO);
    assert_eq!(of(9, 0, None), None, "an agent is still warming up");
    let three = steady_window(&records, 3, 1, Nanos::ZERO, None);
    assert_eq!(three, None, "an agent has ended nothing");
}

#[test]
fn figures_are_those_of_the_window() {
    let records = two_agents();
    let window = window(200, 1000);
    let objective: Objective = "ttft_p95 < 100ms".parse().unwrap();
    let level = LevelFigures::of(&records, 2, window, &objective);
    let by_hand = "
        requests 15, warmup 3, after 0, load.outcomes.completed 12
        # The first agent's tokens come at 250, 300 … 950 ms and the one before at 200: 16 in 0.8 s. The
        # second's at 200, 350, 400 … 950: 8.
        fairness: most_tokens_per_s 20, least_tokens_per_s 10, min_over_max 0.5, jain 0.9, starved 0
        fairness: longest_wait_s 0.15, longest_wait_agent 1
        # Eight of the first agent's keep 100 ms; the second's four take 150 ms.
        tokens_per_s.mean 30, good_share 8/12, goodput_per_s 10, requests_per_s 15";
    assert_figures(&level, by_hand);
}

#[test]
fn a_starved_agent_is_seen() {
    let mut records = Vec::new();
    for i in 0..10 {
        for agent in 0..3 {
            records.push(request(agent, i * 100, &[i * 100 + 50, i * 100 + 100]));
        }
    }
    records.push(failed(3, 0, 100));
    records.push(request(3, 100, &[900, 950]));
    let window = window(100, 1000);
    let level = LevelFigures::of(&records, 4, window, &"failed < 1%".parse().unwrap());
    let by_hand = "starved 1, longest_wait_agent 3, longest_wait_s 0.8";
    assert_figures(&level.fairness, by_hand);
}

/// A level of ten blocks with a little noise, and a request time to match.
pub(super) fn level(agents: u32, throughput: f64) -> LevelFigures {
    let records = two_agents();
    let window = window(200, 1000);
    let mut level = LevelFigures::of(&records, 2, window, &"ttft_p95 < 1s".parse().unwrap());
    level.agents = agents;
    let blocks = (0..10).map(|i| throughput * (1.0 + 0.002 * (f64::from(i) - 4.5)));
    level.block_tokens_per_s = blocks.collect();
    level.tokens_per_s = crate::Estimate::of(&level.block_tokens_per_s).unwrap();
    let blocks = level.block_tokens_per_s.iter();
    let e2e = blocks.map(|x| 50.0 * f64::from(agents) / x);
    level.e2e_s = crate::Estimate::of(&e2e.collect::<Vec<_>>());
    level
}

fn scaling(levels: &[(u32, f64)]) -> Scaling {
    let levels: Vec<_> = levels.iter().map(|(n, x)| level(*n, *x)).collect();
    Scaling::of(&levels).unwrap()
}

#[test]
fn a_peak_is_named_only_where_a_higher_level_is_lower() {
    let law = crate::stats::Law {
        lambda: 100.0,
        sigma: 0.05,
        kappa: 0.01,
        batch: None,
    };
    let at = |agents: &[u32]| {
        let levels = agents.iter().map(|n| (*n, law.at((*n).into())));
        scaling(&levels.collect::<Vec<_>>())
    };
    let falling = at(&[1, 2, 4, 8, 16, 32]);
    let peak = Course::Peak {
        top: 8,
        above: Some(4),
        below: 16,
    };
    assert_eq!(falling.course, peak);
    let by_law = falling.usl_peak().unwrap();
    let off = by_law.at.unwrap() - 95.0_f64.sqrt();
    assert!(off.abs() < 0.1, "{by_law:?}");
    assert!(by_law.lo < by_law.at && by_law.at < by_law.hi);
    assert!(falling.knee.at.unwrap() < by_law.at.unwrap());
    // The same law, looked at before it falls.
    let rising = at(&[1, 2, 4, 8]);
    assert_eq!(rising.course, Course::Grows { from: 4, to: 8 });
    assert!(rising.usl_peak().is_none() && rising.x_max.unbounded && rising.x_max.hi.is_none());
}

#[test]
fn eight_slots_then_a_queue_are_flat_and_have_no_peak() {
    let levels = [1, 2, 4, 8, 16, 32].map(|n: u32| (n, 30.0 * f64::from(n.min(8))));
    let flat = scaling(&levels);
    assert_eq!(flat.course, Course::Flat { from: 8 });
    assert!(flat.peak.at.is_none() && flat.usl_peak().is_none());
    for place in [flat.batch, flat.knee, flat.n_star] {
        assert!((place.at.unwrap() - 8.0).abs() < 1e-6, "{place:?}");
        let (lo, hi) = (place.lo.unwrap(), place.hi.unwrap());
        assert!(lo < 8.0 && hi > 8.0, "{place:?}");
    }
    assert!((flat.x_max.at.unwrap() - 240.0).abs() < 1e-6);
}

#[test]
fn levels_that_follow_no_law_name_no_knee_and_keep_their_bounds() {
    let low = [(1, 30.0), (2, 30.0), (4, 120.0)];
    let high = [8, 16, 32].map(|agents| (agents, 240.0));
    let odd = scaling(&[low, high].concat());
    assert!(odd.law().is_none() && odd.fit.is_some());
    assert!(odd.knee.at.is_none() && odd.batch.at.is_none() && odd.peak.at.is_none());
    assert_eq!(odd.course, Course::Flat { from: 8 });
    assert!((odd.n_star.at.unwrap() - 8.0).abs() < 1e-6);
}

#[test]
fn growth_within_the_noise_is_open() {
    let with = |agents, mean| {
        let mut level = level(agents, mean);
        level.tokens_per_s.lo = Some(mean - 9.0);
        level.tokens_per_s.hi = Some(mean + 9.0);
        level
    };
    let levels = [with(8, 189.75), with(16, 189.75), with(32, 190.18)];
    let open = Scaling::of(&levels).unwrap();
    let Course::Open { from, to, ratio } = open.course else {
        panic!("{:?}", open.course);
    };
    assert_eq!((from, to), (16, 32));
    let (lo, hi) = (ratio.lo.unwrap(), ratio.hi.unwrap());
    assert!(lo < 1.0 && hi > 1.05, "{ratio:?}");
    assert!(open.fit.is_none_or(|fit| fit.law.kappa <= 0.0));
    let one = Scaling::of(&levels[..1]).unwrap();
    assert_eq!(one.course, Course::Single { agents: 8 });
    assert!(Scaling::of(&[]).is_none());
}

#[test]
fn saturation_is_no_growth_and_longer_waits() {
    let levels = [level(1, 100.0), level(2, 180.0), level(4, 200.0)];
    assert_eq!(saturation(&level(8, 230.0), &levels), None);
    let found = saturation(&level(8, 202.0), &levels).unwrap();
    assert_eq!((found.from, found.agents), (4, 8));
    assert!(found.throughput_ratio_hi < 1.05 && found.e2e_ratio_lo > 1.9);
    // 6 is compared with 2, which has at most half of its agents.
    assert_eq!(saturation(&level(6, 201.0), &levels), None);
    assert_eq!(saturation(&level(1, 100.0), &[]), None);
}
