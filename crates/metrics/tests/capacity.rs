//! How often the rule errs, on levels whose truth is known.

#[path = "../examples/studies/levels.rs"]
#[expect(dead_code, reason = "the studies use all of it")]
mod levels;

#[path = "../examples/studies/laws.rs"]
mod laws;

use levels::{Limit, Server, Together, levels};

const LEVELS: u32 = 50;
const RUNS: u32 = 20;

fn shares(limit: Limit, together: Together, off: f64) -> [f64; 2] {
    let server = Server::at_its_limit(limit, together, 4).off(off);
    let decided = levels(server, 8, LEVELS);
    [decided.passes, decided.fails].map(|count| f64::from(count) / f64::from(LEVELS))
}

#[test]
fn a_level_at_its_limit_is_seldom_called_either_way() {
    // Exactly at the limit both answers are wrong, and each may come 2.5 times in 100.
    for together in [Together::Independent, Together::Agents, Together::Moments] {
        for limit in [Limit::Percentile(90), Limit::Percentile(60)] {
            let [pass, fail] = shares(limit, together, 0.0);
            println!("{together:?} {limit:?}: pass {pass:.3} fail {fail:.3}");
            assert!(
                pass <= 0.06 && fail <= 0.06,
                "{together:?} {limit:?}: {pass} {fail}"
            );
        }
    }
}

#[test]
fn a_level_clearly_off_its_limit_is_decided() {
    let of = |off| shares(Limit::Percentile(95), Together::Independent, off);
    let ([pass, fail], [passes, fails]) = (of(-1.0), of(1.0));
    assert!(pass > 0.6 && fail <= 0.01, "{pass} {fail}");
    assert!(fails > 0.99 && passes <= 0.0, "{passes} {fails}");
}

#[test]
fn what_is_said_of_throughput_is_seldom_wrong_on_servers_that_are_known() {
    for server in laws::Server::ALL {
        let claims = laws::runs(server, 0.03, RUNS);
        // 5 % of 20 is 1; more than 3 come once in 60 such servers.
        for count in claims.counts() {
            assert!(count.made - count.right <= 3, "{server:?}: {claims:?}");
        }
        let made = claims.peak.made + claims.flat.made + claims.grows.made;
        assert!(made >= RUNS / 2, "{server:?}: {claims:?}");
        let peak = claims.peak;
        assert!(peak.made == 0 || peak.right > 0, "{server:?}: {claims:?}");
    }
}
