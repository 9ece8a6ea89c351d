//! The pictures of a calibration.

use domain::Nanos;
use domain::record::{Bias, BudgetStep, Calibration};
use metrics::budget::{LIMIT, calibrated_to};

use crate::album::Album;
use crate::charts::{
    ChartError, Color, LineSeries, Lines, Mark, Panel, ReferenceLine, Span, XAxis,
};
use document::Picture;
use document::number::{plain, short};

const RATE: &str = "tokens received per second, all streams";

/// Every picture the calibration can fill; the first is the front page's.
pub(super) fn draw(
    calibration: &Calibration,
    steps: &[&BudgetStep],
) -> Result<Vec<Picture>, ChartError> {
    let mut album = Album::new(super::source(calibration), false);
    bias(calibration, steps, &mut album)?;
    tails(calibration, steps, &mut album)?;
    cost(steps, &mut album)?;
    Ok(album.pictures)
}

/// One figure of an error against the rate, ms.
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

/// The stretch of rates up to which the client is calibrated.
fn calibrated(calibration: &Calibration) -> Vec<Span> {
    let step = calibrated_to(&calibration.budget);
    let span = step.map(|step| Span {
        label: format!("calibrated: up to {} tok/s", plain(step.tokens_per_s, 0)),
        from: 0.0,
        to: step.tokens_per_s,
        color: Some(Color::GREY),
    });
    span.into_iter().collect()
}

/// Mean and median of each error. Tails have a picture of their own: they would press everything
/// else to the ground.
fn bias(
    calibration: &Calibration,
    steps: &[&BudgetStep],
    album: &mut Album,
) -> Result<(), ChartError> {
    let panel = |label: &str, get: fn(&BudgetStep) -> Option<Bias>| {
        let mean = against_rate("mean", steps, |step| Some(get(step)?.mean_ns));
        let median = against_rate("median", steps, |step| Some(get(step)?.p50_ns));
        Panel::new(label, vec![mean, median])
    };
    let lines = Lines {
        heading: album.heading(
            "How late the client's figures are at rising load",
            "The client's figure less the truth: above zero is late. A load is calibrated while the mean of a \
             token's stamp is under 1 ms.",
        ),
        x_label: RATE.to_owned(),
        panels: vec![
            panel("TTFT bias (ms)", |step| step.ttft_bias),
            // What the limit is put to.
            panel("bias of a token's stamp (ms)", |step| step.token_bias).lines_at(one_ms()),
            panel("error of a gap between tokens, ITL (ms)", |step| {
                step.gap_error
            }),
        ],
        spans: calibrated(calibration),
        ..Lines::default()
    };
    let words = calibrated_to(&calibration.budget).map_or_else(
        || "No load kept the mean of a token's stamp under 1 ms.".to_owned(),
        |step| {
            format!(
                "Up to {} tok/s, the shaded stretch, a token's stamp is less than 1 ms late on average.",
                plain(step.tokens_per_s, 0)
            )
        },
    );
    album.put(
        "bias",
        format!(
            "The client's own error against the tokens it received per second: mean and median. {words}"
        ),
        lines.render(&album.theme),
    )
}

/// 99th percentiles, where a sample carries one.
fn tails(
    calibration: &Calibration,
    steps: &[&BudgetStep],
    album: &mut Album,
) -> Result<(), ChartError> {
    let p99 = |get: fn(&BudgetStep) -> Option<Bias>| move |step: &BudgetStep| get(step)?.p99_ns;
    let jitter = |step: &BudgetStep| step.jitter_p99_ns.map(|ns| ns.0.cast_signed());
    let series = vec![
        against_rate("TTFT", steps, p99(|step| step.ttft_bias)),
        against_rate("a token's stamp", steps, p99(|step| step.token_bias)),
        against_rate("a gap between tokens", steps, jitter),
    ];
    let lines = Lines {
        heading: album.heading(
            "How late one in a hundred is",
            "99th percentiles of the error; of a gap between tokens, of the error's size. From 662 observations \
             on.",
        ),
        x_label: RATE.to_owned(),
        panels: vec![Panel::new("99th percentile (ms)", series).lines_at(one_ms())],
        spans: calibrated(calibration),
        ..Lines::default()
    };
    album.put(
        "tails",
        "99th percentiles of the client's error, where the sample carries one. A machine that is busy with \
         something else shows here first.",
        lines.render(&album.theme),
    )
}

/// CPU per token against streams, where the system tells it.
fn cost(steps: &[&BudgetStep], album: &mut Album) -> Result<(), ChartError> {
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
    let lines = Lines {
        heading: album.heading(
            "What a token costs the client",
            "CPU time of the client, the server's taken off, over the tokens.",
        ),
        x_label: "streams at once (each doubling equally wide)".to_owned(),
        x_axis: XAxis::Doubling,
        panels: vec![Panel::new("CPU per token (µs)", series)],
        ..Lines::default()
    };
    album.put(
        "cpu",
        "CPU time that a token costs the client, against the streams at once.",
        lines.render(&album.theme),
    )
}
