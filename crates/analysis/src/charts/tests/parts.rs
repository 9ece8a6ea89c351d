//! Text, PNG files, axes and the other parts that measure.

use proptest::prelude::*;

use crate::charts::canvas::{Align, paint};
use crate::charts::labels::{Taken, apart};
use crate::charts::phase::overlaps;
use crate::charts::scale::{Scale, log2, percent, short, ticks};
use crate::charts::text::Font;
use crate::charts::theme::INK;
use crate::charts::{ChartError, Phase, Segment, png};

const FONT: Font = Font::new(22, INK);
const LARGE: Font = Font::new(100, INK);

#[test]
fn letters_are_kerned() {
    let advance = |text| LARGE.advance(text);
    let apart = advance("A") + advance("V");
    assert!(advance("AV") < apart - 3.0, "the V leans into the A");
    let stems = advance("nn") - 2.0 * advance("n");
    assert!(stems.abs() < 0.01, "no kerning between stems");
}

#[test]
fn glyphs_keep_their_side_bearing() {
    let mut leftmost = i32::MAX;
    LARGE.rasterize("H", 0.0, |x, _, coverage| {
        if coverage > 0.5 {
            leftmost = leftmost.min(x);
        }
    });
    // The font's H starts 0.098 em from its origin.
    assert_eq!(leftmost, 10);
}

#[test]
fn text_is_centred_on_its_capitals() {
    let font = Font::new(60, INK);
    let drawn = paint("", (100, 100), |canvas| {
        canvas.text("H", (50, 50), Align::Middle, font);
    });
    let rgb = png::decode(&drawn.unwrap().png).unwrap().rgb;
    let is_inked = |x: usize, y: usize| rgb[(y * 100 + x) * 3] < 128;
    let all = || 0..100;
    let rows: Vec<usize> = all().filter(|y| all().any(|x| is_inked(x, *y))).collect();
    let columns: Vec<usize> = all().filter(|x| all().any(|y| is_inked(*x, y))).collect();
    // Capitals are 0.729 em tall: 44 px, from 28 to 71.
    assert_eq!((rows[0], rows[rows.len() - 1]), (28, 71));
    let ends = columns[0] + columns[columns.len() - 1];
    assert!(ends.abs_diff(99) <= 1, "{columns:?}");
}

#[test]
fn long_words_are_cut_in_the_middle() {
    let id = "bvc_g120_c1024_t0.6";
    assert_eq!(FONT.elide(id, FONT.width(id)), id);
    assert_eq!(FONT.elide(id, 150), "bvc_g…_t0.6");
    assert_eq!(FONT.elide(id, 3), "");
    // In time that grows with the length and not with its square, which would be hours.
    let long = "a".repeat(2_000_000);
    let cut = FONT.elide(&long, 150);
    assert!(
        FONT.width(&cut) <= 150 && FONT.width(&format!("{cut}a")) > 150,
        "{cut}"
    );
}

#[test]
fn lines_break_at_spaces_and_keep_intervals_whole() {
    let wrapped = FONT.wrap("true speedup 1.02 [0.99, 1.05], n = 5", 300, 3);
    assert_eq!(wrapped, ["true speedup 1.02", "[0.99, 1.05], n = 5"]);
    let even = "one two three four five six seven";
    let lines = FONT.wrap_evenly(even, FONT.width(even) - 10, 2);
    assert_eq!(lines, ["one two three", "four five six seven"]);
}

proptest! {
    #[test]
    fn what_is_wrapped_fits(words in "[a-zA-Z0-9_ \\-\\[\\]äß]{0,80}", room in 40_i32..600) {
        let lines = FONT.bold().wrap(&words, room, 3);
        prop_assert!(lines.len() <= 3);
        for line in &lines {
            prop_assert!(FONT.bold().width(line) <= room, "{line:?} in {room}");
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
        prop_assert!((1..=20).contains(&ticks.len()), "{:?}", ticks);
        prop_assert!(ticks.windows(2).all(|pair| pair[0].0 < pair[1].0), "{:?}", ticks);
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
    for (low, high, expected) in [
        (0.0, 1.64, "0 0.5 1.0 1.5 2.0"),
        (0.0, 22.3, "0 5 10 15 20 25"),
        (-8.2, 100.0, "−20 0 20 40 60 80 100"),
        (0.0, 0.0, "0 0.2 0.4 0.6 0.8 1.0"),
        (0.0, 3e9, "0 5e8 1e9 1.5e9 2e9 2.5e9 3e9"),
        (0.0, 3e-9, "0 5e−10 1e−9 1.5e−9 2e−9 2.5e−9 3e−9"),
    ] {
        let (ticks, _) = ticks(low, high, 7, true);
        let labels: Vec<String> = ticks.into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels.join(" "), expected);
    }
}

#[test]
fn values_are_short() {
    for (value, text) in [
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
    ] {
        assert_eq!(short(value), text);
    }
    for (share, text) in [
        (0.0, "0 %"),
        (0.0004, "< 0.1 %"),
        (0.004, "0.4 %"),
        (0.71, "71 %"),
        (0.996, "99.6 %"),
        (1.0, "100 %"),
    ] {
        assert_eq!(percent(share), text);
    }
}

#[test]
fn a_scale_may_run_upwards() {
    let scale = Scale::new((0.0, 10.0), (500, 100));
    let places = [0.0, 2.5, 10.0, 99.0].map(|value| scale.at(value));
    assert_eq!(places, [500, 400, 100, 100]);
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

#[test]
fn png_files_come_back() {
    for colours in [1, 200, 256, 257, 1000] {
        let colour = |at: u32| [(at % 256) as u8, (at / 256) as u8, 7];
        let mut rgb: Vec<u8> = (0..colours).flat_map(colour).collect();
        rgb.resize(rgb.len().next_multiple_of(30), 0);
        let height = (rgb.len() / 30) as u32;
        let file = png::encode(&rgb, 10, height).unwrap();
        let image = png::decode(&file).unwrap();
        assert!(image.rgb == rgb, "{colours} colours");
        assert_eq!((image.width, image.height), (10, height));
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
    let [left, right] = [&rgb, &other].map(|rgb| png::encode(rgb, 4, 4).unwrap());
    let diff = png::compare(&left, &right, 1).unwrap();
    assert_eq!((diff.differing_pixels, diff.max_channel_difference), (1, 3));
    let shown = png::decode(&diff.picture).unwrap();
    assert_eq!(shown.rgb[18..21], [220, 0, 0], "what differs is red");
    assert_eq!(shown.rgb[0..3], [216, 216, 216], "the rest is pale");
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
        let decoded = png::decode(&file[..cut]);
        assert!(matches!(decoded, Err(ChartError::Decode(_))), "{cut}");
    }
    let error = png::encode(&[0; 11], 2, 2).unwrap_err().to_string();
    let expected = "a picture buffer holds 11 bytes where its size needs 12";
    assert_eq!(error, expected);
    assert!(matches!(png::encode(&[], 0, 4), Err(ChartError::Encode(_))));
}
