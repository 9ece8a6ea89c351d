//! The pictures of a calibration.

use domain::Nanos;
use domain::record::{Bias, BudgetStep, Calibration};
use metrics::budget::{LIMIT, calibrated_to};

use crate::album::Album;
use crate::charts::theme::GREY;
use crate::charts::{ChartError, LineSeries, Lines, Mark, Panel, ReferenceLine, Span};
use document::Picture;
use document::number::{plain, short};

/// Every picture that the calibration has data for; the first is the front page's.
pub(super) fn draw(
    calibration: &Calibration,
    steps: &[&BudgetStep],
) -> Result<Vec<Picture>, ChartError> {
    let mut album = Album::new(super::source(calibration), false);
    bias(calibration, steps, &mut album);
    tails(calibration, steps, &mut album);
    cost(steps, &mut album);
    album.finish()
}

/// One statistic of an error, ms, against the token rate.
fn against_rate(
    name: &str,
    steps: &[&BudgetStep],
    get: impl Fn(&BudgetStep) -> Option<i64>,
) -> LineSeries {
    let ms = |step: &BudgetStep| get(step).map(|ns| ns as f64 / 1e6);
    let points = steps.iter().map(|step| (step.tokens_per_s, ms(step)));
    LineSeries::new(name, Mark::LineAndDots, points)
}

fn one_ms() -> [ReferenceLine; 1] {
    [ReferenceLine::new(LIMIT.as_millis_f64(), "1 ms")]
}

/// Panels against the token rate, with the range for which the client is calibrated.
fn rates(calibration: &Calibration, panels: Vec<Panel>) -> Lines {
    let step = calibrated_to(&calibration.budget);
    let span = step.map(|step| Span {
        label: format!("calibrated: up to {} tok/s", plain(step.tokens_per_s, 0)),
        from: 0.0,
        to: step.tokens_per_s,
        color: GREY,
    });
    Lines {
        spans: span.into_iter().collect(),
        ..Lines::new("tokens received per second, all streams", panels)
    }
}

/// Mean and median of each error. Tails have their own picture, because their scale would flatten these
/// curves.
fn bias(calibration: &Calibration, steps: &[&BudgetStep], album: &mut Album) {
    let panel = |label: &str, get: fn(&BudgetStep) -> Option<Bias>| {
        let mean = against_rate("mean", steps, |step| Some(get(step)?.mean_ns));
        let median = against_rate("median", steps, |step| Some(get(step)?.p50_ns));
        Panel::new(label, vec![mean, median])
    };
    let panels = vec![
        panel("TTFT bias (ms)", |step| step.ttft_bias),
        // The limit applies to this error.
        panel("bias of a token's stamp (ms)", |step| step.token_bias).lines_at(one_ms()),
        panel("error of a gap between tokens, ITL (ms)", |step| {
            step.gap_error
        }),
    ];
    let kept = calibrated_to(&calibration.budget).map(|step| plain(step.tokens_per_s, 0));
    let kept = match kept {
        None => "No load kept the mean of a token's stamp under 1 ms.".to_owned(),
        Some(rate) => format!(
            "Up to {rate} tok/s, the shaded stretch, a token's stamp is less than 1 ms late on average."
        ),
    };
    let chart = rates(calibration, panels);
    album.put("calibration/bias", &[("calibrated", &kept)], &chart);
}

/// 99th percentiles, where a sample is large enough.
fn tails(calibration: &Calibration, steps: &[&BudgetStep], album: &mut Album) {
    let p99 = |get: fn(&BudgetStep) -> Option<Bias>| move |step: &BudgetStep| get(step)?.p99_ns;
    let jitter = |step: &BudgetStep| step.jitter_p99_ns.map(|ns| ns.0.cast_signed());
    let series = vec![
        against_rate("TTFT", steps, p99(|step| step.ttft_bias)),
        against_rate("a token's stamp", steps, p99(|step| step.token_bias)),
        against_rate("a gap between tokens", steps, jitter),
    ];
    let panel = Panel::new("99th percentile (ms)", series).lines_at(one_ms());
    album.put("calibration/tails", &[], &rates(calibration, vec![panel]));
}

/// CPU per token against the number of streams, where the system reports it.
fn cost(steps: &[&BudgetStep], album: &mut Album) {
    let mut paces: Vec<Nanos> = steps.iter().map(|step| step.gap_ns).collect();
    paces.sort_unstable();
    paces.dedup();
    let line = |pace: &Nanos| {
        let mut own: Vec<_> = steps.iter().filter(|step| step.gap_ns == *pace).collect();
        own.sort_by_key(|step| step.streams);
        let cpu_us = |step: &BudgetStep| step.cpu_per_token_ns.map(|cpu| cpu.0 as f64 / 1e3);
        let points = own
            .iter()
            .map(|step| (f64::from(step.streams), cpu_us(step)));
        let rate = short(1.0 / pace.as_secs_f64());
        LineSeries::new(format!("{rate} tok/s a stream"), Mark::LineAndDots, points)
    };
    let series = paces.iter().rev().map(line).collect();
    let panels = vec![Panel::new("CPU per token (µs)", series)];
    let lines = Lines {
        doubling: true,
        ..Lines::new("streams at once (each doubling equally wide)", panels)
    };
    album.put("calibration/cpu", &[], &lines);
}
