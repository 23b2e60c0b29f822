//! Ratios by value size, with a line for each number of requests outstanding.

use std::error::Error;

use plotters::style::RGBColor;

use super::{
    Chart,
    axis::{Axis, Scale},
    canvas::{Dot, Line, OTHERS, Picture, SHAPES, Shape, shift},
};
use crate::{
    report::text::{self, distinct},
    results::{Interval, Operation, Point, Ratios, Results, Section},
};

/// The ratio of requests per second.
pub fn rate(results: &Results) -> Result<Chart, Box<dyn Error>> {
    draw(results, "rate-by-size.svg", "Requests per second", "above", |ratio| ratio.rate)
}

/// The ratio of CPU time per request.
pub fn cpu(results: &Results) -> Result<Chart, Box<dyn Error>> {
    draw(results, "cpu-by-size.svg", "CPU time per request", "below", |ratio| ratio.cpu)
}

fn draw(
    results: &Results,
    file: &'static str,
    what: &str,
    better: &str,
    ratio: fn(&Ratios) -> Interval,
) -> Result<Chart, Box<dyn Error>> {
    let grid: Vec<_> = results.points.iter().filter(|point| point.section == Section::Grid).collect();
    let (driver, baseline) = super::names(results);
    let title = format!("{what}: {driver} to {baseline}");
    // Before anything is left out, so that a line has the same colour in both charts.
    let styles: Vec<(usize, (Shape, RGBColor))> = distinct(&grid, |point| point.outstanding)
        .into_iter()
        .zip((0..).map(|index| (SHAPES[index % SHAPES.len()], OTHERS[index % OTHERS.len()])))
        .collect();
    let values = |point: &Point| {
        let Interval { median, low, high } = ratio(&point.ratio);
        [median, low, high]
    };
    let fine = |point: &&Point| values(point).iter().all(|value| value.is_finite() && *value > 0.0);
    let points: Vec<&Point> = grid.into_iter().filter(fine).collect();
    let sizes = distinct(&points, |point| point.size);
    let least = sizes.iter().copied().find(|size| *size > 0).unwrap_or(1);
    // There is no logarithm of 0: it is a bit to the left.
    let position = |size: usize| if size > 0 { size as f64 } else { least as f64 / 4.0 }.log2();
    let line = |index: usize, operation: Operation, outstanding: usize| {
        let (shape, colour) = styles[index].1;
        let mut dots: Vec<Dot> = points
            .iter()
            .filter(|point| point.operation == operation && point.outstanding == outstanding)
            .map(|point| {
                let [value, low, high] = values(point);
                Dot { x: position(point.size), value, interval: Some([low, high]), shape }
            })
            .collect();
        dots.sort_by(|a, b| a.x.total_cmp(&b.x));
        Line { colour, shift: shift(index, styles.len()), dots }
    };
    let panels = distinct(&points, |point| point.operation).into_iter().map(|operation| {
        let lines = styles.iter().enumerate();
        let lines = lines.map(|(index, (outstanding, _))| line(index, operation, *outstanding));
        (text::operation(operation).to_string(), lines.collect())
    });
    let picture = Picture {
        subtitle: format!("Ratio with its 95 % interval; {better} 1, {driver} is ahead"),
        legend: styles
            .iter()
            .map(|(outstanding, (shape, colour))| (*shape, *colour, format!("{outstanding} outstanding")))
            .collect(),
        y: Scale::of(points.iter().flat_map(|point| values(point)).chain([1.0])),
        x: (Axis::of_marks(sizes.iter().map(|size| (position(*size), text::size(*size)))), "value"),
        across: Some(1.0),
        panels: panels.collect(),
        title: title.clone(),
    };
    Ok(Chart { file, title, svg: picture.svg()? })
}
