//! Text, PNG files, axes and the other parts that measure.

use plotters::coord::ranged1d::Ranged as _;
use plotters::style::text_anchor::HPos;
use proptest::prelude::*;

use crate::charts::axis::{Axis, percent, short};
use crate::charts::labels::CoveredAreas;
use crate::charts::page::paint;
use crate::charts::phase::overlaps;
use crate::charts::text::Font;
use crate::charts::{ChartError, Heading, Phase, Segment, png};

const FONT: Font = Font::SMALL;

/// What plotters measures is as wide as what is drawn.
#[test]
fn text_is_as_wide_as_it_was_measured() {
    for (font, text) in [
        (Font::TITLE, "AVAWA To 1,234"),
        (FONT, "bvc_g120_c1024_t0.6"),
    ] {
        let chart = paint(&Heading::default(), 800, &[], 100, |area| {
            area.draw_text(text, &font.style(HPos::Left), (0, 50))
        });
        let image = png::decode(&chart.unwrap().unwrap().png).unwrap();
        let pixels = image.rgb.as_chunks::<3>().0.iter().zip(0..);
        let inked = pixels.filter(|(pixel, _)| **pixel != [255; 3]);
        let columns: Vec<i32> = inked.map(|(_, at)| at % 800).collect();
        let width = columns.iter().max().unwrap() - columns.iter().min().unwrap();
        assert!(font.width(text).abs_diff(width) <= 6, "{text}: {width}");
    }
}

#[test]
fn long_words_are_cut_in_the_middle() {
    let id = "bvc_g120_c1024_t0.6";
    assert_eq!(FONT.elide(id, FONT.width(id)), id);
    assert_eq!(FONT.elide(id, 140), "bvc_g…_t0.6");
    assert_eq!(FONT.elide(id, 3), "");
    // In time that does not grow with the square of the length.
    let cut = FONT.elide(&"a".repeat(2_000_000), 150);
    assert!(FONT.width(&cut) <= 150 && FONT.width(&format!("{cut}a")) > 150);
}

#[test]
fn lines_break_evenly_at_spaces() {
    let text = "one two three four five six seven";
    let lines = FONT.wrap(text, FONT.width(text) - 10, 2);
    assert_eq!(lines, ["one two three four", "five six seven"]);
    let shortened = FONT.wrap(text, 100, 2);
    assert_eq!(shortened.len(), 2, "{shortened:?}");
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
    fn round_axes_hold_their_values(low in -1e9_f64..1e9, size in 1e-6_f64..1e9) {
        let axis = Axis::rounded(low..low + size, 7);
        let range = axis.range();
        prop_assert!(range.start <= low + size * 1e-6 && range.end >= low + size * (1.0 - 1e-6));
        prop_assert!((2..=9).contains(&axis.labels().count()), "{:?}", axis);
    }
}

#[test]
fn ticks_are_round() {
    for (low, high, expected) in [
        (0.0, 1.64, "0 0.5 1 1.5 2"),
        (0.0, 22.3, "0 5 10 15 20 25"),
        (-8.2, 100.0, "−20 0 20 40 60 80 100"),
        (0.0, 0.0, "0 0.2 0.4 0.6 0.8 1"),
        (0.0, 3e9, "0 5e8 1e9 1.5e9 2e9 2.5e9 3e9"),
    ] {
        let axis = Axis::rounded(low..high, 7);
        assert_eq!(axis.labels().collect::<Vec<_>>().join(" "), expected);
    }
    let axis = Axis::doubling(1.0..64.0);
    let labels: Vec<&str> = axis.labels().collect();
    assert_eq!(labels, ["1", "2", "4", "8", "16", "32", "64"]);
    let wide = Axis::doubling(1.0..5e7);
    assert_eq!(wide.labels().take(3).collect::<Vec<_>>(), ["1", "8", "64"]);
    let places = [1.0, 8.0, 64.0, 99.0].map(|x| axis.map(&x, (0, 600)));
    assert_eq!(places, [0, 300, 600, 600]);
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

/// Decoding of each lane, `|` between lanes, and where two or more overlap; `load` is no decoding.
#[test]
fn overlap_is_more_than_touching() {
    let segment = |words: &str| {
        let mut words = words.split(' ');
        let phase = match words.next() {
            Some("load") => Phase::Load,
            _ => Phase::Decode,
        };
        let [start_s, end_s] = [(); 2].map(|()| words.next().unwrap().parse().unwrap());
        Segment {
            phase,
            start_s,
            end_s,
        }
    };
    let lane = |lane: &str| lane.split(", ").map(segment).collect::<Vec<_>>();
    for (lanes, expected) in [
        ("decode 0 2|decode 2 3", &[][..]),
        ("decode 0 2|load 0 3", &[]),
        ("decode 0 2, decode 1 3", &[]),
        (
            "decode 0 4, decode 6 9|decode 1 3|decode 2 7",
            &[(1.0, 4.0), (6.0, 7.0)],
        ),
    ] {
        let of: Vec<_> = lanes.split('|').map(lane).collect();
        assert_eq!(overlaps(of.iter().map(Vec::as_slice)), expected, "{lanes}");
    }
}

#[test]
fn labels_keep_off_the_data() {
    let mut covered = CoveredAreas::default();
    covered.cover_line(&[(0, 0), (100, 100)]);
    assert!(!covered.claim((40, 45, 20, 10)), "the line runs through it");
    assert!(covered.claim((60, 0, 30, 40)));
    assert!(
        !covered.claim((80, 10, 30, 10)),
        "another label stands there"
    );
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
    for (bytes, size) in [(11, 2), (0, 0)] {
        let refused = png::encode(&vec![0; bytes], size, 2);
        assert!(matches!(refused, Err(ChartError::Encode(_))));
    }
}
