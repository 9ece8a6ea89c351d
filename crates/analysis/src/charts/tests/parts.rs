//! Text, PNG files, axes and the other parts that measure.

use plotters::chart::ChartBuilder;
use plotters::drawing::IntoDrawingArea;
use plotters::element::Text;
use plotters::series::LineSeries;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{BLACK, FontDesc, FontFamily, FontStyle, RED, TextStyle};
use proptest::prelude::*;

use crate::charts::backend::ChartBackend;
use crate::charts::labels::{Taken, apart};
use crate::charts::phase::overlaps;
use crate::charts::scale::{Scale, log2, percent, short, ticks};
use crate::charts::text::{self, Weight};
use crate::charts::{ChartError, Phase, Segment, png};

const EM: f32 = 22.0;

fn width(text: &str) -> i32 {
    text::width(text, EM, Weight::Regular)
}

#[test]
fn letters_are_kerned() {
    let line = |text: &str| text::line(text, 100.0, Weight::Regular).width;
    assert!(
        line("AV") < line("A") + line("V") - 3.0,
        "the V leans into the A"
    );
    assert!(
        (line("nn") - 2.0 * line("n")).abs() < 0.01,
        "no kerning between stems"
    );
}

#[test]
fn glyphs_keep_their_side_bearing() {
    let mut leftmost = i32::MAX;
    text::line("H", 100.0, Weight::Regular).rasterize(0.0, |x, _, coverage| {
        if coverage > 0.5 {
            leftmost = leftmost.min(x);
        }
    });
    // The font's H starts 0.098 em from its origin.
    assert_eq!(leftmost, 10);
}

#[test]
fn text_is_centred_on_its_capitals() {
    let mut rgb = vec![255; 100 * 100 * 3];
    {
        let area = ChartBackend::new(&mut rgb, 100, 100).into_drawing_area();
        let font = FontDesc::new(FontFamily::Name(text::FAMILY), 60.0, FontStyle::Normal);
        let style = TextStyle::from(font).pos(Pos::new(HPos::Center, VPos::Center));
        area.draw(&Text::new("H", (50, 50), style)).unwrap();
    }
    let inked = |at: usize, by_row: bool| {
        (0..100).any(|other| {
            let (x, y) = if by_row { (other, at) } else { (at, other) };
            rgb[(y * 100 + x) * 3] < 128
        })
    };
    let rows: Vec<usize> = (0..100).filter(|row| inked(*row, true)).collect();
    let columns: Vec<usize> = (0..100).filter(|column| inked(*column, false)).collect();
    // Capitals are 0.729 em tall: 44 px, from 28 to 71.
    assert_eq!((rows[0], rows[rows.len() - 1]), (28, 71));
    assert!(
        (columns[0] + columns[columns.len() - 1]).abs_diff(99) <= 1,
        "{columns:?}"
    );
}

#[test]
fn plotters_own_charts_draw_through_the_backend() {
    let mut rgb = vec![255; 400 * 300 * 3];
    {
        let area = ChartBackend::new(&mut rgb, 400, 300).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .x_label_area_size(30)
            .y_label_area_size(40)
            .build_cartesian_2d(0.0..4.0, 0.0..16.0)
            .unwrap();
        chart
            .configure_mesh()
            .label_style((text::FAMILY, 14, &BLACK))
            .draw()
            .unwrap();
        chart
            .draw_series(LineSeries::new([(0.0, 0.0), (4.0, 16.0)], RED))
            .unwrap();
    }
    let pixels = rgb.as_chunks::<3>().0;
    assert!(
        pixels
            .iter()
            .any(|[r, g, b]| *r > 200 && *g < 60 && *b < 60),
        "the line"
    );
    assert!(
        pixels[270 * 400..].iter().any(|pixel| pixel[0] < 90),
        "the labels of the x axis"
    );
}

#[test]
fn long_words_are_cut_in_the_middle() {
    let id = "bvc_g120_c1024_t0.6";
    assert_eq!(text::elide(id, EM, Weight::Regular, width(id)), id);
    assert_eq!(text::elide(id, EM, Weight::Regular, 150), "bvc_g…_t0.6");
    assert_eq!(text::elide(id, EM, Weight::Regular, 3), "");
}

#[test]
fn lines_break_at_spaces_and_keep_intervals_whole() {
    let wrapped = text::wrap(
        "true speedup 1.02 [0.99, 1.05], n = 5",
        EM,
        Weight::Regular,
        300,
        3,
    );
    assert_eq!(wrapped, ["true speedup 1.02", "[0.99, 1.05], n = 5"]);
    let even = "one two three four five six seven";
    let lines = text::wrap_evenly(even, EM, Weight::Regular, width(even) - 10, 2);
    assert_eq!(lines, ["one two three", "four five six seven"]);
}

proptest! {
    #[test]
    fn what_is_wrapped_fits(words in "[a-zA-Z0-9_ \\-\\[\\]äß]{0,80}", room in 40_i32..600) {
        let lines = text::wrap(&words, EM, Weight::Bold, room, 3);
        prop_assert!(lines.len() <= 3);
        for line in &lines {
            prop_assert!(text::width(line, EM, Weight::Bold) <= room, "{line:?} in {room}");
        }
        let whole: String = words.split_whitespace().collect();
        let kept: String = lines.concat().split_whitespace().collect();
        prop_assert!(kept == whole || kept.contains('…'), "{kept:?} of {whole:?}");
    }

    #[test]
    fn labels_keep_their_distance(mut wanted in prop::collection::vec(0_i32..500, 0..30)) {
        wanted.sort_unstable();
        let places = apart(&wanted, 27, (0, 900));
        prop_assert_eq!(places.len(), wanted.len());
        for pair in places.windows(2) {
            prop_assert!(pair[1] - pair[0] >= 27, "{:?}", places);
        }
        prop_assert!(places.iter().all(|at| (0..=900).contains(at)), "{:?}", places);
    }

    #[test]
    fn ticks_lie_in_order_on_the_axis(a in -1e9_f64..1e9, size in 1e-6_f64..1e9, whole: bool) {
        let (ticks, (low, high)) = ticks(a, a + size, 7, whole);
        prop_assert!(low < high);
        prop_assert_eq!(ticks.values.len(), ticks.labels.len());
        prop_assert!((1..=20).contains(&ticks.values.len()), "{:?}", ticks);
        prop_assert!(ticks.values.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", ticks);
        if whole {
            prop_assert!(low <= a + size * 1e-6 && high >= a + size * (1.0 - 1e-6));
        }
    }
}

#[test]
fn binary_logarithms_are_exact_for_powers_of_two_and_close_between() {
    for exponent in -20_i16..=20 {
        let power = f64::from(exponent).exp2();
        assert!((log2(power) - f64::from(exponent)).abs() <= 0.0, "{power}");
        assert!((log2(power * 1.37) - (power * 1.37).log2()).abs() < 1e-9);
    }
}

#[test]
fn ticks_are_round() {
    let of = |low, high| ticks(low, high, 7, true).0.labels.join(" ");
    assert_eq!(of(0.0, 1.64), "0 0.5 1.0 1.5 2.0");
    assert_eq!(of(0.0, 22.3), "0 5 10 15 20 25");
    assert_eq!(of(-8.2, 100.0), "−20 0 20 40 60 80 100");
    assert_eq!(of(0.0, 0.0), "0 0.2 0.4 0.6 0.8 1.0");
    assert_eq!(of(0.0, 3e9), "0 5e8 1e9 1.5e9 2e9 2.5e9 3e9");
    assert_eq!(of(0.0, 3e-9), "0 5e−10 1e−9 1.5e−9 2e−9 2.5e−9 3e−9");
}

#[test]
fn values_are_short() {
    let cases = [
        (0.0, "0"),
        (1.467, "1.47"),
        (-8.2, "−8.20"),
        (9.996, "10.0"),
        (99.96, "100"),
        (0.9996, "1.00"),
        (0.0451, "0.045"),
        (22.338, "22.3"),
        (123_456.0, "123456"),
        (1.5e12, "1.50e12"),
        (3e-7, "3.00e−7"),
    ];
    for (value, text) in cases {
        assert_eq!(short(value), text);
    }
    let shares = [
        (0.0, "0 %"),
        (0.0004, "< 0.1 %"),
        (0.004, "0.4 %"),
        (0.71, "71 %"),
        (1.0, "100 %"),
    ];
    for (share, text) in shares {
        assert_eq!(percent(share), text);
    }
    assert_eq!(percent(0.996), "99.6 %");
}

#[test]
fn a_scale_may_run_upwards() {
    let scale = Scale {
        low: 0.0,
        high: 10.0,
        from: 500,
        to: 100,
    };
    assert_eq!(
        [0.0, 2.5, 10.0, 99.0].map(|value| scale.at(value)),
        [500, 400, 100, 100]
    );
}

#[test]
fn overlap_is_more_than_touching() {
    let of = |lanes: &[&[(Phase, f64, f64)]]| {
        let segment = |(phase, start_s, end_s): &(Phase, f64, f64)| Segment {
            phase: *phase,
            start_s: *start_s,
            end_s: *end_s,
        };
        let lane = |spans: &&[_]| spans.iter().map(segment).collect::<Vec<_>>();
        let lanes: Vec<Vec<Segment>> = lanes.iter().map(lane).collect();
        overlaps(lanes.iter().map(Vec::as_slice))
    };
    let (decode, load) = (Phase::Decode, Phase::Load);
    assert!(of(&[&[(decode, 0.0, 2.0)], &[(decode, 2.0, 3.0)]]).is_empty());
    assert!(of(&[&[(decode, 0.0, 2.0)], &[(load, 0.0, 3.0)]]).is_empty());
    let one_agent = [(decode, 0.0, 2.0), (decode, 1.0, 3.0)];
    assert!(of(&[&one_agent]).is_empty());
    let three = of(&[
        &[(decode, 0.0, 4.0), (decode, 6.0, 9.0)],
        &[(decode, 1.0, 3.0)],
        &[(decode, 2.0, 7.0)],
    ]);
    assert_eq!(three, [(1.0, 4.0), (6.0, 7.0)]);
}

#[test]
fn labels_keep_off_the_data() {
    let mut taken = Taken::default();
    taken.cover_path(&[(0, 0), (100, 100)]);
    assert!(!taken.is_free((40, 45, 20, 10)), "the line runs through it");
    assert!(taken.is_free((60, 0, 30, 40)));
    assert!(taken.claim((60, 0, 30, 40)));
    assert!(!taken.claim((80, 10, 30, 10)));
}

/// A picture of `colours` different pixels.
fn picture(colours: u32, width: u32) -> Vec<u8> {
    (0..colours)
        .flat_map(|at| [(at % 256) as u8, (at / 256) as u8, 7])
        .take(colours as usize * 3)
        .chain(std::iter::repeat_n(
            0,
            ((width - colours % width) % width) as usize * 3,
        ))
        .collect()
}

#[test]
fn png_files_come_back() {
    for colours in [1, 200, 256, 257, 1000] {
        let rgb = picture(colours, 10);
        let (width, height) = (10, (rgb.len() / 30) as u32);
        let file = png::encode(&rgb, width, height).unwrap();
        let image = png::decode(&file).unwrap();
        assert!(image.rgb == rgb, "{colours} colours");
        assert_eq!((image.width, image.height), (width, height));
        for chunk in [b"tIME", b"tEXt", b"iTXt", b"zTXt", b"eXIf"] {
            assert!(!file.windows(4).any(|bytes| bytes == chunk));
        }
    }
}

#[test]
fn pictures_are_compared_with_a_tolerance() {
    let rgb = vec![100; 4 * 4 * 3];
    let mut other = rgb.clone();
    other[3] = 101;
    other[20] = 103;
    let (left, right) = (
        png::encode(&rgb, 4, 4).unwrap(),
        png::encode(&other, 4, 4).unwrap(),
    );
    let diff = png::compare(&left, &right, 1).unwrap();
    assert_eq!((diff.differing_pixels, diff.max_channel_difference), (1, 3));
    let shown = png::decode(&diff.picture).unwrap();
    assert_eq!(
        shown.rgb[18..21],
        [220, 0, 0],
        "the pixel that differs is red"
    );
    assert_eq!(shown.rgb[0..3], [216, 216, 216], "the others are pale");
    assert!(png::compare(&left, &right, 3).unwrap().is_match());
    assert_eq!(png::compare(&left, &right, 0).unwrap().differing_pixels, 2);

    let wide = png::encode(&rgb, 8, 2).unwrap();
    let diff = png::compare(&left, &wide, 255).unwrap();
    assert!(!diff.is_match());
    assert_eq!(diff.sizes, Some(((4, 4), (8, 2))));
}

#[test]
fn broken_pictures_are_errors() {
    let file = png::encode(&[0; 12], 2, 2).unwrap();
    for cut in 0..file.len() - 12 {
        assert!(
            matches!(png::decode(&file[..cut]), Err(ChartError::Decode(_))),
            "cut at {cut}"
        );
    }
    let error = png::encode(&[0; 11], 2, 2).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a picture buffer holds 11 bytes where its size needs 12"
    );
    assert!(matches!(png::encode(&[], 0, 4), Err(ChartError::Encode(_))));
}
