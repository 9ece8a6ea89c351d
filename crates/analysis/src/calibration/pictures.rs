//! The pictures of a calibration.

use domain::Nanos;
use domain::record::{Bias, BudgetStep, Calibration};
use metrics::budget::{LIMIT, calibrated_to};

use crate::charts::{
    ChartError, Color, Heading, LinePoint, LineSeries, Lines, Mark, Panel, ReferenceLine, Span,
    Theme, Value, XAxis,
};
use crate::report::Picture;
use crate::tables::{plain, short_number};

/// Every picture the calibration can fill.
pub(super) fn draw(
    calibration: &Calibration,
    steps: &[&BudgetStep],
) -> Result<Vec<Picture>, ChartError> {
    let theme = Theme::default();
    let mut pictures = vec![bias(calibration, steps, &theme)?];
    pictures.extend(tails(calibration, steps, &theme)?);
    pictures.extend(cost(calibration, steps, &theme)?);
    Ok(pictures)
}

fn heading(calibration: &Calibration, title: &str, subtitle: String) -> Heading {
    Heading {
        title: title.to_owned(),
        subtitle,
        simulated: false,
        source: super::source(calibration),
    }
}

fn line(name: impl Into<String>, points: impl Iterator<Item = (f64, Option<f64>)>) -> LineSeries {
    LineSeries {
        name: name.into(),
        points: points
            .map(|(x, y)| LinePoint {
                x,
                y: Value::from(y),
            })
            .collect(),
        mark: Mark::LineAndDots,
        color: None,
    }
}

/// One figure of an error against the rate, ms.
fn against_rate(
    name: &str,
    steps: &[&BudgetStep],
    get: impl Fn(&BudgetStep) -> Option<i64>,
) -> LineSeries {
    let points = steps.iter().map(|step| {
        let ms = get(step).map(|ns| ns as f64 / 1e6);
        (step.tokens_per_s, ms)
    });
    line(name, points)
}

fn one_ms() -> Vec<ReferenceLine> {
    vec![ReferenceLine {
        value: LIMIT.as_millis_f64(),
        label: "1 ms".to_owned(),
    }]
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

/// Mean and median of one error against the rate. Tails have a picture of their own: they would
/// press everything else to the ground.
fn panel(label: &str, steps: &[&BudgetStep], get: fn(&BudgetStep) -> Option<Bias>) -> Panel {
    Panel {
        label: label.to_owned(),
        series: vec![
            against_rate("mean", steps, |step| Some(get(step)?.mean_ns)),
            against_rate("median", steps, |step| Some(get(step)?.p50_ns)),
        ],
        include: vec![0.0],
        reference_lines: Vec::new(),
    }
}

fn bias(
    calibration: &Calibration,
    steps: &[&BudgetStep],
    theme: &Theme,
) -> Result<Picture, ChartError> {
    let chart = Lines {
        heading: heading(
            calibration,
            "How late the client's figures are at rising load",
            "The client's figure less the truth: above zero is late. A load is calibrated while the mean of a token's \
             stamp is under 1 ms."
                .to_owned(),
        ),
        x_label: "tokens received per second, all streams".to_owned(),
        panels: vec![
            panel("TTFT bias (ms)", steps, |step| step.ttft_bias),
            // What the limit is put to.
            Panel {
                reference_lines: one_ms(),
                ..panel("bias of a token's stamp (ms)", steps, |step| step.token_bias)
            },
            panel("error of a gap between tokens, ITL (ms)", steps, |step| {
                step.gap_error
            }),
        ],
        spans: calibrated(calibration),
        ..Lines::default()
    }
    .render(theme)?;
    let rate = calibrated_to(&calibration.budget).map(|step| step.tokens_per_s);
    let words = rate.map_or_else(
        || "No load kept the mean of a token's stamp under 1 ms.".to_owned(),
        |rate| {
            format!(
                "Up to {} tok/s, the shaded stretch, a token's stamp is less than 1 ms late on average.",
                plain(rate, 0)
            )
        },
    );
    Ok(Picture {
        name: "bias".to_owned(),
        caption: format!(
            "The client's own error against the tokens it received per second: mean and median. {words}"
        ),
        chart,
    })
}

/// 99th percentiles; none where no sample carries one.
fn tails(
    calibration: &Calibration,
    steps: &[&BudgetStep],
    theme: &Theme,
) -> Result<Option<Picture>, ChartError> {
    let p99 = |get: fn(&BudgetStep) -> Option<Bias>| move |step: &BudgetStep| get(step)?.p99_ns;
    let jitter = |step: &BudgetStep| step.jitter_p99_ns.map(|ns| ns.0.cast_signed());
    let series = vec![
        against_rate("TTFT", steps, p99(|step| step.ttft_bias)),
        against_rate("a token's stamp", steps, p99(|step| step.token_bias)),
        against_rate("a gap between tokens", steps, jitter),
    ];
    if series
        .iter()
        .flat_map(|series| &series.points)
        .all(|point| point.y.known().is_none())
    {
        return Ok(None);
    }
    let chart = Lines {
        heading: heading(
            calibration,
            "How late one in a hundred is",
            "99th percentiles of the error; of a gap between tokens, of the error's size. From 662 observations on."
                .to_owned(),
        ),
        x_label: "tokens received per second, all streams".to_owned(),
        panels: vec![Panel {
            label: "99th percentile (ms)".to_owned(),
            series,
            include: vec![0.0],
            reference_lines: one_ms(),
        }],
        spans: calibrated(calibration),
        ..Lines::default()
    }
    .render(theme)?;
    Ok(Some(Picture {
        name: "tails".to_owned(),
        caption: "99th percentiles of the client's error, where the sample carries one. A machine that is busy with \
                  something else shows here first."
            .to_owned(),
        chart,
    }))
}

/// CPU per token against streams; none where the system does not tell it.
fn cost(
    calibration: &Calibration,
    steps: &[&BudgetStep],
    theme: &Theme,
) -> Result<Option<Picture>, ChartError> {
    if steps.iter().all(|step| step.cpu_per_token_ns.is_none()) {
        return Ok(None);
    }
    let mut paces: Vec<Nanos> = steps.iter().map(|step| step.gap_ns).collect();
    paces.sort_unstable();
    paces.dedup();
    let series = paces.iter().rev().map(|pace| {
        let own = steps.iter().filter(|step| step.gap_ns == *pace);
        let mut points: Vec<(f64, Option<f64>)> = own
            .map(|step| {
                let cpu = step.cpu_per_token_ns.map(|cpu| cpu.0 as f64 / 1e3);
                (f64::from(step.streams), cpu)
            })
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let rate = 1.0 / pace.as_secs_f64();
        line(
            format!("{} tok/s a stream", short(rate)),
            points.into_iter(),
        )
    });
    let chart = Lines {
        heading: heading(
            calibration,
            "What a token costs the client",
            "CPU time of the client, the server's taken off, over the tokens.".to_owned(),
        ),
        x_label: "streams at once (each doubling equally wide)".to_owned(),
        x_axis: XAxis::Doubling,
        panels: vec![Panel {
            label: "CPU per token (µs)".to_owned(),
            series: series.collect(),
            include: vec![0.0],
            reference_lines: Vec::new(),
        }],
        spans: Vec::new(),
        ..Lines::default()
    }
    .render(theme)?;
    Ok(Some(Picture {
        name: "cpu".to_owned(),
        caption: "CPU time that a token costs the client, against the streams at once.".to_owned(),
        chart,
    }))
}

/// A number without the zeros that say nothing.
fn short(value: f64) -> String {
    let text = short_number(value);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
