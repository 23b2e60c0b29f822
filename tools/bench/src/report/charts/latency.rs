//! Latency of the driver and its baseline at some points.

use std::error::Error;

use super::{
    Chart,
    axis::{Axis, Scale},
    canvas::{BASELINE, DRIVER, Dot, INK, Line, Picture, Shape},
};
use crate::{
    report::text::{self, distinct},
    results::{Point, Results, Section, Side},
};

/// Sizes and requests outstanding.
const PLACES: [(usize, usize); 4] = [(4096, 1), (4096, 32), (65536, 1), (65536, 32)];

const SHAPES: [(Shape, &str); 3] =
    [(Shape::Circle, "p50"), (Shape::Triangle, "p99"), (Shape::Square, "p99.9")];

fn latencies(side: &Side) -> impl Iterator<Item = (f64, Shape)> {
    let latencies = [side.p50_us, side.p99_us, side.p999_us].into_iter();
    latencies.zip(SHAPES.map(|(shape, _)| shape)).filter(|(value, _)| value.is_finite() && *value > 0.0)
}

/// Draws it.
pub fn draw(results: &Results) -> Result<Chart, Box<dyn Error>> {
    let place = |point: &Point| PLACES.iter().position(|place| *place == (point.size, point.outstanding));
    let grid = results.points.iter().filter(|point| point.section == Section::Grid);
    let points: Vec<&Point> = grid.filter(|point| place(point).is_some()).collect();
    let places = distinct(&points, place);
    let x = |point: &Point| places.partition_point(|other| *other < place(point)) as f64;
    let line = |point: &Point, side: &Side, colour, shift| {
        let dot = |(value, shape)| Dot { x: x(point), value, interval: None, shape };
        Line { colour, shift, dots: latencies(side).map(dot).collect() }
    };
    let panels = distinct(&points, |point| point.operation).into_iter().map(|operation| {
        let points = points.iter().filter(|point| point.operation == operation);
        let lines = points.flat_map(|point| {
            [line(point, &point.of_driver, DRIVER, -12), line(point, &point.of_baseline, BASELINE, 12)]
        });
        (text::operation(operation).to_string(), lines.collect())
    });
    let mark = |point: &&Point| (x(point), format!("{} × {}", text::size(point.size), point.outstanding));
    let (driver, baseline) = super::names(results);
    let names = [(Shape::Circle, DRIVER, driver.into()), (Shape::Circle, BASELINE, baseline.into())];
    let shapes = SHAPES.map(|(shape, name)| (shape, INK, name.into()));
    let title = format!("Latency of {driver} and {baseline}");
    let both = points.iter().flat_map(|point| [&point.of_driver, &point.of_baseline]);
    let picture = Picture {
        subtitle: "Microseconds from before send until the answer is received".into(),
        legend: names.into_iter().chain(shapes).collect(),
        y: Scale::logarithmic(both.flat_map(latencies).map(|(value, _)| value)),
        x: (Axis::of_marks(points.iter().map(mark)), "value × requests outstanding"),
        across: None,
        panels: panels.collect(),
        title: title.clone(),
    };
    Ok(Chart { file: "latency.svg", title, svg: picture.svg()? })
}
