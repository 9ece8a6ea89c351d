use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

use super::*;

/// Options of so many repetitions whose logarithms scatter by these deviations, around means that lie so
/// much apart, and which share what each repetition's own state does.
fn options(rng: &mut ChaCha8Rng, deviations: &[f64], slower: f64, repetitions: u32) -> Vec<Values> {
    let state = Normal::new(0.0, 0.1).unwrap();
    let states: Vec<f64> = (0..repetitions).map(|_| state.sample(rng)).collect();
    let option = |(place, deviation): (usize, &f64)| {
        let own = Normal::new(f64::from(place != 0) * slower, *deviation).unwrap();
        let walls = (1..)
            .zip(&states)
            .map(|(at, state)| (at, (state + own.sample(rng)).exp()));
        walls.collect()
    };
    deviations.iter().enumerate().map(option).collect()
}

/// In how many of `trials` something is found worse than the best. All options of a ranking have one
/// error but for their own, so that the one farthest off decides.
fn worse_than_the_best(
    trials: u32,
    deviations: &[f64],
    slower: f64,
    repetitions: u32,
    paired: bool,
) -> u32 {
    let mut rng = ChaCha8Rng::seed_from_u64(u64::from(repetitions));
    let ranked = (0..trials).filter(|_| {
        let options = options(&mut rng, deviations, slower, repetitions);
        let ranking = Ranking::of(&options, paired, Better::Lower).unwrap();
        let distance =
            |place: &usize| ranking.against[*place].centre / ranking.against[*place].standard_error;
        let others = (0..options.len()).filter(|place| *place != ranking.best);
        let farthest = others.max_by(|a, b| distance(a).total_cmp(&distance(b)));
        ranking.is_worse(farthest.unwrap())
    });
    ranked.count() as u32
}

#[test]
fn equals_are_found_to_differ_in_at_most_five_percent() {
    // 5 % of the trials and three standard deviations of that; paired takes out the state of 10 %.
    for (count, repetitions, trials, most) in [
        (2, 3, 400, 33),
        (2, 8, 400, 33),
        (3, 5, 400, 33),
        (3, 8, 400, 33),
        (19, 5, 100, 11),
        (19, 8, 100, 11),
    ] {
        for paired in [true, false] {
            let found = worse_than_the_best(trials, &vec![0.02; count], 0.0, repetitions, paired);
            let case = format!("{count} options, {repetitions} repetitions");
            assert!(found <= most, "{case}: {found} of {trials}");
        }
    }
}

#[test]
fn the_best_is_found_where_it_is_better() {
    for (count, repetitions) in [(2, 5), (3, 5), (19, 5), (19, 8)] {
        let found = worse_than_the_best(50, &vec![0.02; count], 0.10, repetitions, true);
        let case = format!("{count} options, {repetitions} repetitions");
        assert!(found >= 45, "{case}: {found} of 50");
    }
}

#[test]
fn options_that_scatter_more_are_not_distinguished_by_the_others_small_errors() {
    // One of three options scatters three times as much. Of a pooled error alone it would be 8 %.
    let found = worse_than_the_best(300, &[0.06, 0.02, 0.02], 0.0, 5, true);
    assert!(found <= 26, "{found} of 300");
}

#[test]
fn nothing_is_ranked_by_fewer_than_three_repetitions() {
    let twice: Values = [(1, 2.0), (2, 2.1)].into();
    let thrice: Values = [(1, 1.0), (2, 1.1), (3, 1.2)].into();
    for paired in [true, false] {
        let two = [twice.clone(), thrice.clone()];
        assert!(Ranking::of(&two, paired, Better::Lower).is_none());
    }
}
