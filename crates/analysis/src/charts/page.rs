//! What all charts have in common: the page around the plot, the plot's axes and grid, and the way to SVG and PNG.

use std::fmt::Display;
use std::io;
use std::sync::{Arc, LazyLock};

use plotters::backend::SVGBackend;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea as _};
use plotters::element::{Circle, DashedPathElement, EmptyElement, PathElement, Rectangle, Text};
use plotters::style::text_anchor::HPos;
use plotters::style::{Color as _, ShapeStyle, TRANSPARENT};
use resvg::tiny_skia::Pixmap;
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Transform, Tree};

use super::axis::Axis;
use super::error::{ChartError, MAX_HEIGHT};
use super::png;
use super::text::{BOLD, Font, REGULAR};
use super::theme::{AXIS, Color, GRID, MARGIN, TICK, WHITE, text_color_on};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chart {
    pub(crate) svg: String,
    pub(crate) png: Vec<u8>,
}

/// A description of a chart.
pub(crate) trait Draw {
    /// Draws it, `width` px wide (800 at least); none where nothing in it is known.
    fn render(&self, heading: &Heading, width: i32) -> Result<Option<Chart>, ChartError>;
}

/// The words around a plot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Heading {
    /// What the chart shows, ideally as a sentence; wrapped to two lines.
    pub(crate) title: String,
    /// Units, arm, protocol; wrapped to two lines; may be empty.
    pub(crate) subtitle: String,
    /// Draws the SIMULATED badge.
    pub(crate) simulated: bool,
    /// Source and number of observations, under the plot; wrapped to three lines; may be empty.
    pub(crate) source: String,
}

/// A part of the page, in pixels from its top left.
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A plot: two axes and what is drawn between them.
pub(crate) type Plot<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Axis, Axis>>;
pub(crate) type DrawResult<T = ()> = Result<T, DrawingAreaErrorKind<io::Error>>;

/// A legend entry: a bar of half-thickness `half` with a dot of radius `dot` on it, px.
pub(crate) struct Entry {
    pub(crate) name: String,
    style: ShapeStyle,
    half: i32,
    dot: i32,
}

impl Entry {
    pub(crate) fn new(name: &str, style: ShapeStyle, half: i32, dot: i32) -> Self {
        Self {
            name: name.to_owned(),
            style,
            half,
            dot,
        }
    }

    /// Draws it from its top left, in a legend of this width, px.
    fn draw(&self, area: &Area<'_>, (x, y): (i32, i32), inner: i32) -> DrawResult {
        let (y, half) = (y + 13, self.half);
        let bar = [(x, y - half), (x + SWATCH, y + half)];
        area.draw(&Rectangle::new(bar, self.style))?;
        area.draw(&Circle::new((x + SWATCH / 2, y), self.dot, self.style))?;
        let name = Font::LABEL.elide(&self.name, inner - SWATCH - 12);
        let at = (x + SWATCH + 12, y + 2);
        area.draw_text(&name, &Font::LABEL.style(HPos::Left), at)
    }

    /// A filled box.
    pub(crate) fn fill(name: &str, color: Color) -> Self {
        Self::new(name, color.filled(), 11, 0)
    }
}

const SWATCH: i32 = 34;
/// Height of a row of the legend, px.
const LEGEND_ROW: i32 = 36;
const BADGE: &str = "SIMULATED";
const BADGE_FONT: Font = Font::LABEL.bold().color(WHITE);
pub(crate) const BADGE_COLOR: Color = plotters::style::RGBColor(0x8A, 0x2B, 0x62);

/// Makes a chart whose plot, axes included, is `body` px tall. `draw` draws the plot.
pub(crate) fn paint(
    heading: &Heading,
    width: i32,
    legend: &[Entry],
    body: i32,
    draw: impl FnOnce(&Area<'_>) -> DrawResult,
) -> Result<Option<Chart>, ChartError> {
    let inner = width - 2 * MARGIN;
    let badge = if heading.simulated {
        BADGE_FONT.width(BADGE) + 44
    } else {
        0
    };
    let title = Font::TITLE.wrap(&heading.title, inner - badge - 24, 2);
    let subtitle = Font::SUBTITLE.wrap(&heading.subtitle, inner, 2);
    let above = [(Font::TITLE, title), (Font::SUBTITLE, subtitle)];
    let source = Font::SMALL.wrap(&heading.source, inner, 3);
    let texts = above.iter();
    let texts: i32 = texts
        .map(|(font, lines)| font.leading() * lines.len() as i32)
        .sum();
    let (places, legend_height) = legend_places(legend, inner);
    let top = texts + 12 + legend_height;
    let below = top + 18 + body;
    let height = below + 22 + source.len() as i32 * Font::SMALL.leading() + 2 * MARGIN;
    if height > MAX_HEIGHT {
        let title = heading.title.clone();
        return Err(ChartError::TooTall { title, height });
    }
    let size = (width.unsigned_abs(), height.unsigned_abs());
    let mut svg = String::new();
    let painted = || -> DrawResult {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let page = root.margin(MARGIN, MARGIN, MARGIN, MARGIN);
        let mut y = 0;
        for (font, lines) in &above {
            y = text_block(&page, lines, y, *font)?;
        }
        if heading.simulated {
            let (left, right, middle) = (inner - badge + 22, inner - 22, 22);
            let fill = BADGE_COLOR.filled();
            page.draw(&Rectangle::new([(left, 0), (right, 44)], fill))?;
            page.draw(&Circle::new((left, middle), 22, fill))?;
            page.draw(&Circle::new((right, middle), 22, fill))?;
            let at = (i32::midpoint(left, right), middle + 2);
            page.draw_text(BADGE, &BADGE_FONT.style(HPos::Center), at)?;
        }
        for (entry, (left, top)) in legend.iter().zip(&places) {
            entry.draw(&page, (*left, y + 12 + top), inner)?;
        }
        draw(&page.margin(top + 18, height - 2 * MARGIN - below, 0, 0))?;
        text_block(&page, &source, below + 22, Font::SMALL)?;
        root.present()
    };
    painted().map_err(|error| ChartError::Draw(error.to_string()))?;
    // A label may hold control characters, which XML does not allow.
    svg = svg.replace(
        |c: char| c.is_control() && c != '\n' || matches!(c, '\u{fffe}' | '\u{ffff}'),
        " ",
    );
    let png = rasterize(&svg, size)?;
    Ok(Some(Chart { svg, png }))
}

/// Draws lines of text from `y` down; returns where they end.
fn text_block(area: &Area<'_>, lines: &[String], mut y: i32, font: Font) -> DrawResult<i32> {
    for line in lines {
        area.draw_text(line, &font.style(HPos::Left), (0, y + font.leading() / 2))?;
        y += font.leading();
    }
    Ok(y)
}

/// Where each entry of the legend stands, from its top left, and the legend's height, px: entries flow into rows.
fn legend_places(legend: &[Entry], inner: i32) -> (Vec<(i32, i32)>, i32) {
    let (mut x, mut y, mut places) = (0, 0, Vec::new());
    for entry in legend {
        let width = SWATCH + 12 + Font::LABEL.width(&entry.name);
        if x > 0 && x + width > inner {
            (x, y) = (0, y + LEGEND_ROW);
        }
        places.push((x, y));
        x += width + 32;
    }
    let rows = i32::from(!legend.is_empty());
    (places, y + rows * LEGEND_ROW)
}

/// Height of the heading of a section of rows, px.
pub(crate) const SECTION: i32 = 48;

/// The heading of a section, on a white ground under a rule: its name, a quiet detail beside it, and a remark at the
/// right edge.
pub(crate) fn section(
    area: &Area<'_>,
    (width, top): (i32, i32),
    [name, detail, remark]: [&str; 3],
) -> DrawResult {
    let ground = [(0, top), (width, top + SECTION - 4)];
    area.draw(&Rectangle::new(ground, WHITE.filled()))?;
    area.draw(&PathElement::new([(0, top + 4), (width, top + 4)], GRID))?;
    let (bold, small, y) = (Font::LABEL.bold(), Font::SMALL, top + 26);
    let remark = small.elide(remark, width * 3 / 5);
    area.draw_text(&remark, &small.style(HPos::Right), (width, y))?;
    let room = width - small.width(&remark) - 18;
    let name = bold.elide(name, room);
    area.draw_text(&name, &bold.style(HPos::Left), (0, y))?;
    let detail_x = bold.width(&name) + 18;
    let detail = small.elide(detail, room - detail_x);
    area.draw_text(&detail, &small.style(HPos::Left), (detail_x, y))
}

/// A filled rectangle between two corners, with a text in its middle where that fits.
pub(crate) fn block(
    plot: &mut Plot<'_>,
    corners: [(f64, f64); 2],
    color: Color,
    text: &str,
) -> DrawResult {
    plot.draw_series([Rectangle::new(corners, color.filled())])?;
    let [left, right] = corners.map(|corner| plot.backend_coord(&corner).0);
    if Font::SMALL.width(text) + 14 <= (right - left).abs() {
        let [(x0, y0), (x1, y1)] = corners;
        let style = Font::SMALL.color(text_color_on(color)).style(HPos::Center);
        let at = EmptyElement::at((f64::midpoint(x0, x1), f64::midpoint(y0, y1)));
        plot.draw_series([at + Text::new(text.to_owned(), (0, 2), style)])?;
    }
    Ok(())
}

/// Which grid lines a plot has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grid {
    /// At the labels of the x axis.
    Upright,
    /// At the labels of the y axis.
    Level,
}

/// Sets up a plot with its axes and grid. `left` and `below` are the room for labels, `right` what stays free.
pub(crate) fn plot<'a>(
    area: &Area<'a>,
    (left, right, below): (i32, i32, i32),
    (x, y): (Axis, Axis),
    (x_name, grid): (&str, Grid),
) -> DrawResult<Plot<'a>> {
    let mut builder = ChartBuilder::on(area);
    let builder = builder
        .margin_right(right)
        .y_label_area_size(left)
        .x_label_area_size(below);
    let mut plot = builder.build_cartesian_2d(x, y)?;
    let mut mesh = plot.configure_mesh();
    let names = match grid {
        Grid::Upright => Font::LABEL,
        Grid::Level => Font::SMALL,
    };
    mesh.light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(AXIS)
        .x_label_style(Font::SMALL.style(HPos::Center))
        .y_label_style(names.style(HPos::Center))
        .axis_desc_style(Font::SMALL.style(HPos::Center))
        .y_label_offset(2)
        .set_all_tick_mark_size(TICK)
        .x_desc(Font::SMALL.elide(x_name, area.dim_in_pixel().0 as i32 - left - right));
    match grid {
        Grid::Upright => mesh.disable_y_mesh(),
        Grid::Level => mesh.disable_x_mesh(),
    };
    mesh.draw()?;
    Ok(plot)
}

/// A dashed line between two places, in pixels.
pub(crate) fn dash(area: &Area<'_>, from: (i32, i32), to: (i32, i32), color: Color) -> DrawResult {
    let style = color.stroke_width(2);
    area.draw(&DashedPathElement::new([from, to], 10, 7, style))
}

/// Renders an SVG as a PNG, with the bundled fonts only.
fn rasterize(svg: &str, (width, height): (u32, u32)) -> Result<Vec<u8>, ChartError> {
    static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
        let mut fonts = Database::new();
        fonts.load_font_data(REGULAR.to_vec());
        fonts.load_font_data(BOLD.to_vec());
        Arc::new(fonts)
    });
    let failed = |error: &dyn Display| ChartError::Draw(error.to_string());
    let options = Options {
        fontdb: FONTS.clone(),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(|error| failed(&error))?;
    let mut pixels = Pixmap::new(width, height).ok_or_else(|| failed(&"it has no pixels"))?;
    resvg::render(&tree, Transform::identity(), &mut pixels.as_mut());
    let (rgba, _) = pixels.data().as_chunks::<4>();
    let rgb = rgba.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]);
    png::encode(&rgb.collect::<Vec<u8>>(), width, height)
}
