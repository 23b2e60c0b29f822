//! Draws what the charts consist of: a title, a legend, and panels with lines in them.

use std::error::Error;

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::axis::{Axis, Scale};

const WIDTH: u32 = 900;
/// Of a row of panels.
const HEIGHT: u32 = 340;
const MARGIN: i32 = 16;
/// Beside a panel's plot.
const CAPTION: i32 = 30;
const X_LABELS: i32 = 46;
const Y_LABELS: i32 = 44;

/// The driver's colour. These are told apart by the colour-blind too (Okabe and Ito).
pub const DRIVER: RGBColor = RGBColor(0, 114, 178);
/// The baseline's colour.
pub const BASELINE: RGBColor = RGBColor(213, 94, 0);
/// For all else, so that it is not taken for one of the two.
pub const OTHERS: [RGBColor; 5] = [
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(0, 0, 0),
    RGBColor(86, 180, 233),
];
/// Texts, and what stands for no driver.
pub const INK: RGBColor = RGBColor(50, 50, 50);
const GRID: RGBColor = RGBColor(225, 225, 225);

/// The shape of a dot.
#[derive(Clone, Copy)]
pub enum Shape {
    /// ●
    Circle,
    /// ▲
    Triangle,
    /// ■
    Square,
    /// ✕
    Cross,
}

/// In the order in which they are given out.
pub const SHAPES: [Shape; 4] = [Shape::Circle, Shape::Triangle, Shape::Square, Shape::Cross];

/// A chart.
pub struct Picture {
    /// What it shows.
    pub title: String,
    /// How to read it.
    pub subtitle: String,
    /// What shapes and colours mean.
    pub legend: Vec<(Shape, RGBColor, String)>,
    /// The vertical axis of all panels.
    pub y: Scale,
    /// The horizontal axis of all panels, and what is on it.
    pub x: (Axis, &'static str),
    /// Where to draw a line across, as a value.
    pub across: Option<f64>,
    /// Captions and contents.
    pub panels: Vec<(String, Vec<Line>)>,
}

/// How far to shift one of so many lines, lest they cover each other.
pub fn shift(index: usize, lines: usize) -> i32 {
    4 * index as i32 - 2 * (lines as i32 - 1)
}

/// Dots, joined.
pub struct Line {
    /// Of all of it.
    pub colour: RGBColor,
    /// Pixels to the right of where it belongs.
    pub shift: i32,
    /// From left to right.
    pub dots: Vec<Dot>,
}

/// A dot of a line.
pub struct Dot {
    /// Where it is on the horizontal axis.
    pub x: f64,
    /// Its value.
    pub value: f64,
    /// From where to where the value may be.
    pub interval: Option<[f64; 2]>,
    /// Its shape.
    pub shape: Shape,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

impl Picture {
    /// The chart as SVG; nothing if there is nothing in it.
    pub fn svg(&self) -> Result<Option<String>, Box<dyn Error>> {
        let legend = self.legend_places();
        let head = legend.last().map_or(0, |place| place.1) + 16;
        let columns = self.panels.len().min(2);
        let rows = self.panels.len().div_ceil(2);
        if rows == 0 {
            return Ok(None);
        }
        let mut svg = String::new();
        let size = (WIDTH, head as u32 + HEIGHT * rows as u32);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        text(&root, &self.title, (MARGIN, 20), (21, FontStyle::Bold), HPos::Left)?;
        text(&root, &self.subtitle, (MARGIN, 43), (16, FontStyle::Normal), HPos::Left)?;
        for ((shape, colour, name), (x, y)) in self.legend.iter().zip(legend) {
            mark(&root, (x + 6, y), *shape, *colour)?;
            text(&root, name, (x + 18, y), (16, FontStyle::Normal), HPos::Left)?;
        }
        let areas = root.split_vertically(head).1.split_evenly((rows, columns));
        for (area, (caption, lines)) in areas.iter().zip(&self.panels) {
            self.panel(&root, area, caption, lines)?;
        }
        root.present()?;
        drop((areas, root));
        Ok(Some(svg))
    }

    /// Where the legend's entries go: as many in a row as fit.
    fn legend_places(&self) -> Vec<(i32, i32)> {
        let (mut x, mut y) = (MARGIN, 67);
        let place = |(_, _, name): &(Shape, RGBColor, String)| {
            let width = name.chars().count() as i32 * 7 + 40;
            if x + width > WIDTH as i32 && x > MARGIN {
                (x, y) = (MARGIN, y + 20);
            }
            x += width;
            (x - width, y)
        };
        self.legend.iter().map(place).collect()
    }

    fn panel(&self, root: &Area, area: &Area, caption: &str, lines: &[Line]) -> Drawn {
        let ((x_axis, x_name), y_axis) = (&self.x, &self.y.axis);
        let (across, down) = area.get_pixel_range();
        let (left, right) = (across.start + Y_LABELS, across.end - MARGIN);
        let (top, bottom) = (down.start + CAPTION, down.end - X_LABELS);
        let x = |position| x_axis.pixel(position, (left, right));
        let y = |position| y_axis.pixel(position, (bottom, top));
        let label = |label: &str, at, from| text(root, label, at, (15, FontStyle::Normal), from);

        for (position, name) in &y_axis.marks {
            let y = y(*position);
            stroke(root, vec![(left, y), (right, y)], GRID.stroke_width(1))?;
            label(name, (left - 6, y), HPos::Right)?;
        }
        for (position, name) in x_axis.spaced(right - left) {
            let x = x(*position);
            stroke(root, vec![(x, top), (x, bottom)], GRID.stroke_width(1))?;
            label(name, (x, bottom + 12), HPos::Center)?;
        }
        let middle = i32::midpoint(left, right);
        label(x_name, (middle, bottom + 32), HPos::Center)?;
        text(root, caption, (middle, top - 13), (17, FontStyle::Bold), HPos::Center)?;
        if let Some(value) = self.across {
            let y = y(self.y.at(value));
            stroke(root, vec![(left, y), (right, y)], INK.stroke_width(2))?;
        }

        for Line { colour, shift, dots } in lines {
            let at = |dot: &Dot, value| (x(dot.x) + shift, y(self.y.at(value)));
            stroke(root, dots.iter().map(|dot| at(dot, dot.value)).collect(), colour.stroke_width(2))?;
            for dot in dots {
                if let Some(ends) = dot.interval {
                    let [low, high] = ends.map(|value| at(dot, value));
                    stroke(root, vec![low, high], colour.stroke_width(1))?;
                    for (x, y) in [low, high] {
                        stroke(root, vec![(x - 3, y), (x + 3, y)], colour.stroke_width(1))?;
                    }
                }
                mark(root, at(dot, dot.value), dot.shape, *colour)?;
            }
        }
        Ok(())
    }
}

fn stroke(root: &Area, points: Vec<(i32, i32)>, style: ShapeStyle) -> Drawn {
    Ok(root.draw(&PathElement::new(points, style))?)
}

fn text(root: &Area, text: &str, at: (i32, i32), (size, style): (u32, FontStyle), from: HPos) -> Drawn {
    let font = ("sans-serif", size, style).into_font().color(&INK).pos(Pos::new(from, VPos::Center));
    Ok(root.draw(&Text::new(text, at, font))?)
}

fn mark(root: &Area, (x, y): (i32, i32), shape: Shape, colour: RGBColor) -> Drawn {
    match shape {
        Shape::Circle => root.draw(&Circle::new((x, y), 4, colour.filled()))?,
        Shape::Triangle => root.draw(&TriangleMarker::new((x, y), 6, colour.filled()))?,
        Shape::Square => root.draw(&Rectangle::new([(x - 4, y - 4), (x + 4, y + 4)], colour.filled()))?,
        Shape::Cross => root.draw(&Cross::new((x, y), 4, colour.stroke_width(2)))?,
    }
    Ok(())
}
