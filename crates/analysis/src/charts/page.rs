//! What all charts have in common: the page around the plot, the plot's axes and grid, and the way to SVG and PNG.

use std::fmt::Display;
use std::io;
use std::sync::{Arc, LazyLock};

use plotters::backend::SVGBackend;
use plotters::chart::{ChartBuilder, ChartContext, SeriesLabelPosition};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea as _};
use plotters::element::{Circle, DashedPathElement, EmptyElement, Rectangle};
use plotters::style::text_anchor::{HPos, Pos};
use plotters::style::{Color as _, ShapeStyle, TRANSPARENT};
use resvg::tiny_skia::Pixmap;
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Transform, Tree};

use super::axis::Axis;
use super::error::{ChartError, MAX_HEIGHT};
use super::png;
use super::text::{BOLD, Font, REGULAR};
use super::theme::{AXIS, Color, GRID, MARGIN, TICK, WHITE};

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
    let above = [
        (
            Font::TITLE,
            Font::TITLE.wrap(&heading.title, inner - badge - 24, 2),
        ),
        (
            Font::SUBTITLE,
            Font::SUBTITLE.wrap(&heading.subtitle, inner, 2),
        ),
    ];
    let source = Font::SMALL.wrap(&heading.source, inner, 3);
    let texts: i32 = above
        .iter()
        .map(|(font, lines)| font.leading() * lines.len() as i32)
        .sum();
    let (rows, columns) = legend_grid(legend, inner);
    let top = texts + 12 + rows.min(legend.len()) as i32 * LEGEND_ROW;
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
        draw_legend(&page.margin(y + 12, 0, 0, 0), legend, rows, &columns)?;
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

/// The fewest rows in which the legend's columns fit side by side, and the width of each column.
fn legend_grid(legend: &[Entry], inner: i32) -> (usize, Vec<i32>) {
    let column = |entries: &[Entry]| {
        let names = entries.iter().map(|entry| &*entry.name);
        (Font::LABEL.widest(names) + SWATCH + 44).min(inner)
    };
    let grid = |rows| (rows, legend.chunks(rows).map(column).collect());
    let mut grids = (1..legend.len()).map(grid);
    let fitting =
        grids.find(|(_, columns): &(_, Vec<i32>)| columns.iter().sum::<i32>() <= inner + 30);
    fitting.unwrap_or_else(|| grid(legend.len().max(1)))
}

/// Draws the legend in several columns; plotters' own has one.
fn draw_legend(area: &Area<'_>, legend: &[Entry], rows: usize, columns: &[i32]) -> DrawResult {
    let mut left = 0;
    for (entries, column) in legend.chunks(rows).zip(columns) {
        let area = area.margin(0, 0, left, 0);
        left += column;
        let mut chart = ChartBuilder::on(&area).build_cartesian_2d(0..1, 0..1)?;
        for entry in entries {
            let (style, half, dot) = (entry.style, entry.half, entry.dot);
            let swatch = move |(x, y)| {
                EmptyElement::at((x, y - 2))
                    + Rectangle::new([(0, -half), (SWATCH, half)], style)
                    + Circle::new((SWATCH / 2, 0), dot, style)
            };
            let name = Font::LABEL.elide(&entry.name, column - SWATCH - 12);
            let series = chart.draw_series(None::<Circle<_, i32>>)?;
            series.label(name).legend(swatch);
        }
        let font = Font::LABEL.style(HPos::Left).pos(Pos::default());
        let mut labels = chart.configure_series_labels();
        let labels = labels.position(SeriesLabelPosition::Coordinate(0, 0));
        labels
            .margin(0)
            .legend_area_size(SWATCH + 12)
            .label_font(font)
            .draw()?;
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
    area.draw(&DashedPathElement::new(
        [from, to],
        10,
        7,
        color.stroke_width(2),
    ))
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
    let rgb = pixels
        .data()
        .as_chunks::<4>()
        .0
        .iter()
        .flat_map(|[r, g, b, _]| [*r, *g, *b]);
    png::encode(&rgb.collect::<Vec<u8>>(), width, height)
}
